"""The data plane in SQL, and the store that the shared parts of the product ask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from undercroft.core.errors import ConfigInvalid, Unavailable
from undercroft.core.findings import Finding
from undercroft.engines.sql import gradual
from undercroft.engines.sql.leases import Leases
from undercroft.messaging.drivers.sql import diagnosis
from undercroft.messaging.drivers.sql.claims import Claim
from undercroft.messaging.drivers.sql.control import ControlDriver
from undercroft.messaging.drivers.sql.dialects import Lane
from undercroft.messaging.drivers.sql.messages import Message
from undercroft.messaging.drivers.sql.outbox import Outbox
from undercroft.messaging.drivers.sql.store import Options, Store
from undercroft.messaging.drivers.sql.subscriptions import Subscription
from undercroft.messaging.models import Depths
from undercroft.messaging.planes import DataPlane
from undercroft.messaging.waiting import Key, Outlook

# Messages that `gc` removes at most, and those of one transaction.
_MOST, _AT_ONCE = 100_000, 1_000


class DataDriver(DataPlane[Store]):
    """Messages, claims and subscriptions; see `DataPlane` for the arguments."""

    _store = Store
    _control_plane = ControlDriver
    ephemeral = "sqlite:///{tmp}/messaging.db"
    Options = Options
    _message_controller = Message
    _claim_controller = Claim
    _subscription_controller = Subscription
    _outbox = Outbox

    def __init__(self, conf: Any, cache: Any, control_driver: Any, **opened: Any) -> None:
        super().__init__(conf, cache, control_driver, **opened)
        self.db, self.tables, self.plane = self.store.db, self.store.tables, self.store.plane
        self.signals = self.plane.signals
        self.plane.moved = self._moved

    def _moved(self, lane: Lane, count: int) -> None:
        self.waiting.signal(lane, count)

    def outlooks(self, keys: Sequence[Key]) -> Sequence[Outlook]:
        return self.plane.outlooks([Lane(*key) for key in keys], self.now())

    # -- the store's life ------------------------------------------------------------------------------------------

    def init(self) -> None:
        self.store.init()

    def check(self) -> list[str]:
        """What keeps the tables from being what this version needs; empty when nothing does."""
        return self.store.sql.check()

    def schema_version(self) -> tuple[str | None, str]:
        """The tables' version (None: there are none), and the version that this package has."""
        return self.store.sql.version()

    def locks(self) -> Leases:
        return self.store.sql.locks()

    def diagnose(self, *, verify: bool = False) -> Iterator[Finding]:
        if (yield from self.store.sql.diagnose(self.check)):
            yield diagnosis.queues(self.db, self.tables)
            yield diagnosis.waiting(self.db, self.tables, self.now())
            yield diagnosis.outbox(self.db, self.tables, self.now())
            if verify:
                yield from self.store.sql.integrity()
                yield diagnosis.tallies(self.db, self.tables)
                yield diagnosis.references(self.db, self.tables)
                yield diagnosis.audience(self.db, self.tables, self.now())

    def drop(self) -> None:
        self.store.sql.drop()

    def close(self) -> None:
        super().close()
        self.plane.close()
        self.db.close()

    # -- health ----------------------------------------------------------------------------------------------------

    def is_alive(self) -> bool:
        try:
            self.db.alone(lambda c: c.exec_driver_sql("SELECT 1").close())
        except (Unavailable, ConfigInvalid):
            return False
        return True

    def gc(self) -> None:
        removed = 0
        while removed < _MOST and (gone := self.clean()):
            removed += gone
            gradual.leave(1)

    def clean(self) -> int:
        return self.plane.clean(self.now(), _AT_ONCE)

    def depths(self, limit: int) -> Depths:
        return self.plane.depths(limit, self.now()) if limit else Depths([], 0)

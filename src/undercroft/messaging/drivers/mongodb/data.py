"""The data plane in MongoDB, and the store that the shared parts of the product ask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from undercroft.core.capabilities import never
from undercroft.core.errors import ConfigInvalid, Unavailable
from undercroft.core.findings import Finding
from undercroft.engines import mongodb
from undercroft.messaging import contract
from undercroft.messaging.drivers.mongodb import diagnosis
from undercroft.messaging.drivers.mongodb.claims import Claim
from undercroft.messaging.drivers.mongodb.control import ControlDriver
from undercroft.messaging.drivers.mongodb.messages import Message
from undercroft.messaging.drivers.mongodb.outbox import Outbox
from undercroft.messaging.drivers.mongodb.store import Options, Store
from undercroft.messaging.drivers.mongodb.subscriptions import Subscription
from undercroft.messaging.models import Depths
from undercroft.messaging.planes import DataPlane
from undercroft.messaging.waiting import Key, Outlook

# The layout of documents and indexes.
_LAYOUT = "messaging_1"


class DataDriver(DataPlane[Store]):
    """Messages, claims and subscriptions; see `DataPlane` for the arguments."""

    _store = Store
    _control_plane = ControlDriver
    Options = Options
    _message_controller = Message
    _claim_controller = Claim
    _subscription_controller = Subscription
    _outbox = Outbox
    capabilities = contract.Features.without(
        whole_calls=never("posts are changed one by one: an interrupted call may be half done")
    )

    def __init__(self, conf: Any, cache: Any, control_driver: Any, **opened: Any) -> None:
        super().__init__(conf, cache, control_driver, **opened)
        self.parts = self.store.parts
        self.parts.mover.moved = self.waiting_signal

    def waiting_signal(self, key: Key, count: int) -> None:
        """Wake those who wait for a queue that has got messages from another one."""
        self.waiting.signal(key, count)

    def outlooks(self, keys: Sequence[Key]) -> Sequence[Outlook]:
        return self.parts.counter.outlooks(keys, self.now())

    # -- the store's life ------------------------------------------------------------------------------------------

    def init(self) -> None:
        self.store.init()

    def check(self) -> list[str]:
        """What keeps the indexes from being what this version needs; empty when nothing does."""
        return self.store.missing()

    def schema_version(self) -> tuple[str | None, str]:
        """The layout that is there (None: there is none), and the one that this package has."""
        return _LAYOUT if self.store.is_there() else None, _LAYOUT

    def locks(self) -> mongodb.Locks:
        return mongodb.Locks(self.store.collection("lock"), self.store.call, self.now)

    def diagnose(self, *, verify: bool = False) -> Iterator[Finding]:
        return diagnosis.examine(self.store, self.check, verify=verify)

    def drop(self) -> None:
        self.store.drop()

    def close(self) -> None:
        super().close()
        self.store.close()

    # -- health ----------------------------------------------------------------------------------------------------

    def is_alive(self) -> bool:
        try:
            with self.store.call():
                self.store.client.admin.command("ping")
        except (Unavailable, ConfigInvalid):
            return False
        return True

    def gc(self) -> None:
        self.parts.keeper.collect()

    def clean(self) -> int:
        return self.parts.keeper.clean()

    def depths(self, limit: int) -> Depths:
        return self.parts.counter.depths(limit, self.now()) if limit else Depths([], 0)

"""The data plane in Redis, and the store that the shared parts of the product ask."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

from undercroft.core.capabilities import never
from undercroft.core.errors import ConfigInvalid, Unavailable
from undercroft.core.findings import Finding
from undercroft.core.jobs import Locks
from undercroft.messaging import contract, settings
from undercroft.messaging.drivers.redis import diagnosis, keeping, signals
from undercroft.messaging.drivers.redis.claims import Claim
from undercroft.messaging.drivers.redis.control import ControlDriver
from undercroft.messaging.drivers.redis.lanes import Lanes
from undercroft.messaging.drivers.redis.messages import Message
from undercroft.messaging.drivers.redis.outbox import Outbox, Outboxes
from undercroft.messaging.drivers.redis.store import Options, Store
from undercroft.messaging.drivers.redis.subscriptions import Subscription
from undercroft.messaging.models import Depths
from undercroft.messaging.planes import DataPlane
from undercroft.messaging.waiting import Key, Outlook

_NOT_DURABLE = never("unless every master has `appendonly yes` and `appendfsync always`")


class _Capabilities:
    """Those of a store are what its server's settings allow, found out once; those of the class are what every server has."""

    def __get__(self, driver: DataDriver | None, owner: type[DataDriver]) -> contract.Features:
        if driver is None:
            return contract.Features(durability=_NOT_DURABLE)
        if driver._features is None:
            try:
                driver._features = contract.Features(durability=driver.store.redis.is_durable() or _NOT_DURABLE)
            except Unavailable as error:
                settings.LOG.warning("whether what is acknowledged is on disk is not known: %s", error)
                return contract.Features(durability=_NOT_DURABLE)
        return driver._features


class DataDriver(DataPlane[Store]):
    """Messages, claims and subscriptions; see `DataPlane` for the arguments."""

    _store = Store
    _control_plane = ControlDriver
    Options = Options
    _message_controller = Message
    _claim_controller = Claim
    _subscription_controller = Subscription
    _outbox = Outbox
    capabilities = _Capabilities()
    _features: contract.Features | None = None

    def __init__(self, conf: Any, cache: Any, control_driver: Any, **opened: Any) -> None:
        super().__init__(conf, cache, control_driver, **opened)
        self._keeper = keeping.Keeper(self.store, self.store.register)
        self._sweepers = (self._keeper, Lanes(self.store), Outboxes(self.store))
        self._gauge = keeping.Gauge(self.store, self.store.register)
        self.signals = functools.partial(signals.Channel, self.store)

    def outlooks(self, keys: Sequence[Key]) -> Sequence[Outlook]:
        return signals.outlooks(self.store, keys)

    # -- the store's life ------------------------------------------------------------------------------------------

    def init(self) -> None:
        self.store.init()

    def locks(self) -> Locks:
        return self.store.redis.locks()

    def diagnose(self, *, verify: bool = False) -> Iterator[Finding]:
        if (yield from self.store.redis.diagnose()):
            yield from diagnosis.queues(self.store, verify=verify)
            yield diagnosis.outbox(self.store)
            if verify:
                yield from diagnosis.references(self.store)

    def drop(self) -> None:
        keeping.drop(self.store)

    def close(self) -> None:
        super().close()
        self.store.redis.close()

    # -- health ----------------------------------------------------------------------------------------------------

    def is_alive(self) -> bool:
        try:
            self.store.redis.ping()
        except (Unavailable, ConfigInvalid):
            return False
        return True

    def gc(self) -> None:
        for each in self._sweepers:
            each.collect()

    def clean(self) -> int:
        return sum(each.sweep().removed for each in self._sweepers)

    def depths(self, limit: int) -> Depths:
        return self._gauge.depths(limit)

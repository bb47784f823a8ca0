"""The two drivers that Zaqar loads. Handlers of queues and topics are found by the name of this module."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

from oslo_utils import timeutils
from zaqar import storage

import undercroft
from undercroft.compat.zaqar import config
from undercroft.compat.zaqar.errors import as_theirs
from undercroft.compat.zaqar.messages import Claim, Message, Subscription
from undercroft.compat.zaqar.queues import Queue, Topic
from undercroft.compat.zaqar.registers import Catalogue, Flavors, Pools
from undercroft.core import registry, time
from undercroft.core import url as urls
from undercroft.messaging import DataDriverBase

# Queues whose messages are counted for Zaqar's health, the fullest first.
_MOST_QUEUES = 10_000


def _clock() -> Any:
    """Zaqar's present in whole seconds, looked up by name at each call: its tests put another clock in its place."""
    return time.from_micros(int(timeutils.utcnow_ts()) * 1_000_000)


class _Driver(storage.base.DriverBase):
    """What both have: the option, read once, since pools have one configuration together."""

    NAME: ClassVar[str] = config.OURS
    _PLANE: ClassVar[str]

    def __init__(self, conf: Any, cache: Any, *more: Any) -> None:
        group = f"{self._PLANE}:{self.NAME}"
        self._DRIVER_OPTIONS = [(group, config.options(self._PLANE))]
        super().__init__(conf, cache, *more)
        self.url = config.url(conf, group)
        time.bind(_clock)


class ControlDriver(_Driver, storage.ControlDriverBase):
    """Zaqar's management store: queues and topics, pools, flavors and the catalogue."""

    _PLANE = config.CONTROL

    def __init__(self, conf: Any, cache: Any) -> None:
        super().__init__(conf, cache)
        # Both planes, for a message store at the same URL.
        self.planes: DataDriverBase = undercroft.connect("messaging", self.url, conf=conf, cache=cache)
        # Zaqar makes queues itself, and posts by the same call to topics.
        self.planes.makes_queues = False
        self.ours = self.planes.control_driver

    @functools.cached_property
    def queue_controller(self) -> Queue:
        """Queues and their metadata."""
        return Queue(self)

    @functools.cached_property
    def topic_controller(self) -> Topic:
        """Topics and their metadata."""
        return Topic(self)

    @functools.cached_property
    def pools_controller(self) -> Pools:
        """The pools that queues are spread over."""
        return Pools(self)

    @functools.cached_property
    def flavors_controller(self) -> Flavors:
        """Groups of pools."""
        return Flavors(self)

    @functools.cached_property
    def catalogue_controller(self) -> Catalogue:
        """Which pool a queue is in."""
        return Catalogue(self)

    def close(self) -> None:
        """Give the connections back."""
        self.planes.close()


class DataDriver(_Driver, storage.DataDriverBase):
    """Zaqar's message store: messages, claims and subscriptions."""

    _PLANE = config.DATA
    BASE_CAPABILITIES = tuple(storage.Capabilities)

    def __init__(self, conf: Any, cache: Any, control_driver: Any) -> None:
        super().__init__(conf, cache, control_driver)
        self.has_queues = isinstance(control_driver, ControlDriver) and control_driver.url == self.url
        self.ours: DataDriverBase = control_driver.planes if self.has_queues else self._apart()
        # Drivers of other pools, to which dead letters go: by the pools' names, with their URIs.
        self.neighbours: dict[str, tuple[str, Any]] = {}
        self.ours.notifies = bool(conf[f"{self._PLANE}:{self.NAME}"].notify)

    def _apart(self) -> DataDriverBase:
        """The data plane at the URL; the metadata of queues, dead letters among them, are asked of Zaqar's other store."""
        driver = registry.load("messaging", urls.scheme(self.url))
        found: DataDriverBase = driver(self.conf, self.cache, self.control_driver, url=self.url)
        return found

    @property
    def capabilities(self) -> tuple[Any, ...]:
        """What the store offers."""
        return tuple(map(storage.Capabilities, sorted(self.ours.capabilities)))

    @functools.cached_property
    def message_controller(self) -> Message:
        """Messages."""
        return Message(self)

    @functools.cached_property
    def claim_controller(self) -> Claim:
        """Claims."""
        return Claim(self)

    @functools.cached_property
    def subscription_controller(self) -> Subscription:
        """Subscriptions."""
        return Subscription(self)

    def is_alive(self) -> bool:
        """Whether the store answers."""
        return self.ours.is_alive()

    def _health(self) -> dict[str, Any]:
        found = self.ours.health()
        # A store with pools answers with an entry for each pool instead.
        if found.get("storage_reachable"):
            queues = self.ours.depths(_MOST_QUEUES).queues
            free, claimed = (sum(getattr(each, name) for each in queues) for name in ("free", "claimed"))
            found["message_volume"] = {"free": free, "claimed": claimed, "total": free + claimed}
        return found

    def gc(self) -> None:
        """Remove what has expired."""
        with as_theirs():
            self.ours.gc()

    def close(self) -> None:
        """Give the connections back; those that the management store has, too, go with it."""
        for _, neighbour in self.neighbours.values():
            neighbour.close()
        if not self.has_queues:
            self.ours.close()


def _named(plane: type[_Driver], engine: str) -> Any:
    """A class of its own for the name `undercroft+ENGINE`: a driver has to know which group of options is its own."""
    name = f"{config.OURS}+{engine}"
    own = {"NAME": name, "__module__": __name__, "__doc__": f"{plane.__doc__} Of the name `{name}`."}
    return type(f"{engine.title()}{plane.__name__}", (plane,), own)


(
    SqliteDataDriver, PostgresqlDataDriver, MysqlDataDriver, MariadbDataDriver, RedisDataDriver, RedissDataDriver,
    MongodbDataDriver,
) = (_named(DataDriver, engine) for engine in config.ENGINES)  # fmt: skip
(
    SqliteControlDriver, PostgresqlControlDriver, MysqlControlDriver, MariadbControlDriver, RedisControlDriver, RedissControlDriver,
    MongodbControlDriver,
) = (_named(ControlDriver, engine) for engine in config.ENGINES)  # fmt: skip

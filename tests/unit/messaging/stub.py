"""A driver that takes note of what it is asked, and knows nothing: what the base classes make of arguments is seen on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

from undercroft.core.findings import Finding
from undercroft.messaging import (
    CatalogueBase,
    Claim,
    ControlDriverBase,
    DataDriverBase,
    FlavorsBase,
    Message,
    PoolsBase,
    Queue,
    Subscription,
)
from undercroft.messaging.contract import Outbox
from undercroft.messaging.models import Depths, Stats, Stored, Subscriber, Taken

# What a method answers that is to find something.
ANSWERS: dict[str, Any] = {
    "_list": [], "_metadata": {}, "_set_metadata": True, "_create": True, "_exists": True, "_delete": None, "_first": None,
    "_stats": Stats(0, 0, None, None), "_calculate_resource_count": 0, "_post": ["1"], "_post_once": b"", "_bulk_delete": None,
    "_pop": [], "_redrive": 0, "_forget": None, "_update": True, "_confirm": True, "_get_with_subscriber": None,
}  # fmt: skip
STORED = Stored("7", 60, 5, b'{"k":[1]}', None, 2, 1_700_000_000_999)
OTHERS: dict[tuple[type[Any], str], Any] = {
    (Message, "_list"): ([], None),
    (Message, "_get"): [STORED],
    (Claim, "_create"): None,
    (Claim, "_get"): Taken("3", 60, 5, [STORED]),
    (Subscription, "_create"): "9",
    (Subscription, "_get"): Subscriber("9", "q", "http://a", 60, 5, {}, False),
}


def listening(base: type[Any]) -> Any:
    """A controller whose methods take note of their arguments."""

    def method(name: str) -> Any:
        def call(self: Any, *arguments: Any, **named: Any) -> Any:
            self.driver.asked.append((name, arguments, named))
            given = self.driver.answers.get(name, OTHERS.get((base, name), ANSWERS.get(name)))
            return given() if callable(given) else given

        return call

    return type(f"Listening{base.__name__}", (base,), {name: method(name) for name in base.__abstractmethods__})


class ControlDriver(ControlDriverBase):
    """The plane of queues."""

    asked: list[Any]
    answers: dict[str, Any]

    @property
    def queue_controller(self) -> Queue:
        found: Queue = listening(Queue)(self)
        return found

    @property
    def pools_controller(self) -> PoolsBase:
        found: PoolsBase = listening(PoolsBase)(self)
        return found

    @property
    def flavors_controller(self) -> FlavorsBase:
        found: FlavorsBase = listening(FlavorsBase)(self)
        return found

    @property
    def catalogue_controller(self) -> CatalogueBase:
        found: CatalogueBase = listening(CatalogueBase)(self)
        return found


class DataDriver(DataDriverBase):
    """The plane of messages.

    Attributes:
        asked: name, arguments and keywords of each call that got through.
        answers: what methods answer, by their names.
    """

    _message_controller = listening(Message)
    _claim_controller = listening(Claim)
    _subscription_controller = listening(Subscription)
    _outbox = listening(Outbox)

    def __init__(self, conf: Any = None, cache: Any = None, control_driver: Any = None, *, alive: bool = True) -> None:
        super().__init__(conf, cache, control_driver or ControlDriver(conf, cache))
        self.asked = self.control_driver.asked = []
        self.answers = self.control_driver.answers = {}
        self.alive = alive

    asked: list[Any]
    answers: dict[str, Any]

    @classmethod
    def open(cls, url: str, *, conf: Any = None, cache: Any = None, **options: Any) -> Self:
        return cls(conf, cache)

    def is_alive(self) -> bool:
        return self.alive

    def clean(self) -> int:
        return 0

    def depths(self, limit: int) -> Depths:
        return Depths([], 0)

    def init(self) -> None:
        pass

    def locks(self) -> Any:
        return None

    def diagnose(self, *, verify: bool = False) -> Iterator[Finding]:
        return iter(())

    def drop(self) -> None:
        pass

    def calls(self) -> Sequence[str]:
        """The names of the methods that were called."""
        return [name for name, _, _ in self.asked]

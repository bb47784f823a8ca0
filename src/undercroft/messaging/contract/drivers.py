"""The two planes: what keeps messages, and what keeps queues."""

from __future__ import annotations

import abc
import collections.abc
import contextlib
import dataclasses
import datetime as dt
import enum
import threading
import time as monotonic
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

from oslo_config import cfg

from undercroft.core import capabilities as caps
from undercroft.core import time
from undercroft.core.errors import UndercroftError
from undercroft.core.findings import Finding
from undercroft.core.jobs import Locks
from undercroft.messaging import attributes, settings
from undercroft.messaging.contract.catalogue import CatalogueBase
from undercroft.messaging.contract.claim import Claim
from undercroft.messaging.contract.flavors import FlavorsBase
from undercroft.messaging.contract.message import Message
from undercroft.messaging.contract.outbox import Outbox
from undercroft.messaging.contract.pools import PoolsBase
from undercroft.messaging.contract.queue import Queue
from undercroft.messaging.contract.subscription import Subscription
from undercroft.messaging.contract.topic import Topic
from undercroft.messaging.errors import QueueDoesNotExist
from undercroft.messaging.models import Depths
from undercroft.messaging.waiting import Hub, Key, Outlook, Signals
from undercroft.messaging.waiting.signals import UNKNOWN

Truth = bool | caps.Gap
# Messages of the self-test.
_PROBES = 100
_making = threading.Lock()


class Capabilities(enum.IntEnum):
    """What the host asks of a driver."""

    FIFO = 1
    CLAIMS = 2
    DURABILITY = 3
    AOD = 4
    HIGH_THROUGHPUT = 5


@dataclasses.dataclass(frozen=True, eq=False)
class Features(caps.Capabilities, collections.abc.Set):  # type: ignore[type-arg]  # its members are those of the enum
    """What a driver of messages may lack; every default is the full contract. As a set it has the members of `Capabilities`.

    Attributes:
        whole_calls: a claim, a renewal, a pop or a deletion of several messages happens completely or not at all, even if it is
            interrupted, and other callers never see a part of it.
    """

    fifo: Truth = True
    claims: Truth = True
    durability: Truth = True
    deduplication: Truth = True
    store_once: Truth = True
    concurrent_writers: Truth = True
    survives_restart: Truth = True
    whole_calls: Truth = True

    @classmethod
    def _from_iterable(cls, found: Iterable[Any]) -> frozenset[Any]:
        return frozenset(found)

    def _members(self) -> frozenset[Capabilities]:
        claimed = {
            Capabilities.FIFO: self.fifo,
            Capabilities.CLAIMS: self.claims,
            Capabilities.DURABILITY: self.durability,
            Capabilities.AOD: True,
            Capabilities.HIGH_THROUGHPUT: True,
        }
        return frozenset(member for member, has in claimed.items() if has)

    # The other base compares its own fields, of which it has none.
    def __eq__(self, other: object) -> bool:
        return collections.abc.Set.__eq__(self, other)

    def __hash__(self) -> int:
        return hash(self._members())

    def __contains__(self, member: object) -> bool:
        return member in self._members()

    def __iter__(self) -> Iterator[Capabilities]:
        return iter(sorted(self._members()))

    def __len__(self) -> int:
        return len(self._members())


class _DriverBase:
    """What both planes do with their configuration.

    Attributes:
        conf: the configuration.
        cache: a region of dogpile.cache or oslo.cache; None for none.
    """

    _DRIVER_OPTIONS: ClassVar[Sequence[tuple[str, Sequence[cfg.Opt]]]] = ()

    def __init__(self, conf: Any, cache: Any) -> None:
        self.conf = conf
        self.cache = cache
        self._register_opts()

    def _register_opts(self) -> None:
        """Register the driver's options; may be repeated."""
        for group, options in self._DRIVER_OPTIONS:
            for option in options:
                with contextlib.suppress(cfg.DuplicateOptError):
                    self.conf.register_opt(option, group=group)


class DataDriverBase(_DriverBase, abc.ABC):
    """Keeps messages, claims and subscriptions. One object serves many threads; many processes share a store.

    Q39 `DataDriver(conf, cache, control_driver)` keeps the three. `undercroft.connect("messaging", URL)` builds both planes on one
        store; it takes options, too, and refuses those that the driver does not have.
    Q40 `capabilities` says what the contract promises that the driver does not, and as a set what the host asks for. It is
        compared by its members.

    Args:
        conf: an oslo.config object.
        cache: a region of dogpile.cache or oslo.cache, or None.
        control_driver: the other plane.
    """

    BASE_CAPABILITIES: ClassVar[tuple[Capabilities, ...]] = tuple(Capabilities)
    capabilities: ClassVar[Features] = Features.full()
    ephemeral: ClassVar[str | None] = None
    # Whether a message makes its queue (Q21). A host that makes queues itself sets it to False before the first call.
    makes_queues: bool = True
    # Whether a post to a queue that has subscriptions goes to the outbox, too. A host that notifies itself sets it to False.
    notifies: bool = True

    def __init__(self, conf: Any, cache: Any, control_driver: Any) -> None:
        super().__init__(conf, cache)
        self.control_driver = control_driver
        self._controllers: dict[str, Any] = {}
        self._hub: Hub | None = None

    @classmethod
    @abc.abstractmethod
    def open(cls, url: str, *, conf: Any = None, cache: Any = None, **options: Any) -> Self:
        """Open the store at `url`, both planes; called by `undercroft.connect`. Unknown options are refused."""

    # -- controllers -----------------------------------------------------------------------------------------------

    @property
    def queue_controller(self) -> Queue:
        """The driver's queues: by default those of the control driver."""
        found: Queue = self.control_driver.queue_controller
        return found

    @property
    def topic_controller(self) -> Any:
        """The driver's topics: by default those of the control driver."""
        return self.control_driver.topic_controller

    @property
    def message_controller(self) -> Message:
        """The driver's messages."""
        found: Message = self._once("message", type(self)._message_controller)
        return found

    @property
    def claim_controller(self) -> Claim:
        """The driver's claims."""
        found: Claim = self._once("claim", type(self)._claim_controller)
        return found

    @property
    def subscription_controller(self) -> Subscription:
        """The driver's subscriptions."""
        found: Subscription = self._once("subscription", type(self)._subscription_controller)
        return found

    @property
    def outbox(self) -> Outbox:
        """What is still to be sent to subscribers."""
        found: Outbox = self._once("outbox", type(self)._outbox)
        return found

    def _once(self, name: str, make: Callable[[Any], Any]) -> Any:
        if name not in self._controllers:
            self._controllers[name] = make(self)
        return self._controllers[name]

    # Classes of the driver's controllers.
    _message_controller: ClassVar[type[Message]]
    _claim_controller: ClassVar[type[Claim]]
    _subscription_controller: ClassVar[type[Subscription]]
    _outbox: ClassVar[type[Outbox]]

    # -- waiting ---------------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> Hub:
        """Those that wait for messages in this process."""
        if self._hub is None:
            with _making:
                if self._hub is None:
                    self._hub = Hub(int(settings.value(self.conf, "max_waiters")), self.signals, self.outlooks)
        return self._hub

    # What opens a connection over which the engine wakes those that wait; None where it cannot, and queues are looked at.
    signals: Callable[[], Signals] | None = None

    def outlooks(self, keys: Sequence[Key]) -> Sequence[Outlook]:
        """What these queues have and will have, for those that wait; in one statement, where the engine can tell."""
        return [UNKNOWN] * len(keys)

    @property
    def default_message_ttl(self) -> int:
        """Seconds that a message lives whose sender did not say."""
        return int(settings.value(self.conf, "default_message_ttl"))

    def now(self) -> int:
        """The moment by the engine's clock, in milliseconds; the machine's, where the engine has none."""
        return (time.now() - time.EPOCH) // dt.timedelta(milliseconds=1)

    # -- health ----------------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def is_alive(self) -> bool:
        """Whether the backend answers; False, and no exception, where it does not."""

    def health(self) -> dict[str, Any]:
        """What a self-test finds.

        Q41 `{"storage_reachable": bool, "operation_status": {operation: {"succeeded", "seconds", "ref"}}}`: on a queue of its own,
            which is gone then. An operation that fails is in the answer, with an id (`ref`) that is in the log, and is no
            exception. A store with pools answers `{"catalog_reachable": bool, POOL: {...}}`, with that of each pool.
        """
        return {**self._health()}

    def _health(self) -> dict[str, Any]:
        return {"storage_reachable": self.is_alive(), "operation_status": self._operations()}

    def _operations(self) -> dict[str, Any]:
        queue, project = f"health-{uuid.uuid4().hex}", uuid.uuid4().hex
        client = uuid.uuid4()
        found: dict[str, Any] = {}

        def run(name: str, work: Callable[[], Any]) -> Any:
            began = monotonic.monotonic()
            answer, ref = None, None
            try:
                answer = work()
            except UndercroftError as error:
                ref = str(uuid.uuid4())
                settings.LOG.warning("the self-test's %s failed (%s): %s", name, ref, error)
            found[name] = {"succeeded": ref is None, "seconds": monotonic.monotonic() - began, "ref": ref}
            return answer

        messages, claims, queues = self.message_controller, self.claim_controller, self.queue_controller
        run("create_queue", lambda: queues.create(queue, project=project))
        bodies = [{"ttl": 60, "body": place} for place in range(_PROBES)]
        ids = run("post_messages", lambda: messages.post(queue, bodies, client, project)) or []
        claim, taken = run("claim_messages", lambda: claims.create(queue, {"ttl": 60, "grace": 60}, project)) or (None, [])
        run("list_messages", lambda: list(next(messages.list(queue, project, echo=True, include_claimed=True))))

        def delete_all() -> None:
            for one in taken:
                messages.delete(queue, one["id"], project, claim)

        run("delete_messages", delete_all)
        run("delete_claim", lambda: claims.delete(queue, claim or "", project))
        run("bulk_delete_messages", lambda: messages.bulk_delete(queue, ids, project))
        run("delete_queue", lambda: queues.delete(queue, project))
        return found

    def close(self) -> None:
        """Give the connections back. A subclass calls this first: nobody waits any longer then."""
        if self._hub is not None:
            self._hub.close()

    def gc(self) -> None:
        """Remove what has expired, and what deleted queues had.

        Q42 Removes nothing that anybody could still see. Bounded work a call, in parts that others need not wait for; any number
            of processes may call it at any time.
        """

    def dead_letters(self, queue: str, project: str) -> attributes.DeadLetters | None:
        """What the metadata of a queue say about dead letters, where the control plane is elsewhere."""
        if self.control_driver is None:
            return None
        try:
            return attributes.dead_letters(self.control_driver.queue_controller.get(queue, project=project or None))
        except QueueDoesNotExist:
            return None

    # -- ours: what the shared parts of the product ask of a store -------------------------------------------------

    @abc.abstractmethod
    def clean(self) -> int:
        """A part of `gc`: how many messages were removed, 0 when nothing is left."""

    def pools_up(self) -> Mapping[str, bool]:
        """Of each pool, whether it has answered the last call of this process; empty, where there are none."""
        return {}

    def rebalance(self) -> int:
        """Take queues a step further that are on their way to another pool; how many. Nothing, where there are no pools."""
        return 0

    @abc.abstractmethod
    def depths(self, limit: int) -> Depths:
        """What is counted of at most `limit` queues, the fullest first, and how many were left out.

        One statement, however many queues there are. A queue that is empty is among them.
        """

    @abc.abstractmethod
    def init(self) -> None:
        """Create or upgrade what it keeps its data in; harmless to repeat."""

    @abc.abstractmethod
    def locks(self) -> Locks:
        """Where processes agree who does a periodic job."""

    @abc.abstractmethod
    def diagnose(self, *, verify: bool = False) -> Iterator[Finding]:
        """Examine it, changing nothing; with `verify`, all that is stored."""

    @abc.abstractmethod
    def drop(self) -> None:
        """Remove its namespace with all that is in it."""


class ControlDriverBase(_DriverBase, abc.ABC):
    """Keeps queues and their metadata, pools, flavors, and the catalogue.

    Args:
        conf: an oslo.config object.
        cache: a region of dogpile.cache or oslo.cache, or None.
    """

    @property
    @abc.abstractmethod
    def queue_controller(self) -> Queue:
        """The queues."""

    @property
    def topic_controller(self) -> Any:
        """The topics."""
        return Topic(self)

    @property
    @abc.abstractmethod
    def catalogue_controller(self) -> CatalogueBase:
        """The catalogue."""

    @property
    @abc.abstractmethod
    def pools_controller(self) -> PoolsBase:
        """The pools."""

    @property
    @abc.abstractmethod
    def flavors_controller(self) -> FlavorsBase:
        """The flavors."""

    def close(self) -> None:
        """Give the connections back."""

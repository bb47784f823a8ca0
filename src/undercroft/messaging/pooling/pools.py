"""The pools as a process sees them: each a data driver that is opened when it is first needed, and all of them by name and tag."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, Self, TypeVar

from undercroft.core import registry
from undercroft.core import url as urls
from undercroft.core.errors import ConfigInvalid, Unavailable, UndercroftError
from undercroft.core.store import Versioned
from undercroft.messaging import models
from undercroft.messaging.contract import Claim, DataDriverBase, Message, Outbox, Queue, Subscription
from undercroft.messaging.contract.pools import KIND, WITHIN_HOST
from undercroft.messaging.pooling import tags
from undercroft.messaging.settings import POOLED

LOG = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

# The pool that the control plane's own store is, for queues that are there.
OWN = "(store)"
# Seconds after which an answer is late enough to ask whether the pool answers at all; for which it may think about that, and from
# one question to the next.
_LATE, _PATIENCE, _AGAIN = 0.5, 0.5, 1.0
# Seconds for which the register is believed.
_LEASE = 5.0
# Seconds from one line in the log to the next that says that a pool is passed over: a worker asks several times a second.
_QUIET = 60.0


class Pool:
    """One pool.

    A pool that does not answer is asked by one thread whether it does again; all others are told at once that it does not, so
    that they do not wait for it one after the other.

    Args:
        name: its name.
        connect: opens its driver.
        is_own: whether it is the control plane's own store, whose queues are those that users see.
    """

    def __init__(self, name: str, connect: Callable[[], DataDriverBase], *, is_own: bool = False) -> None:
        self.name = name
        self.tag = tags.tag(name)
        self.is_own = self._is_shared = is_own
        self._connect = connect
        self._lock = threading.Lock()
        self._driver: DataDriverBase | None = None
        self._asks_since: float | None = None
        self._is_away = False
        self._failed = False
        self._failed_at = -_AGAIN
        self._told_at: float | None = None
        self._closed = threading.Event()

    # -- the driver ------------------------------------------------------------------------------------------------

    @property
    def driver(self) -> DataDriverBase:
        """Its data driver."""
        found = self.opened()._driver
        if found is None:
            raise Unavailable(f"the pool {self.name!r} is closed")
        return found

    def opened(self) -> Self:
        """The pool, whose controllers are there now."""
        if self._driver is None:
            self.call(self._open)
        return self

    def _open(self) -> None:
        with self._lock:
            if self._driver is not None:
                return
            if time.monotonic() - self._failed_at < _AGAIN:
                # Those that waited for the lock do not wait for the pool, too.
                raise Unavailable(f"the pool {self.name!r} does not answer; try again")
            try:
                driver = self._connect()
            except Unavailable:
                self._failed_at = time.monotonic()
                raise
            self.messages: Message = driver.message_controller
            self.claims: Claim = driver.claim_controller
            self.subscriptions: Subscription = driver.subscription_controller
            self.queues: Queue = driver.queue_controller
            self._driver = driver
            self.is_own = self.is_own or driver.makes_queues

    @property
    def outbox(self) -> Outbox:
        """Its outbox."""
        return self.driver.outbox

    def close(self) -> None:
        """Give the connections back."""
        self._closed.set()
        with self._lock:
            driver, self._driver = self._driver, None
        if driver is not None and not self._is_shared:
            driver.close()

    # -- whether it answers ----------------------------------------------------------------------------------------

    @property
    def is_up(self) -> bool:
        """Whether the last call was answered."""
        return not self._failed and not self.is_away

    @property
    def is_away(self) -> bool:
        """Whether it is known not to answer."""
        since = self._asks_since
        return since is not None and (self._is_away or time.monotonic() - since > _PATIENCE)

    def call(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask it something.

        Raises:
            Unavailable: it does not answer, or is known not to.
        """
        if self._asks_since is not None and self.is_away:
            raise Unavailable(f"the pool {self.name!r} does not answer; try again")
        began = time.monotonic()
        try:
            answer = work(*args, **kwargs)
        except Unavailable:
            self._failed = True
            if time.monotonic() - began >= _LATE:
                self._suspect()
            raise
        self._failed = False
        return answer

    def pass_over(self, error: UndercroftError) -> None:
        """Log that an answer goes without the pool, at most once a minute."""
        now = time.monotonic()
        if self._told_at is None or now - self._told_at >= _QUIET:
            self._told_at = now
            LOG.warning("the pool %r is passed over: %s", self.name, error)

    def _suspect(self) -> None:
        with self._lock:
            if self._asks_since is not None or self._closed.is_set():
                return
            self._asks_since = time.monotonic()
        threading.Thread(target=self._ask, name=f"undercroft-pool-{self.name}", daemon=True).start()

    def _ask(self) -> None:
        try:
            while not self._closed.is_set() and not self._answers():
                if not self._is_away:
                    self._is_away = True
                    LOG.warning("the pool %r does not answer", self.name)
                self._closed.wait(_AGAIN)
            if self._is_away:
                LOG.info("the pool %r answers again", self.name)
        finally:
            self._is_away, self._asks_since = False, None

    def _answers(self) -> bool:
        try:
            if self._driver is None:
                self._open()
            return self._driver is not None and self._driver.is_alive()
        except UndercroftError as error:
            LOG.debug("the pool %r cannot be asked: %s", self.name, error)
            return False


class Pools:
    """Every pool that is registered, and those that were.

    Args:
        register: reads the register.
        own: the control plane's own store as a pool.
        connect: opens the driver of a URI.
    """

    def __init__(self, register: Callable[[], Sequence[models.Pool]], own: Pool, connect: Callable[[str], DataDriverBase]) -> None:
        self._register = register
        self._connect = connect
        self.own = own
        self._lock = threading.Lock()
        self._known: Sequence[models.Pool] = ()
        self._read_at = -_LEASE
        self._by_name: dict[str, Pool] = {own.name: own}
        self._by_tag: dict[str, Pool] = {own.tag: own}
        self._uris: dict[str, str] = {}
        self._retired: list[tuple[float, Pool]] = []

    def registered(self, *, fresh: bool = False) -> Sequence[models.Pool]:
        """What is registered; as it was some seconds ago, unless `fresh`."""
        if fresh or time.monotonic() - self._read_at >= _LEASE:
            began = time.monotonic()
            found = self._register()
            with self._lock:
                self._known, self._read_at = found, began
                for row in found:
                    self._enter(row)
                over = [pool for until, pool in self._retired if until < began]
                self._retired = [(until, pool) for until, pool in self._retired if until >= began]
            for pool in over:
                pool.close()
        return self._known

    def _enter(self, row: models.Pool) -> None:
        if self._uris.get(row.name) == row.uri:
            return
        if (old := self._by_name.get(row.name)) is not None and not old.is_own:
            # Calls that are under way, and what routes remember, still go there.
            self._retired.append((time.monotonic() + 2 * _LEASE, old))
        self._uris[row.name] = row.uri
        pool = Pool(row.name, lambda: self._connect(row.uri))
        self._by_name[pool.name] = self._by_tag[pool.tag] = pool

    def named(self, name: str) -> Pool:
        """One by its name.

        Raises:
            Unavailable: it is not registered.
        """
        found = self._by_name.get(name) if name == OWN or time.monotonic() - self._read_at < _LEASE else None
        if found is None:
            self.registered()
            found = self._by_name.get(name)
        if found is None:
            self.registered(fresh=True)
            found = self._by_name.get(name)
        if found is None:
            raise Unavailable(f"the pool {name!r} is not registered, but has queues: register it again")
        return found

    def tagged(self, tag: str) -> Pool | None:
        """One by its tag."""
        found = self._by_tag.get(tag)
        if found is None and tag:
            self.registered()
            found = self._by_tag.get(tag)
        return found

    def all(self) -> Sequence[Pool]:
        """Those that are registered, and the control plane's own store, first."""
        return [self.own, *(self.named(row.name) for row in self.registered())]

    def forget(self) -> None:
        """Read the register again when it is needed next."""
        self._read_at = -_LEASE

    def close(self) -> None:
        """Give all connections back."""
        with self._lock:
            known = [*self._by_name.values(), *(pool for _, pool in self._retired)]
        for pool in known:
            pool.close()


def connected(uri: str, conf: Any, cache: Any, given: Mapping[str, Any], query: str = "") -> DataDriverBase:
    """The driver of a pool, both planes on its own store.

    Args:
        uri: of the pool.
        conf, cache: as drivers get them.
        given: options for what the URI does not set. The namespace is not among them: each pool has its own.
        query: more of these, in the form of a URL's query.

    Raises:
        ConfigInvalid: the URI is of a store that has pools.
    """
    own = uri.removeprefix(WITHIN_HOST)
    if own.lower().startswith(POOLED):
        raise ConfigInvalid(f"{urls.redacted(uri)!r} cannot be a pool, because a pool is one store: remove {POOLED!r} from its URI")
    cls = registry.load(KIND, urls.scheme(own))
    open_to = registry.options(KIND, own) - {"namespace"} - _names(own.partition("?")[2])
    options = {name: value for name, value in given.items() if name in open_to}
    if pairs := "&".join(pair for pair in query.split("&") if _names(pair) & (open_to - options.keys())):
        own = f"{own}{'&' if '?' in own else '?'}{pairs}"
    driver: DataDriverBase = cls.open(own, conf=conf, cache=cache, **options)
    # The pooled driver makes queues, in the control plane.
    driver.makes_queues = False
    try:
        if not isinstance(driver, Versioned) or driver.schema_version()[0] is None:
            driver.init()
    except BaseException:
        driver.close()
        raise
    return driver


def _names(query: str) -> set[str]:
    """The names of the options in a URL's query."""
    return {pair.partition("=")[0] for pair in query.split("&")}

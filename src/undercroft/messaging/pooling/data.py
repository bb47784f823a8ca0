"""The data plane of a store with pools, and the store that the shared parts of the product ask."""

from __future__ import annotations

import contextlib
import functools
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import msgspec

from undercroft.core import registry
from undercroft.core import url as urls
from undercroft.core.errors import ConfigInvalid, Unavailable, UndercroftError
from undercroft.core.findings import Finding
from undercroft.core.jobs import Locks
from undercroft.messaging import contract, models, settings
from undercroft.messaging.contract.drivers import Features
from undercroft.messaging.models import Depths
from undercroft.messaging.pooling import answers, depths, diagnosis
from undercroft.messaging.pooling.claims import Claim
from undercroft.messaging.pooling.control import ControlDriver
from undercroft.messaging.pooling.lookup import Lookup
from undercroft.messaging.pooling.messages import Message
from undercroft.messaging.pooling.moving import Mover
from undercroft.messaging.pooling.outbox import Outbox
from undercroft.messaging.pooling.placing import Places
from undercroft.messaging.pooling.pools import LOG, OWN, Pool, Pools, connected
from undercroft.messaging.pooling.queues import Queue
from undercroft.messaging.pooling.rebalancing import Rebalancing
from undercroft.messaging.pooling.subscriptions import Subscription
from undercroft.messaging.waiting import Key, Outlook

KIND = "messaging"


class PoolOptions(msgspec.Struct, kw_only=True, frozen=True):
    """Options of the pooled driver; all others are of the control plane's store, and of pools where their URIs say nothing.

    Attributes:
        pools: URIs with commas between them, percent-encoded as values of a URL are: registered by `init` where no pool is
            registered yet, by the names `pool1`, `pool2`, ..., each with a weight of 100.
        virtual_pool: whether the control plane's store itself takes queues for as long as no pool is registered.
    """

    pools: str = ""
    virtual_pool: bool = False


class _Capabilities:
    """What all pools offer; of the class, the full contract."""

    def __get__(self, driver: DataDriver | None, owner: type[DataDriver]) -> Features:
        return Features.full() if driver is None else driver.offered


class DataDriver(contract.DataDriverBase):
    """Messages, claims and subscriptions of queues that are spread over pools.

    Args:
        conf: an oslo.config object.
        cache: a region of dogpile.cache or oslo.cache, or None.
        own: both planes of the store that has queues, pools, flavors and the catalogue.
        options: see `PoolOptions`.
        given: options for the drivers of pools.
        query: more of these, in the form of a URL's query.
        url: of a data plane beside another control plane, as a host opens one; refused.

    Raises:
        ConfigInvalid: there is a `url`.
    """

    _DRIVER_OPTIONS = settings.GROUPS
    _message_controller = Message
    _claim_controller = Claim
    _subscription_controller = Subscription
    _outbox = Outbox
    capabilities = _Capabilities()
    Options = PoolOptions

    def __init__(
        self,
        conf: Any,
        cache: Any,
        own: contract.DataDriverBase,
        *,
        options: PoolOptions | None = None,
        given: Mapping[str, Any] | None = None,
        query: str = "",
        url: str | None = None,
    ) -> None:
        if url is not None:
            raise ConfigInvalid("a store with pools keeps its queues itself: give the same URL for messages and for queues")
        self.own = own
        super().__init__(conf, cache, None)
        self.own_control: contract.ControlDriverBase = own.control_driver
        self.options = options or PoolOptions()
        self._given, self._query = dict(given or {}), query
        self._notifies = own.notifies
        self._makes_queues = own.makes_queues
        self.now: Callable[[], int] = own.now
        self.pools = Pools(self._register, Pool(OWN, lambda: own, is_own=True), self._connect)
        self.lookup = Lookup(
            lambda: self.own_control.catalogue_controller,
            self.own_control.queue_controller._exists,
            self.pools,
            self.now,
        )
        self.mover = Mover(self.lookup, self.pools)
        self.places = Places(
            self.own_control,
            self.lookup,
            self.pools,
            self.mover,
            lambda: self._makes_queues,
            has_virtual=self.options.virtual_pool,
        )
        self.control_driver = ControlDriver(conf, cache, self)
        self._rebalancing = Rebalancing(self.lookup, self.pools, self.mover, self.places, self.own_control, self.now)

    @classmethod
    def open(cls, url: str, *, conf: Any = None, cache: Any = None, **options: Any) -> Self:
        """See `contract.DataDriverBase`."""
        inner, own_options, rest = urls.parted(_inner(url), PoolOptions, options)
        own = registry.load(KIND, urls.scheme(inner)).open(inner, conf=conf, cache=cache, **rest)
        return cls(own.conf, own.cache, own, options=own_options, given=rest, query=inner.partition("?")[2])

    @classmethod
    def options_of(cls, url: str) -> frozenset[str]:
        """The names of the options that a URL of this driver takes."""
        return registry.options(KIND, _inner(url)) | frozenset(PoolOptions.__struct_fields__)

    # -- pools -----------------------------------------------------------------------------------------------------

    def _register(self) -> Sequence[models.Pool]:
        return self.own_control.pools_controller._of_flavor(None)

    def _connect(self, uri: str) -> contract.DataDriverBase:
        driver = connected(uri, self.conf, self.cache, self._given, self._query)
        driver.notifies = self._notifies
        if driver.store.is_same(getattr(self.own, "store", None)):  # type: ignore[attr-defined]
            driver.makes_queues = self._makes_queues
        return driver

    def _wanted(self) -> Sequence[models.Pool]:
        """The pools that the URL names; their namespace is that of the store, unless they say another one."""
        found = []
        own = self._given.get("namespace") or dict(urllib.parse.parse_qsl(self._query)).get("namespace")
        for place, uri in enumerate(filter(None, self.options.pools.split(","))):
            namespace = own if "namespace=" not in uri else None
            more = f"{'&' if '?' in uri else '?'}namespace={namespace}" if namespace else ""
            found.append(models.Pool(f"pool{place + 1}", uri + more, 100, "", {}))
        return found

    def _all(self) -> Iterator[Pool]:
        """Every pool that is registered, and those that are to be."""
        try:
            rows = self.pools.registered(fresh=True)
        except UndercroftError:
            # Nothing was made yet.
            rows = ()
        yield from (self.pools.named(row.name) for row in rows)
        for row in self._wanted():
            if row.uri not in {one.uri for one in rows}:
                with contextlib.closing(Pool(row.name, functools.partial(self._connect, row.uri))) as pool:
                    yield pool

    @functools.cached_property
    def offered(self) -> Features:
        """What all pools offer."""
        kept: list[Features] = []
        for pool in self._all():
            with contextlib.suppress(Unavailable):
                kept.append(pool.driver.capabilities)
        gaps = {name: gap for one in (kept or [self.own.capabilities]) for name, gap in one.gaps()}
        return Features.without(**gaps)

    # -- what a host may set ---------------------------------------------------------------------------------------

    @property
    def makes_queues(self) -> bool:
        """See `contract.DataDriverBase`."""
        return self._makes_queues

    @makes_queues.setter
    def makes_queues(self, makes: bool) -> None:
        self._makes_queues = self.own.makes_queues = makes

    @property
    def notifies(self) -> bool:
        """See `contract.DataDriverBase`."""
        return self._notifies

    @notifies.setter
    def notifies(self, notifies: bool) -> None:
        self._notifies = self.own.notifies = notifies
        for pool in self.pools.all():
            pool.driver.notifies = notifies

    # -- controllers -----------------------------------------------------------------------------------------------

    @property
    def messages(self) -> contract.Message:
        """The messages, by the name that both planes have for them."""
        return self.message_controller

    @property
    def queue_controller(self) -> Queue:
        """The queues."""
        found: Queue = self._once("queue", Queue)
        return found

    def outlooks(self, keys: Sequence[Key]) -> Sequence[Outlook]:
        return answers.outlooks(self.lookup, self.pools, keys)

    # -- the store's life ------------------------------------------------------------------------------------------

    def init(self) -> None:
        self.own.init()
        if not self._register():
            for row in self._wanted():
                self.own_control.pools_controller._put(row)
        self.pools.forget()
        for pool in self.pools.all():
            try:
                pool.driver.init()
            except Unavailable as error:
                LOG.warning("the pool %r is not initialised: %s", pool.name, error)

    def __getattr__(self, name: str) -> Any:
        # Tables have versions; not every store has tables.
        if name in {"check", "schema_version"}:
            return getattr(self.own, name)
        raise AttributeError(name)

    def locks(self) -> Locks:
        return self.own.locks()

    def diagnose(self, *, verify: bool = False) -> Iterator[Finding]:
        return diagnosis.findings(self, verify=verify)

    def drop(self) -> None:
        """Remove the namespaces of the store, of every pool that is registered, and of those that its URL names."""
        for pool in self._all():
            try:
                driver = pool.driver
                if not pool.is_own:
                    driver.drop()
            except UndercroftError as error:
                LOG.warning("what the pool %r has is not removed: %s", pool.name, error)
        self.own.drop()
        self.lookup.forget()
        self.pools.forget()

    def close(self) -> None:
        super().close()
        self.pools.close()
        self.own.close()

    # -- health and upkeep -----------------------------------------------------------------------------------------

    def is_alive(self) -> bool:
        return self.own.is_alive()

    def _health(self) -> dict[str, Any]:
        is_reachable = self.own.is_alive()
        found: dict[str, Any] = {"catalog_reachable": is_reachable}
        if is_reachable:
            for pool in self.pools.all():
                if not pool.is_own or self.options.virtual_pool:
                    found[pool.name] = answers.health(pool)
        return found

    def pools_up(self) -> Mapping[str, bool]:
        return {pool.name: pool.is_up for pool in self.pools.all() if not pool.is_own}

    def gc(self) -> None:
        for _ in answers.each(self.pools, lambda driver: driver.gc()):
            continue

    def clean(self) -> int:
        return sum(removed for _, removed in answers.each(self.pools, lambda driver: driver.clean()))

    def rebalance(self) -> int:
        return self._rebalancing.run()

    def depths(self, limit: int) -> Depths:
        return depths.merged(answers.each(self.pools, lambda driver: driver.depths(limit)), limit) if limit else Depths([], 0)


def _inner(url: str) -> str:
    """The URL of the control plane's store.

    Raises:
        ConfigInvalid: the URL does not name its engine.
    """
    if not url.lower().startswith(settings.POOLED):
        raise ConfigInvalid(f"{urls.redacted(url)!r} does not say where queues are kept: write pooled+ENGINE://...")
    return url[len(settings.POOLED) :]

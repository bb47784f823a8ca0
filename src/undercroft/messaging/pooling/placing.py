"""What makes queues, gives them pools, and takes them away again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from undercroft.messaging import models
from undercroft.messaging.attributes import DEAD_LETTER_QUEUE, DEAD_LETTER_TTL, FLAVOR, MAX_CLAIM_COUNT, dead_letters
from undercroft.messaging.contract import ControlDriverBase
from undercroft.messaging.errors import FlavorDoesNotExist, NoPoolFound
from undercroft.messaging.pooling import placement
from undercroft.messaging.pooling.choosing import chosen
from undercroft.messaging.pooling.lookup import Lookup, Route
from undercroft.messaging.pooling.moving import Mover
from undercroft.messaging.pooling.placement import Placement
from undercroft.messaging.pooling.pools import OWN, Pool, Pools

_RULE = (MAX_CLAIM_COUNT, DEAD_LETTER_QUEUE, DEAD_LETTER_TTL)


class Places:
    """Queues and their pools.

    Args:
        control: the control plane's own driver.
        lookup: finds queues.
        pools: the pools.
        mover: brings messages.
        makes_queues: whether a message makes its queue.
        has_virtual: whether the control plane's own store takes queues while no pool is registered.
    """

    def __init__(
        self,
        control: ControlDriverBase,
        lookup: Lookup,
        pools: Pools,
        mover: Mover,
        makes_queues: Callable[[], bool],
        *,
        has_virtual: bool,
    ) -> None:
        self._control = control
        self._lookup = lookup
        self._pools = pools
        self._mover = mover
        self._makes_queues = makes_queues
        self._has_virtual = has_virtual
        self._buried: set[tuple[str, str]] = set()

    # -- choosing --------------------------------------------------------------------------------------------------

    def choose(self, flavor: str | None, project: str) -> str:
        """The name of a pool for a new queue.

        Raises:
            FlavorDoesNotExist: the project has no such flavor.
            NoPoolFound: no pool of it takes queues.
        """
        rows = self.takers(flavor, project)
        found = chosen(rows)
        if found is None and not rows and flavor is None and self._has_virtual:
            return OWN
        if found is None:
            raise _nowhere(flavor)
        return found.name

    def takers(self, flavor: str | None, project: str) -> Sequence[models.Pool]:
        """The pools of a flavor, or all."""
        if flavor is None:
            return self._pools.registered() or self._pools.registered(fresh=True)
        if self._control.flavors_controller._get(flavor, project) is None:
            raise FlavorDoesNotExist(flavor)
        return [row for row in self._pools.registered(fresh=True) if row.flavor == flavor]

    # -- making ----------------------------------------------------------------------------------------------------

    def enter(self, project: str, queue: str, *, flavor: str | None = None, near: str | None = None, unmade: bool = False) -> Route:
        """The queue's entry, which is made where there is none.

        Args:
            project: whose it is.
            queue: its name.
            flavor: what its pool is to be of.
            near: the pool that it goes to, if it is to be beside something.
            unmade: whether the queue is still to be made.
        """
        found = self._lookup.find(project, queue)
        if found is not None:
            return found
        return self._lookup.place(project, queue, Placement(near or self.choose(flavor, project), unmade=unmade))

    def make(self, project: str, queue: str, *, near: Pool | None = None) -> Route:
        """A queue that something is posted to."""
        name = None if near is None else near.name
        route = self.revive(self.enter(project, queue, near=name), queue)
        if self._makes_queues() and not route.pool.is_own:
            self._control.queue_controller._create(queue, {}, project)
        return route

    def revive(self, route: Route, queue: str) -> Route:
        """The entry of a queue that is about to be made: it must not go, as that of one that was deleted."""
        if not route.placement.unmade:
            return route
        return self._lookup.change(route.project, queue, placement.made) or self.enter(route.project, queue)

    def stray(self, project: str, queue: str, pool: Pool) -> None:
        """Something was posted to a pool by a call that took long: that belongs to the queue wherever it is by now."""
        self._lookup.change(project, queue, lambda old: placement.sourced(old, pool.name))

    # -- moving ----------------------------------------------------------------------------------------------------

    def wish(self, project: str, queue: str, flavor: str) -> None:
        """Let a queue be in a pool of a flavor; its way there begins at once, if nothing keeps it."""
        rows = self.takers(flavor, project)
        route = self._lookup.fresh(project, queue)
        if route is None or route.placement.goal in {row.name for row in rows}:
            return
        found = chosen(rows)
        if found is None:
            raise _nowhere(flavor)
        name = found.name
        self._lookup.change(project, queue, lambda old: placement.wished(old, name))
        self.begin(project, queue)

    def begin(self, project: str, queue: str) -> Route | None:
        """Let a queue's way to its new pool begin, if nothing keeps it."""
        route = self._lookup.fresh(project, queue)
        if route is None or not placement.may_begin(route.placement):
            return route
        for name in route.placement.sources:
            source = self._pools.named(name).opened()
            stats = source.call(source.messages._stats, route.queue, project)
            if stats.free or stats.claimed:
                return route
        kept = route.placement

        def change(old: Placement) -> Placement | None:
            return placement.begun(old, self._lookup.now()) if old == kept else None

        route = self._lookup.change(project, queue, change)
        if route is not None and route.placement.to:
            self.sync(route, queue)
            route = self._mover.assure(route)
        return route

    # -- dead letters ----------------------------------------------------------------------------------------------

    def rule(self, route: Route, queue: str, metadata: Mapping[str, Any]) -> Route:
        """Tell the pools of a queue where its dead letters go, and let these be found there."""
        rule = dead_letters(metadata)
        dead = "" if rule is None else rule.queue
        for name in {route.placement.pool, route.placement.to or route.placement.pool}:
            pool = self._pools.named(name).opened()
            if not pool.is_own:
                told = {key: metadata[key] for key in _RULE if key in metadata} if rule else {}
                pool.call(_tell, pool, route.queue, told, route.project)
            if dead and dead != queue:
                target = self.enter(route.project, dead, near=name, unmade=True)
                at = name
                if at not in target.placement.pools:
                    self._lookup.change(route.project, dead, lambda old, at=at: placement.sourced(old, at))  # type: ignore[misc]
        if dead == route.placement.dead:
            return route
        return self._lookup.change(route.project, queue, lambda old: placement.with_dead_letters(old, dead)) or route

    def sync(self, route: Route, queue: str) -> None:
        """Tell the pools what the metadata are now; again where they have changed in between."""
        queues = self._control.queue_controller
        metadata = queues._metadata(queue, route.project)
        while metadata is not None:
            route = self.rule(route, queue, metadata)
            now = queues._metadata(queue, route.project)
            if now == metadata:
                return
            metadata = now

    def bury(self, route: Route, pool: Pool) -> None:
        """A claim may have made dead letters: bring them where they belong, and make their queue."""
        queue, project = route.placement.dead, route.project
        target = self._lookup.find(project, queue)
        if target is not None and target.is_still and target.pool is pool and (pool.is_own or (project, queue) in self._buried):
            return
        if pool.call(pool.messages._first, queue, project, 1) is None:
            return
        target = self.make(project, queue, near=pool)
        if pool.name not in target.placement.pools:
            target = self._lookup.change(project, queue, lambda old: placement.sourced(old, pool.name)) or target
        if not target.is_still:
            self._mover.bring_all(target, self._mover.place(target))
        if len(self._buried) > 10_000:
            self._buried.clear()
        self._buried.add((project, queue))


def _tell(pool: Pool, queue: str, rule: dict[str, Any], project: str) -> None:
    """Let a pool know the rule of dead letters, which its own driver follows."""
    if rule:
        pool.queues._create(queue, rule, project) or pool.queues._set_metadata(queue, rule, project)
    else:
        pool.queues._set_metadata(queue, {}, project)


def flavor_of(metadata: Mapping[str, Any]) -> str | None:
    """The flavor that metadata ask for."""
    found = metadata.get(FLAVOR)
    return found if isinstance(found, str) and found else None


def _nowhere(flavor: str | None) -> NoPoolFound:
    """Says, beside what the host says, which pools were looked at and what gives the queue one."""
    error = NoPoolFound()
    if flavor is None:
        error.add_note("no pool takes queues: undercroft pool create registers one; a weight of 0 takes none")
    else:
        error.add_note(
            f"no pool of the flavor {flavor!r} takes queues: undercroft flavor update changes them; a weight of 0 takes none"
        )
    return error

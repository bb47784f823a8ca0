"""What the worker does for queues that change their pools, and for entries of deleted ones."""

from __future__ import annotations

from collections.abc import Callable

from undercroft.core.errors import UndercroftError
from undercroft.messaging.contract import ControlDriverBase
from undercroft.messaging.contract.outbox import lane
from undercroft.messaging.models import Page, Subscriber
from undercroft.messaging.pooling import placement
from undercroft.messaging.pooling.lookup import Lookup, Route
from undercroft.messaging.pooling.moving import FEW, Mover
from undercroft.messaging.pooling.placement import Placement
from undercroft.messaging.pooling.placing import Places
from undercroft.messaging.pooling.pools import LOG, Pool, Pools

# Entries of the catalogue, and subscriptions, that are read at once.
_AT_ONCE = 1_000
# The first message that is free.
_FIRST = Page(None, 1, None, claimed=False, delayed=False)


class Rebalancing:
    """Takes every queue a step further that is on its way.

    Each step may be done by several workers at once, and again after one of them was killed.

    Args:
        lookup: finds queues.
        pools: the pools.
        mover: brings messages.
        places: makes queues.
        control: the control plane's own driver.
        now: its clock, in milliseconds.
    """

    def __init__(
        self, lookup: Lookup, pools: Pools, mover: Mover, places: Places, control: ControlDriverBase, now: Callable[[], int]
    ) -> None:
        self._lookup = lookup
        self._pools = pools
        self._mover = mover
        self._places = places
        self._control = control
        self._now = now

    def run(self) -> int:
        """Look at every queue; how many were taken a step further."""
        after: tuple[str, str] | None = None
        steps = 0
        while page := self._lookup.page(after, _AT_ONCE):
            for entry in page:
                after = entry.project, entry.queue
                if not placement.decoded(entry).is_settled:
                    steps += self._step(entry.project, entry.queue)
        return steps

    def _step(self, project: str, queue: str) -> bool:
        try:
            before = self._lookup.fresh(project, queue)
            if before is None:
                return False
            self._advance(before, queue)
            after = self._lookup.fresh(project, queue)
        except UndercroftError as error:
            # A pool that is away hurts its queues only.
            LOG.warning("queue %r of project %r stays where it is for now: %s", queue, project, error)
            return False
        return after is None or after.version != before.version

    def _advance(self, route: Route, queue: str) -> None:
        found = route.placement
        if found.to:
            self._move(self._mover.assure(route), queue)
        elif found.wish:
            self._places.begin(route.project, queue)
        elif found.ends and self._now() >= found.ends:
            self._end(route, queue)

    # -- on the way ------------------------------------------------------------------------------------------------

    def _move(self, route: Route, queue: str) -> None:
        if self._now() < route.placement.reads:
            return
        place = self._mover.place(route)
        if place.pool.name != route.placement.to or not place.sources:
            return
        (old,) = place.sources
        if not route.placement.posts and self._is_new(route, old):
            self._follow(route, queue, old, place.pool)
            return
        brought = self._mover.bring_all(route, place)
        if not route.placement.posts:
            if self._mover.bring(route, place) < FEW:
                self._follow(route, queue, old, place.pool)
        elif placement.may_end(route.placement, self._now()) and not brought:
            self._arrive(route, queue, old, place.pool)

    def _is_new(self, route: Route, old: Pool) -> bool:
        """Whether all that is free in the old pool came after messages were taken from there.

        It may come faster than it is brought. From when posts follow on, those who post bring it, and post no more until it is.
        """
        first, _ = old.call(old.messages._list, route.queue, route.project, _FIRST)
        return bool(first) and first[0].created > route.placement.reads

    def _follow(self, route: Route, queue: str, old: Pool, new: Pool) -> None:
        """Let posts follow."""
        self._copy_subscriptions(route, old, new)
        self._change(route, queue, lambda one: placement.is_drained(one, self._now()))

    def _change(self, route: Route, queue: str, change: Callable[[Placement], Placement]) -> None:
        kept = route.placement

        def once(found: Placement) -> Placement | None:
            is_same = (found.pool, found.to, found.reads, found.posts) == (kept.pool, kept.to, kept.reads, kept.posts)
            return change(found) if is_same else None

        self._lookup.change(route.project, queue, once)

    def _arrive(self, route: Route, queue: str, old: Pool, new: Pool) -> None:
        stats = old.call(old.messages._stats, route.queue, route.project)
        if stats.free or stats.claimed:
            return
        self._copy_subscriptions(route, old, new, since=route.placement.posts - placement.LEASE - placement.MARGIN)
        if self._drop_subscriptions(route, old):
            self._change(route, queue, lambda one: placement.arrived(one, self._now()))
            self._places.begin(route.project, queue)

    # -- subscriptions ---------------------------------------------------------------------------------------------

    def _subscriptions(self, route: Route, pool: Pool) -> list[Subscriber]:
        found: list[Subscriber] = []
        while True:
            marker = found[-1].id if found else None
            page = pool.call(pool.subscriptions._list, route.queue, route.project, marker, _AT_ONCE)
            found += page
            if len(page) < _AT_ONCE:
                return found

    def _copy_subscriptions(self, route: Route, old: Pool, new: Pool, since: int | None = None) -> None:
        """Make the subscriptions anew that were made since a moment."""
        for one in self._subscriptions(route, old):
            if since is None or self._now() - one.age * 1_000 >= since - 1_000:
                made = new.call(
                    new.subscriptions._create, route.queue, one.subscriber, max(1, one.ttl - one.age), one.options, route.project
                )
                if made is not None and one.confirmed:
                    new.call(new.subscriptions._confirm, route.queue, made, route.project, True)

    def _drop_subscriptions(self, route: Route, old: Pool) -> bool:
        """Remove those from the old pool whose messages are all sent; whether that is all of them."""
        is_over = True
        for one in self._subscriptions(route, old):
            name = lane(one.id)
            stats = old.call(old.messages._stats, name, route.project)
            if stats.free or stats.claimed:
                is_over = False
            else:
                old.call(old.subscriptions._delete, route.queue, one.id, route.project)
                old.call(old.messages._forget, name, route.project)
        return is_over

    # -- deleted queues --------------------------------------------------------------------------------------------

    def _end(self, route: Route, queue: str) -> None:
        """Remove the entry of a queue that was deleted, unless there is something again that belongs to its name."""
        pool, project = route.pool, route.project
        stats = pool.call(pool.messages._stats, route.queue, project)
        if stats.free or stats.claimed or self._control.queue_controller._exists(queue, project):
            # Posted by somebody who had not read yet that it was deleted.
            self._places.make(project, queue)
        elif pool.call(pool.subscriptions._list, route.queue, project, None, 1) or not route.is_still:
            self._lookup.change(project, queue, lambda one: placement.kept(one, self._now()))
        else:
            self._lookup.remove(route)

"""Bringing messages from one pool to another, and a queue's way to its new pool.

A message is brought in two steps: the target receives it, which it does once however often it is told, then the source deletes it.
There is no claim in between, so that a mover which is killed holds nothing up: what it left in the source is brought again, found
to be there, and deleted. That is right because by then every process takes messages from the target only; see `placement`.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Sequence
from typing import NamedTuple

from undercroft.core import deadline
from undercroft.core.errors import Unavailable
from undercroft.messaging.models import Arrival, Page, Stored
from undercroft.messaging.pooling import placement, tags
from undercroft.messaging.pooling.lookup import Lookup, Route
from undercroft.messaging.pooling.pools import Pool, Pools

LOG = logging.getLogger(__name__)

# Messages of a step, for a call that wants some, and when all are brought; steps before a post goes to the new pool.
FEW, _MANY, _STEPS = 100, 500, 200
# How often a step is tried, and the longest pause in between, in seconds.
_TRIES, _PAUSE = 5, 0.1


class Place(NamedTuple):
    """Where messages of a queue are at a moment.

    Attributes:
        pool: where they are taken from.
        sources: pools whose messages are to be brought there before.
        rests: pools that may have some, but are not to be touched.
    """

    pool: Pool
    sources: Sequence[Pool]
    rests: Sequence[Pool]

    @property
    def all(self) -> Sequence[Pool]:
        """Every one, in the order in which a message goes through them."""
        return (*self.rests, *self.sources, self.pool)


class Mover:
    """Brings messages to where they belong.

    Attributes:
        late: seconds that a call may take from its look-up on, before it looks again whether it went where it should.

    Args:
        lookup: finds queues.
        pools: the pools.
    """

    def __init__(self, lookup: Lookup, pools: Pools) -> None:
        self.late = placement.SKEW / 2_000
        self._lookup = lookup
        self._pools = pools

    # -- where to look ---------------------------------------------------------------------------------------------

    def place(self, route: Route) -> Place:
        """Where the messages of a queue are; around a moment at which that changes, it waits for the moment to be over."""
        view = self._lookup.view(route)
        if view.is_late:
            route = self._postpone(route)
            view = self._lookup.view(route)
        if view.waits:
            left = deadline.remaining()
            threading.Event().wait(min(view.waits / 1_000, left) if left is not None else view.waits / 1_000)
        named = self._pools.named
        touched = {view.reads, *view.drains}
        return Place(
            named(view.reads).opened(),
            [named(name).opened() for name in view.drains],
            [named(name).opened() for name in route.placement.pools if name not in touched and name != route.placement.to],
        )

    def _postpone(self, route: Route) -> Route:
        """Take another moment for a change whose moment was in the catalogue too late."""
        now = self._lookup.now

        def change(found: placement.Placement) -> placement.Placement | None:
            return placement.again(found, now()) if placement.view(found, now()).is_late else None

        return self.assure(self._lookup.change(route.project, route.queue, change) or route)

    def assure(self, route: Route) -> Route:
        """Say of a moment that it was in the catalogue soon enough, if it was."""
        wanted = route.placement.reads
        if not placement.is_soon_enough(route.placement, self._lookup.now()):
            return route

        def change(found: placement.Placement) -> placement.Placement | None:
            return placement.assured(found) if found.to and found.reads == wanted else None

        return self._lookup.change(route.project, route.queue, change) or route

    # -- bringing --------------------------------------------------------------------------------------------------

    def bring(self, route: Route, place: Place, most: int = FEW) -> int:
        """Bring the first messages of each source that are free; how many."""
        return sum(self._some(route, source, place.pool, most) for source in place.sources)

    def bring_all(self, route: Route, place: Place) -> int:
        """Bring what is free, all of it unless that is very much; how many. What comes in between may be left."""
        brought = 0
        for _ in range(_STEPS):
            step = self.bring(route, place, _MANY)
            brought += step
            if step < _MANY:
                break
        return brought

    def settle(self, route: Route, place: Place) -> None:
        """Take up what movers have left that were killed: it is among what comes first, and no more than one step of theirs."""
        self.bring(route, place, _MANY)

    def _some(self, route: Route, source: Pool, target: Pool, most: int) -> int:
        page = Page(None, most, None, claimed=False, delayed=False)
        for left in reversed(range(_TRIES)):
            found, _ = source.call(source.messages._list, route.queue, route.project, page)
            if not found:
                break
            try:
                self.carry(route, source, target, found)
            except Unavailable:
                # Others may be bringing the same ones, and the engine lets one of them fail.
                if not left or target.is_away or source.is_away:
                    raise
                threading.Event().wait(random.uniform(0, _PAUSE))  # noqa: S311 - spreads load, keeps no secret
            else:
                return len(found)
        return 0

    def carry(self, route: Route, source: Pool, target: Pool, found: Sequence[Stored]) -> None:
        """Bring messages of a source, which nobody else takes from there."""
        hops = max(tags.moves(one.id) for one in found) + 1
        if hops > route.placement.hops:
            self._lookup.change(route.project, route.queue, lambda old: placement.carried(old, hops))
        arrivals = [_arrival(one, source.tag) for one in found]
        target.call(target.messages._receive, route.queue, arrivals, route.project)
        route.comes_back = True
        source.call(source.messages._bulk_delete, route.queue, [one.id for one in found], route.project, None, route.project)


def _arrival(one: Stored, tag: str) -> Arrival:
    expires = one.expires or one.created + one.ttl * 1_000
    return Arrival(tags.moved(one.id, tag), one.created, one.ttl, expires, one.claims, one.client, one.body)

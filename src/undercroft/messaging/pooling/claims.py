"""Claims in queues that are spread over pools. A claim is in one pool, which its id names."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from undercroft.messaging import contract
from undercroft.messaging.models import Lease, Stored, Taken
from undercroft.messaging.pooling import tags
from undercroft.messaging.pooling.lookup import Route
from undercroft.messaging.pooling.pools import Pool
from undercroft.messaging.pooling.seen import outside
from undercroft.messaging.waiting import Outlook

Made = tuple[str, Sequence[Stored]]


class Claim(contract.Claim):
    """The claims of all pools."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._lookup = driver.lookup
        self._find = driver.lookup.find
        self._mover = driver.mover
        self._pools = driver.pools
        self._places = driver.places
        self._late = driver.mover.late

    def _create(self, queue: str, lease: Lease, project: str) -> Made | None:
        while True:
            began = time.monotonic()
            route = self._find(project, queue)
            if route is None:
                return None
            pool = route.pool if route.is_still else self._ready(route, lease)
            found = pool.call(pool.claims._create, route.queue, lease, project)
            if time.monotonic() - began > self._late and not self._is_right(queue, project, pool):
                # What it has is being taken elsewhere.
                if found is not None:
                    pool.call(pool.claims._delete, route.queue, found[0], project)
                continue
            return self._made(route, pool, lease, found)

    def _create_or_outlook(self, queue: str, lease: Lease, project: str) -> Made | Outlook:
        route = self._find(project, queue)
        if route is None:
            return Outlook(is_free=False, seconds=None)
        if not route.is_plain or route.placement.dead:
            return super()._create_or_outlook(queue, lease, project)
        began = time.monotonic()
        pool = route.pool
        found = pool.call(pool.claims._create_or_outlook, route.queue, lease, project)
        if time.monotonic() - began > self._late and not self._is_right(queue, project, pool):
            if not isinstance(found, Outlook):
                pool.call(pool.claims._delete, route.queue, found[0], project)
            return super()._create_or_outlook(queue, lease, project)
        return found if isinstance(found, Outlook) else self._outside(route, pool, found)

    def _ready(self, route: Route, lease: Lease) -> Pool:
        """The pool to claim from, with what is to be there first."""
        place = self._mover.place(route)
        self._mover.bring(route, place, lease.limit)
        pool: Pool = place.pool
        return pool

    def _is_right(self, queue: str, project: str, pool: Pool) -> bool:
        """Whether messages of the queue are still taken from a pool."""
        route = self._lookup.fresh(project, queue)
        return route is None or self._lookup.view(route).reads == pool.name

    def _made(self, route: Route, pool: Pool, lease: Lease, found: Made | None) -> Made | None:
        if route.placement.dead and (found is None or len(found[1]) < lease.limit):
            self._places.bury(route, pool)
        return None if found is None else self._outside(route, pool, found)

    @staticmethod
    def _outside(route: Route, pool: Pool, found: Made) -> Made:
        claim = found[0] + pool.tag
        return claim, outside(route, pool, found[1], claim)

    def _of(self, queue: str, project: str, claim: str) -> tuple[Route, Pool, str] | None:
        """The queue, the pool and the id there of a claim; None for what is none."""
        inner, tag = tags.parted(claim)
        route = self._find(project, queue) if inner else None
        if route is None:
            return None
        pool = route.pool if route.pool.tag == tag else self._pools.tagged(tag)
        return None if pool is None else (route, pool.opened(), inner)

    def _get(self, queue: str, claim: str, project: str) -> Taken | None:
        of = self._of(queue, project, claim)
        if of is None:
            return None
        route, pool, inner = of
        found = pool.call(pool.claims._get, route.queue, inner, project)
        if found is None:
            return None
        return found._replace(id=claim, messages=outside(route, pool, found.messages))

    def _update(self, queue: str, claim: str, lease: Lease, project: str) -> bool:
        of = self._of(queue, project, claim)
        if of is None:
            return False
        route, pool, inner = of
        return pool.call(pool.claims._update, route.queue, inner, lease, project)

    def _delete(self, queue: str, claim: str, project: str) -> None:
        of = self._of(queue, project, claim)
        if of is not None:
            route, pool, inner = of
            pool.call(pool.claims._delete, route.queue, inner, project)

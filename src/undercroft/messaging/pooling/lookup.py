"""How a process finds a queue: what it has read of the catalogue, for a lease, with the pools at hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from undercroft.core.errors import Conflict
from undercroft.messaging.contract import CatalogueBase
from undercroft.messaging.contract.outbox import LANE
from undercroft.messaging.models import Mapped
from undercroft.messaging.pooling import placement, tags
from undercroft.messaging.pooling.placement import Placement, View
from undercroft.messaging.pooling.pools import Pool, Pools

# Queues that are remembered.
_KNOWN = 10_000
# Changes of one entry that are tried before another process is taken for always quicker.
_ROUNDS = 50
Change = Callable[[Placement], Placement | None]


class Route:
    """A queue as a process knows it.

    Attributes:
        project: whose it is.
        queue: its name within its pools, which differs from that outside for lanes of subscriptions.
        placement: what the catalogue had.
        version: of the entry.
        read_at: a moment before it was read, of the monotonic clock.
        pool: where it is.
        is_still: whether everything that it has is in that pool.
        is_plain: whether it is still, and no other pool remembers anything of it.
        is_made: whether a post need not make it first.
        comes_back: whether messages of the pool may have been elsewhere in between.
    """

    __slots__ = ("comes_back", "is_made", "is_plain", "is_still", "placement", "pool", "project", "queue", "read_at", "version")

    def __init__(self, project: str, queue: str, found: Placement, version: int, read_at: float, pool: Pool) -> None:
        self.project = project
        self.queue = queue
        self.placement = found
        self.version = version
        self.read_at = read_at
        self.pool = pool
        self.is_still = found.is_still
        self.is_plain = self.is_still and not found.former
        self.is_made = not found.unmade or pool.is_own
        self.comes_back = found.hops > 0

    def forms(self, outside: str, pool: Pool) -> list[str]:
        """What an id may be within a pool."""
        return tags.forms(outside, pool.tag, self.placement.hops, comes_back=self.comes_back)


class Lookup:
    """Finds queues with at most one question, and changes where they are.

    What was read is believed for a lease. That is never wrong, because every change that matters becomes effective at a moment that
    lies further ahead than the lease; see `placement`.

    Args:
        catalogue: gives the catalogue.
        is_older: whether there is a queue, which then was there before there were pools, if it has no entry: it is in the control
            plane's own store. That is asked for names without an entry only.
        pools: the pools.
        now: the control plane's clock, in milliseconds.
    """

    def __init__(
        self,
        catalogue: Callable[[], CatalogueBase],
        is_older: Callable[[str, str], bool],
        pools: Pools,
        now: Callable[[], int],
    ) -> None:
        self._catalogue = catalogue
        self._is_older = is_older
        self._pools = pools
        self.now = now
        self._lease = placement.LEASE / 1_000
        self._known: dict[tuple[str, str], Route] = {}

    def find(self, project: str, queue: str) -> Route | None:
        """A queue, as it was at most a lease ago; None where it has no entry."""
        found = self._known.get((project, queue))
        if found is not None and time.monotonic() - found.read_at < self._lease:
            return found
        return self.fresh(project, queue)

    def find_all(self, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Route]:
        """Those of many queues that have an entry, each as `find` gives it; one question for all that are not known."""
        found: dict[tuple[str, str], Route] = {}
        unknown: list[tuple[str, str]] = []
        for key in wanted:
            route = self._known.get(key)
            if route is not None and time.monotonic() - route.read_at < self._lease:
                found[key] = route
            elif not key[1].startswith(LANE):
                unknown.append(key)
            elif (lane := self._lane(*key)) is not None:
                found[key] = lane
        if unknown:
            read_at = time.monotonic()
            for entry in self._catalogue()._find_all(unknown):
                found[entry.project, entry.queue] = self._kept(entry, read_at)
        return found

    def fresh(self, project: str, queue: str) -> Route | None:
        """A queue as it is now."""
        if queue.startswith(LANE):
            return self._lane(project, queue)
        read_at = time.monotonic()
        entry = self._catalogue()._find(project, queue)
        if entry is not None:
            return self._kept(entry, read_at)
        self._known.pop((project, queue), None)
        if not self._is_older(queue, project):
            return None
        return self.place(project, queue, Placement(self._pools.own.name))

    def _lane(self, project: str, queue: str) -> Route | None:
        """A lane is in the pool of its subscription, under the name that it has there."""
        inner, tag = tags.parted(queue)
        pool = self._pools.tagged(tag) if inner else None
        if pool is None:
            return None
        return self._remember(Route(project, inner, Placement(pool.name), 0, time.monotonic(), pool.opened()), queue)

    def _kept(self, entry: Mapped, read_at: float) -> Route:
        found = placement.decoded(entry)
        pool = self._pools.named(found.pool).opened()
        old = self._known.get((entry.project, entry.queue))
        route = Route(entry.project, entry.queue, found, entry.version, read_at, pool)
        if old is not None and old.pool is pool and old.comes_back:
            route.comes_back = True
        return self._remember(route, entry.queue)

    def _remember(self, route: Route, queue: str) -> Route:
        if len(self._known) >= _KNOWN:
            self._known.clear()
        self._known[route.project, queue] = route
        return route

    def view(self, route: Route) -> View:
        """What its placement means now."""
        return placement.view(route.placement, self.now())

    # -- changes ---------------------------------------------------------------------------------------------------

    def place(self, project: str, queue: str, wanted: Placement) -> Route:
        """Enter a queue that has no entry; of several that do so at once, all get the same one."""
        self._catalogue()._put(project, queue, wanted.pool, placement.encoded(wanted), None)
        found = self.find(project, queue)
        if found is None:
            # It was removed in between.
            raise Conflict(f"the queue {queue!r} was deleted at the same time; try again")
        return found

    def change(self, project: str, queue: str, change: Change) -> Route | None:
        """Change the placement of a queue, starting from what is stored; None where it has no entry.

        Args:
            project: whose it is.
            queue: its name.
            change: gives the new one; None, or an equal one, to leave it.
        """
        for _ in range(_ROUNDS):
            found = self.fresh(project, queue)
            if found is None:
                return None
            wanted = change(found.placement)
            if wanted is None or wanted == found.placement:
                return found
            name = placement.shown(wanted, self.now())
            if self._catalogue()._put(project, queue, name, placement.encoded(wanted), found.version):
                return self.fresh(project, queue)
        raise Conflict(f"the queue {queue!r} is being changed by others all the time; try again")

    def remove(self, route: Route) -> bool:
        """Remove an entry that is still what was read."""
        self._known.pop((route.project, route.queue), None)
        return self._catalogue()._remove(route.project, route.queue, route.version)

    def page(self, after: tuple[str, str] | None, limit: int) -> Any:
        """Entries of all projects."""
        return self._catalogue()._page(after, limit)

    def forget(self) -> None:
        """Read everything again."""
        self._known.clear()

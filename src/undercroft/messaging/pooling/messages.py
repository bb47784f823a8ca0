"""Messages of queues that are spread over pools.

A queue that is still costs a look into what the process knows, and the text of each id. Only what is on its way goes further.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from undercroft.core.receipt import Receipt
from undercroft.messaging import contract
from undercroft.messaging.contract.outbox import LANE
from undercroft.messaging.models import Arrival, Edge, NewMessage, Page, Stats, Stored
from undercroft.messaging.pooling import placement, tags
from undercroft.messaging.pooling.lookup import Route
from undercroft.messaging.pooling.moving import Place
from undercroft.messaging.pooling.pools import Pool
from undercroft.messaging.pooling.posting import Posting
from undercroft.messaging.pooling.removing import Removing
from undercroft.messaging.pooling.seen import outside, within

# What may be claimed first.
_FIRST = Page(None, 1, None, claimed=False, delayed=False)


class Message(contract.Message):
    """The messages of all pools."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._lookup = driver.lookup
        self._find = driver.lookup.find
        self._mover = driver.mover
        self._places = driver.places
        self._posting = Posting(driver.lookup, driver.pools, driver.places, driver.mover)
        self._removing = Removing(driver.lookup, driver.mover)

    # -- posts -----------------------------------------------------------------------------------------------------

    def _post(self, queue: str, messages: Sequence[NewMessage], client: str, project: str) -> list[str]:
        return self._posting.post(queue, messages, client, project)

    def _post_once(
        self,
        queue: str,
        messages: Sequence[NewMessage],
        client: str,
        project: str,
        receipt: Receipt,
        answer: Callable[[Sequence[str]], bytes],
    ) -> bytes:
        return self._posting.post_once(queue, messages, client, project, receipt, answer)

    def _receive(self, queue: str, arrivals: Sequence[Arrival], project: str) -> None:
        self._posting.receive(queue, arrivals, project)

    def _known(self, queue: str, keys: Sequence[bytes], project: str) -> dict[bytes, str]:
        return self._posting.known(queue, keys, project)

    # -- reading ---------------------------------------------------------------------------------------------------

    def _list(self, queue: str, project: str, page: Page) -> tuple[Sequence[Stored], str | None]:
        route = self._find(project, queue)
        if route is None:
            return [], None
        if route.is_still:
            return self._page(route, route.pool, page)
        place = self._mover.place(route)
        # A page may leave out what comes first, and be behind any of them.
        self._mover.bring_all(route, place)
        return self._page(route, place.pool, page)

    def _page(self, route: Route, pool: Pool, page: Page) -> tuple[Sequence[Stored], str | None]:
        if page.marker is None:
            found, last = pool.call(pool.messages._list, route.queue, route.project, page)
            return outside(route, pool, found), None if last is None else last + pool.tag
        for form in self._markers(route, pool, page.marker):
            found, last = pool.call(pool.messages._list, route.queue, route.project, page._replace(marker=form))
            if found:
                return outside(route, pool, found), None if last is None else last + pool.tag
        if self._is_lost(route, pool, page.marker):
            return self._page(route, pool, page._replace(marker=None))
        return [], None

    def _markers(self, route: Route, pool: Pool, marker: str) -> Sequence[str]:
        """What a marker may be within a pool, the likeliest first."""
        inner, tag = tags.parted(marker)
        if tag == pool.tag:
            # Of a message that was elsewhere in between, this is where it was before: nothing is missed.
            return [inner]
        forms = route.forms(marker, pool)
        found = pool.call(pool.messages._get, route.queue, forms, route.project) if forms else ()
        return [found[0].id] if found else forms[::-1]

    def _is_lost(self, route: Route, pool: Pool, marker: str) -> bool:
        """Whether a marker is of a pool where the queue was, and its message is not known where it is.

        Nothing says what is behind it: the reader sees again what it has seen, and misses nothing.
        """
        if tags.parted(marker)[1] in {"", pool.tag} or route.is_plain:
            return False
        newest = pool.call(pool.messages._first, route.queue, route.project, -1)
        return newest is not None and tags.shown(newest.id, pool.tag) != marker

    def _first(self, queue: str, project: str, sort: int) -> Stored | None:
        route = self._find(project, queue)
        if route is None:
            return None
        pools = [route.pool]
        if not route.is_still:
            place = self._mover.place(route)
            self._mover.bring(route, place)
            pools = list(place.all)
        found = [one for one in (self._edge(route, pool, sort) for pool in pools) if one]
        return (min if sort > 0 else max)(found, key=lambda one: one.created) if found else None

    def _edge(self, route: Route, pool: Pool, sort: int) -> Stored | None:
        found = pool.call(pool.messages._first, route.queue, route.project, sort)
        return None if found is None else outside(route, pool, [found])[0]

    def _get(self, queue: str, ids: Sequence[str], project: str) -> Sequence[Stored]:
        route = self._find(project, queue)
        if route is None:
            return []
        if route.is_still:
            return within(route, route.pool, ids)
        found: dict[str, Stored] = {}
        # In the order in which a message goes through them, so that none is passed over.
        for pool in self._mover.place(route).all:
            found |= {one.id: one for one in within(route, pool, ids)}
        return list(found.values())

    def _stats(self, queue: str, project: str) -> Stats:
        # What others have begun to bring since this process last looked is counted, too.
        route = self._lookup.fresh(project, queue)
        if route is None:
            return Stats(0, 0, None, None)
        pools = [route.pool]
        if not route.is_still:
            place = self._mover.place(route)
            # What a killed mover has left would be counted twice.
            self._mover.settle(route, place)
            pools = list(place.all)
        found = [_tagged(pool.call(pool.messages._stats, route.queue, project), pool.tag) for pool in pools]
        return found[0] if len(found) == 1 else _summed(found)

    # -- removal ---------------------------------------------------------------------------------------------------

    def _pop(self, queue: str, limit: int, project: str) -> Sequence[Stored]:
        route = self._find(project, queue)
        if route is None:
            return []
        pool = route.pool
        if not route.is_still:
            place = self._mover.place(route)
            self._mover.bring(route, place, limit)
            pool = place.pool
        return outside(route, pool, pool.call(pool.messages._pop, route.queue, limit, project))

    def _delete(self, queue: str, message_id: str, project: str, claim: str | None, given: str | None) -> None:
        self._removing.delete(queue, message_id, project, claim, given)

    def _bulk_delete(self, queue: str, ids: Sequence[str], project: str, claims: Sequence[str] | None, given: str | None) -> None:
        self._removing.bulk_delete(queue, ids, project, claims, given)

    def _forget(self, queue: str, project: str) -> None:
        if not is_lane(queue):
            self.driver.queue_controller._delete(queue, project)
        elif (route := self._find(project, queue)) is not None:
            route.pool.call(route.pool.messages._forget, route.queue, project)

    # -- between queues --------------------------------------------------------------------------------------------

    def _redrive(self, queue: str, target: str, project: str, limit: int) -> int:
        source = self._find(project, queue)
        if source is None:
            return 0
        place = Place(source.pool, (), ()) if source.is_still else self._mover.place(source)
        self._mover.bring_all(source, place)
        goal = self._find(project, target)
        if goal is None or not goal.is_made:
            if not place.pool.call(place.pool.messages._list, queue, project, _FIRST)[0]:
                return 0
            goal = self._places.make(project, target, near=place.pool)
        at = place.pool.name
        if at not in goal.placement.pools:
            goal = self._lookup.change(project, target, lambda old: placement.sourced(old, at)) or goal
        moved: int = place.pool.call(place.pool.messages._redrive, queue, target, project, limit)
        if not goal.is_still:
            self._mover.bring_all(goal, self._mover.place(goal))
        return moved


def is_lane(queue: str) -> bool:
    """Whether a queue is the lane of a subscription."""
    return queue.startswith(LANE)


def _tagged(found: Stats, tag: str) -> Stats:
    oldest, newest = (
        None if end is None else Edge(tags.shown(end.id, tag), end.age, end.created) for end in (found.oldest, found.newest)
    )
    return Stats(found.free, found.claimed, oldest, newest)


def _summed(parts: Sequence[Stats]) -> Stats:
    oldest = min((one.oldest for one in parts if one.oldest), key=lambda end: end.created, default=None)
    newest = max((one.newest for one in parts if one.newest), key=lambda end: end.created, default=None)
    return Stats(sum(one.free for one in parts), sum(one.claimed for one in parts), oldest, newest)

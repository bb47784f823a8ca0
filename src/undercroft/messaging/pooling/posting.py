"""Posts to queues that are spread over pools, and what their pools remember of those."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence

from undercroft.core.receipt import Receipt
from undercroft.messaging.models import Arrival, NewMessage
from undercroft.messaging.pooling import placement, tags
from undercroft.messaging.pooling.lookup import Lookup, Route
from undercroft.messaging.pooling.moving import Mover
from undercroft.messaging.pooling.placing import Places
from undercroft.messaging.pooling.pools import Pool, Pools


class Posting:
    """Posts messages where they belong.

    Args:
        lookup: finds queues.
        pools: the pools.
        places: makes queues.
        mover: brings messages.
    """

    def __init__(self, lookup: Lookup, pools: Pools, places: Places, mover: Mover) -> None:
        self._lookup = lookup
        self._find = lookup.find
        self._pools = pools
        self._places = places
        self._mover = mover
        self._late = mover.late

    def post(self, queue: str, messages: Sequence[NewMessage], client: str, project: str) -> list[str]:
        began = time.monotonic()
        route = self._find(project, queue)
        if route is None or not route.is_made:
            route = self._places.make(project, queue)
        pool: Pool = route.pool
        if not route.is_plain:
            pool = self._goes_to(route)
            if known := self._remembered(route, pool, messages):
                return self._post_others(route, pool, messages, client, known)
        found = pool.call(pool.messages._post, route.queue, messages, client, project)
        if time.monotonic() - began > self._late:
            self._places.stray(project, queue, pool)
        tag = pool.tag
        return [one + tag if one[0] != tags.MARK else tags.shown(one, tag) for one in found]

    def _goes_to(self, route: Route) -> Pool:
        """The pool where posts go; what is on its way there goes first."""
        if route.is_still:
            return route.pool
        view = self._lookup.view(route)
        pool: Pool = self._pools.named(view.posts).opened()
        if view.posts == view.reads and view.drains:
            self._mover.bring_all(route, self._mover.place(route))
        return pool

    def _remembered(self, route: Route, pool: Pool, messages: Sequence[NewMessage]) -> dict[bytes, str]:
        """Which messages the pools remember where the queue was or is to go, by what they are known by."""
        wanted = list(dict.fromkeys(one.dedup for one in messages if one.dedup is not None))
        found: dict[bytes, str] = {}
        if wanted:
            for name in placement.remembering(route.placement, pool.name, self._lookup.now()):
                other = self._pools.named(name).opened()
                known = other.call(other.messages._known, route.queue, wanted, route.project)
                found |= {key: tags.shown(one, other.tag) for key, one in known.items()}
        return found

    def _post_others(
        self, route: Route, pool: Pool, messages: Sequence[NewMessage], client: str, known: dict[bytes, str]
    ) -> list[str]:
        """Post those that are not known yet; the ids of all."""
        new = [one for one in messages if one.dedup is None or one.dedup not in known]
        made = iter(pool.call(pool.messages._post, route.queue, new, client, route.project) if new else ())
        return [
            tags.shown(next(made), pool.tag) if one.dedup is None or one.dedup not in known else known[one.dedup]
            for one in messages
        ]

    def post_once(
        self,
        queue: str,
        messages: Sequence[NewMessage],
        client: str,
        project: str,
        receipt: Receipt,
        answer: Callable[[Sequence[str]], bytes],
    ) -> bytes:
        began = time.monotonic()
        route = self._find(project, queue)
        if route is None or not route.is_made:
            route = self._places.make(project, queue)
        pool: Pool = route.pool

        def outside_answer(ids: Sequence[str]) -> bytes:
            return answer([tags.shown(one, pool.tag) for one in ids])

        if not route.is_plain:
            pool = self._goes_to(route)
            told = self._receipt(route, pool, messages, client, receipt)
            if told is not None:
                return told
        done: bytes = pool.call(pool.messages._post_once, route.queue, messages, client, project, receipt, outside_answer)
        if time.monotonic() - began > self._late:
            self._places.stray(project, queue, pool)
        return done

    def _receipt(self, route: Route, pool: Pool, messages: Sequence[NewMessage], client: str, receipt: Receipt) -> bytes | None:
        """What was answered under a receipt that another pool has."""
        for name in placement.remembering(route.placement, pool.name, self._lookup.now()):
            other = self._pools.named(name).opened()
            with contextlib.suppress(_Absent):
                found: bytes = other.call(other.messages._post_once, route.queue, messages, client, route.project, receipt, _absent)
                return found
        return None

    def receive(self, queue: str, arrivals: Sequence[Arrival], project: str) -> None:
        route = self._find(project, queue)
        if route is None or not route.is_made:
            route = self._places.make(project, queue)
        pool = self._goes_to(route)
        found = [one._replace(id=tags.received(one.id)) for one in arrivals]
        pool.call(pool.messages._receive, route.queue, found, project)
        route.comes_back = True

    def known(self, queue: str, keys: Sequence[bytes], project: str) -> dict[bytes, str]:
        route = self._find(project, queue)
        if route is None:
            return {}
        pool = route.pool
        found = pool.call(pool.messages._known, route.queue, keys, project)
        asked = [NewMessage(0, 0, b"", key) for key in keys]
        return self._remembered(route, pool, asked) | {key: tags.shown(one, pool.tag) for key, one in found.items()}


class _Absent(Exception):
    """A receipt is not there."""


def _absent(_ids: Sequence[str]) -> bytes:
    """In the place of an answer: nothing is to be stored."""
    raise _Absent

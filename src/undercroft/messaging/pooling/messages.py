"""Messages of queues that are spread over pools.

A queue that is still costs a look into what the process knows, and the text of each id. Only what is on its way goes further.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from undercroft.core.receipt import Receipt
from undercroft.messaging import contract
from undercroft.messaging.contract.outbox import LANE
from undercroft.messaging.errors import (
    ClaimDoesNotExist,
    ClaimDoesNotMatch,
    MessageIsClaimed,
    MessageNotClaimed,
    MessageNotClaimedBy,
)
from undercroft.messaging.models import Arrival, Edge, NewMessage, Page, Stats, Stored
from undercroft.messaging.pooling import placement, tags
from undercroft.messaging.pooling.lookup import Route
from undercroft.messaging.pooling.moving import Place
from undercroft.messaging.pooling.pools import Pool

Texts = list[str]


class Message(contract.Message):
    """The messages of all pools."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._lookup = driver.lookup
        self._find = driver.lookup.find
        self._mover = driver.mover
        self._pools = driver.pools
        self._places = driver.places
        self._late = driver.mover.late

    # -- posts -----------------------------------------------------------------------------------------------------

    def _post(self, queue: str, messages: Sequence[NewMessage], client: str, project: str) -> Texts:
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

    def _post_others(self, route: Route, pool: Pool, messages: Sequence[NewMessage], client: str, known: dict[bytes, str]) -> Texts:
        """Post those that are not known yet; the ids of all."""
        new = [one for one in messages if one.dedup is None or one.dedup not in known]
        made = iter(pool.call(pool.messages._post, route.queue, new, client, route.project) if new else ())
        return [
            tags.shown(next(made), pool.tag) if one.dedup is None or one.dedup not in known else known[one.dedup]
            for one in messages
        ]

    def _post_once(
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
            return self._outside(route, pool, found), None if last is None else last + pool.tag
        for form in self._markers(route, pool, page.marker):
            found, last = pool.call(pool.messages._list, route.queue, route.project, page._replace(marker=form))
            if found:
                return self._outside(route, pool, found), None if last is None else last + pool.tag
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
        return None if found is None else self._outside(route, pool, [found])[0]

    def _get(self, queue: str, ids: Sequence[str], project: str) -> Sequence[Stored]:
        route = self._find(project, queue)
        if route is None:
            return []
        if route.is_still:
            return self._in(route, route.pool, ids)
        found: dict[str, Stored] = {}
        # In the order in which a message goes through them, so that none is passed over.
        for pool in self._mover.place(route).all:
            found |= {one.id: one for one in self._in(route, pool, ids)}
        return list(found.values())

    def _in(self, route: Route, pool: Pool, ids: Sequence[str]) -> Sequence[Stored]:
        forms = [form for one in ids for form in route.forms(one, pool)]
        if not forms:
            return []
        return self._outside(route, pool, pool.call(pool.messages._get, route.queue, forms, route.project))

    def _outside(self, route: Route, pool: Pool, found: Iterable[Stored]) -> list[Stored]:
        """Messages of a pool with their ids outside."""
        return outside(route, pool, found)

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
        return self._outside(route, pool, pool.call(pool.messages._pop, route.queue, limit, project))

    def _delete(self, queue: str, message_id: str, project: str, claim: str | None, given: str | None) -> None:
        route = self._find(project, queue)
        if route is None:
            return
        tag = route.pool.tag
        if route.is_still and not route.comes_back and message_id.endswith(tag) and (claim is None or claim.endswith(tag)):
            # Nearly all are this one.
            self._delete_as(route, route.pool, message_id[: -tags.LENGTH], message_id, claim, given)
            return
        place = Place(route.pool, (), ()) if route.is_still else self._mover.place(route)
        if claim is None:
            pool = self._come(route, place, [message_id])
        else:
            tag = tags.parted(claim)[1]
            holder = next((one for one in place.all if one.tag == tag), None)
            if holder is None:
                if any(self._in(route, one, [message_id]) for one in place.all):
                    raise ClaimDoesNotExist(claim, queue, given)
                return
            pool = holder
        form = self._form(route, pool, message_id)
        if form is None:
            if claim is not None and any(self._in(route, one, [message_id]) for one in place.all if one is not pool):
                raise ClaimDoesNotExist(claim, queue, given)
            return
        self._delete_as(route, pool, form, message_id, claim, given)

    def _delete_as(self, route: Route, pool: Pool, form: str, message_id: str, claim: str | None, given: str | None) -> None:
        """Delete a message by what its id is within a pool, which has the claim."""
        inner = None if claim is None else claim[: -tags.LENGTH]
        try:
            pool.call(pool.messages._delete, route.queue, form, route.project, inner, given)
        except MessageIsClaimed:
            raise MessageIsClaimed(message_id) from None
        except MessageNotClaimed:
            raise MessageNotClaimed(message_id) from None
        except MessageNotClaimedBy:
            raise MessageNotClaimedBy(message_id, claim or "") from None
        except ClaimDoesNotExist:
            raise ClaimDoesNotExist(claim or "", route.queue, given) from None

    def _form(self, route: Route, pool: Pool, message_id: str) -> str | None:
        """What an id is within a pool; None where it has no such message."""
        forms = route.forms(message_id, pool)
        if len(forms) == 1 and route.is_still:
            return forms[0]
        found = pool.call(pool.messages._get, route.queue, forms, route.project) if forms else ()
        return found[0].id if found else None

    def _come(self, route: Route, place: Place, ids: Sequence[str]) -> Pool:
        """Bring messages that are to be deleted, which would else be brought by somebody else and be there again.

        Those under a claim stay; the pool where one of them is, is given back, else the one that they were brought to.
        """
        holder = place.pool
        for source in (*place.rests, *place.sources):
            forms = [form for one in ids for form in route.forms(one, source)]
            found = source.call(source.messages._get, route.queue, forms, route.project) if forms else []
            if free := [one for one in found if one.claim is None and source in place.sources]:
                self._mover.carry(route, source, place.pool, free)
            if len(free) < len(found):
                holder = source
        return holder

    def _bulk_delete(self, queue: str, ids: Sequence[str], project: str, claims: Sequence[str] | None, given: str | None) -> None:
        route = self._find(project, queue)
        if route is None:
            return
        if route.is_still:
            self._delete_in(route, route.pool, ids, claims, given)
            return
        place = self._mover.place(route)
        self._come(route, place, ids)
        if claims is not None:
            for one in (one for pool in place.all for one in self._in(route, pool, ids)):
                if one.claim is None:
                    raise MessageNotClaimed(one.id)
                if one.claim not in claims:
                    raise ClaimDoesNotMatch(one.claim, queue, given)
        for pool in place.all:
            self._delete_in(route, pool, ids, claims, given)

    def _delete_in(self, route: Route, pool: Pool, ids: Sequence[str], claims: Sequence[str] | None, given: str | None) -> None:
        forms = [form for one in ids for form in route.forms(one, pool)]
        if not forms:
            return
        held = None if claims is None else [inner for inner, tag in map(tags.parted, claims) if tag == pool.tag]
        try:
            pool.call(pool.messages._bulk_delete, route.queue, forms, route.project, held, given)
        except MessageNotClaimed as error:
            raise MessageNotClaimed(tags.shown(error.fields["mid"], pool.tag)) from None
        except ClaimDoesNotMatch as error:
            raise ClaimDoesNotMatch(error.fields["cid"] + pool.tag, error.fields["queue"], given) from None

    def _forget(self, queue: str, project: str) -> None:
        if not is_lane(queue):
            self.driver.queue_controller._delete(queue, project)
        elif (route := self._find(project, queue)) is not None:
            route.pool.call(route.pool.messages._forget, route.queue, project)

    # -- between queues and stores ---------------------------------------------------------------------------------

    def _redrive(self, queue: str, target: str, project: str, limit: int) -> int:
        source = self._find(project, queue)
        if source is None:
            return 0
        place = Place(source.pool, (), ()) if source.is_still else self._mover.place(source)
        self._mover.bring_all(source, place)
        goal = self._find(project, target)
        if goal is None or not goal.is_made:
            goal = self._places.make(project, target, near=place.pool)
        at = place.pool.name
        if at not in goal.placement.pools:
            goal = self._lookup.change(project, target, lambda old: placement.sourced(old, at)) or goal
        moved: int = place.pool.call(place.pool.messages._redrive, queue, target, project, limit)
        if not goal.is_still:
            self._mover.bring_all(goal, self._mover.place(goal))
        return moved

    def _receive(self, queue: str, arrivals: Sequence[Arrival], project: str) -> None:
        route = self._find(project, queue)
        if route is None or not route.is_made:
            route = self._places.make(project, queue)
        pool = self._goes_to(route)
        found = [one._replace(id=tags.received(one.id)) for one in arrivals]
        pool.call(pool.messages._receive, route.queue, found, project)
        route.comes_back = True

    def _known(self, queue: str, keys: Sequence[bytes], project: str) -> dict[bytes, str]:
        route = self._find(project, queue)
        if route is None:
            return {}
        pool = route.pool
        found = pool.call(pool.messages._known, route.queue, keys, project)
        asked = [NewMessage(0, 0, b"", key) for key in keys]
        return self._remembered(route, pool, asked) | {key: tags.shown(one, pool.tag) for key, one in found.items()}


def outside(route: Route, pool: Pool, found: Iterable[Stored], claim: str | None = None) -> list[Stored]:
    """Messages of a pool as they are outside; `claim` is that of all of them, if they have one together."""
    tag, shown = pool.tag, []
    for name, ttl, age, body, held, claims, created, client, expires in found:
        if name[0] == tags.MARK:
            route.comes_back = True
            own = tags.shown(name, tag)
        else:
            own = name + tag
        holder = claim or (None if held is None else held + tag)
        shown.append(Stored(own, ttl, age, body, holder, claims, created, client, expires))
    return shown


def is_lane(queue: str) -> bool:
    """Whether a queue is the lane of a subscription."""
    return queue.startswith(LANE)


class _Absent(Exception):
    """A receipt is not there."""


def _absent(_ids: Sequence[str]) -> bytes:
    """In the place of an answer: nothing is to be stored."""
    raise _Absent


def _tagged(found: Stats, tag: str) -> Stats:
    oldest, newest = (
        None if end is None else Edge(tags.shown(end.id, tag), end.age, end.created) for end in (found.oldest, found.newest)
    )
    return Stats(found.free, found.claimed, oldest, newest)


def _summed(parts: Sequence[Stats]) -> Stats:
    oldest = min((one.oldest for one in parts if one.oldest), key=lambda end: end.created, default=None)
    newest = max((one.newest for one in parts if one.newest), key=lambda end: end.created, default=None)
    return Stats(sum(one.free for one in parts), sum(one.claimed for one in parts), oldest, newest)

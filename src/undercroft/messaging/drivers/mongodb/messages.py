"""Messages in MongoDB: reading and deleting them. `posting` stores them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bson.int64 import Int64

from undercroft.core.receipt import Receipt
from undercroft.messaging import contract
from undercroft.messaging.drivers.mongodb import rows
from undercroft.messaging.drivers.mongodb.lanes import Lane
from undercroft.messaging.drivers.mongodb.moving import located
from undercroft.messaging.drivers.mongodb.posting import Poster
from undercroft.messaging.drivers.mongodb.posts import AT_ONCE, FREE, Change, live, without_expired
from undercroft.messaging.drivers.mongodb.rows import Document, Post, State
from undercroft.messaging.drivers.mongodb.store import Store
from undercroft.messaging.errors import (
    ClaimDoesNotExist,
    ClaimDoesNotMatch,
    MessageIsClaimed,
    MessageNotClaimed,
    MessageNotClaimedBy,
)
from undercroft.messaging.models import Arrival, NewMessage, Page, Stats, Stored

Texts = list[str]
Found = list[tuple[Post, int]]


class Message(contract.Message):
    """The messages of a data driver."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._store: Store = driver.store
        parts = self._store.parts
        self._posts, self._order, self._taker = parts.posts, parts.order, parts.taker
        self._poster = Poster(driver)
        self._counter = parts.counter

    # -- reading ---------------------------------------------------------------------------------------------------

    def _list(self, queue: str, project: str, page: Page) -> tuple[Sequence[Stored], str | None]:
        lane = self._store.lane(project, queue)
        after = None if lane is None else self._behind(lane, page.marker)
        if lane is None or after is None:
            return [], None
        now = self._store.now()
        if not page.claimed:
            self._posts.settle(lane.inc, now)
        reached = self._order.reach(lane)
        found, after = self._walk(lane, page, page.limit, after, reached, now)
        if len(found) < page.limit and reached < lane.last:
            more, _ = self._walk(lane, page, page.limit - len(found), after, self._order.reach(lane, waits=True), now)
            found += more
        last = found[-1][0].name(found[-1][1]) if found else None
        return self._posts.stored(found, now), last

    def _walk(
        self, lane: Lane, page: Page, limit: int, after: tuple[int, int], reached: int, now: int
    ) -> tuple[Found, tuple[int, int]]:
        """Messages of a page behind a spot, up to a number; and the spot behind which it goes on."""
        only: Document = {"f": FREE} if not page.claimed and not page.delayed else {"k": {"$gt": 0}}
        found: Found = []
        count = limit + 1
        while after[0] <= reached:
            between = {"q": lane.inc, **only, "n": {"$gte": Int64(after[0]), "$lte": Int64(reached)}}
            part = self._posts.find(between, order=[("q", 1), ("n", 1)], limit=min(count, AT_ONCE))
            for post in part:
                for place, state in live(post, now):
                    if (post.number, place) > after and _is_on(page, state, now):
                        found.append((post, place))
                        if len(found) == limit:
                            return found, (post.number, place)
            if len(part) < min(count, AT_ONCE):
                break
            # More at once the more was left out.
            after, count = (part[-1].number + 1, -1), 2 * count
        return found, (reached + 1, -1)

    def _behind(self, lane: Lane, marker: str | None) -> tuple[int, int] | None:
        """The number and place that a marker names; None for nothing."""
        if marker is None:
            return 0, -1
        if not rows.is_id(marker) and not rows.is_foreign(marker):
            return None
        with self._store.call():
            moved = self._store.posts.find_one({"u": located(lane.inc, marker)}, {"n": 1, "o": 1})
        if moved is not None:
            return int(moved["n"]), next(int(place) for place, name in moved["o"].items() if name == marker)
        if marker.startswith(lane.inc):
            return rows.spot(marker)
        # Of a queue of that name that is gone, or of none.
        return None if marker > lane.inc else (0, -1)

    def _first(self, queue: str, project: str, sort: int) -> Stored | None:
        lane, now = self._store.lane(project, queue), self._store.now()
        end = None if lane is None else self._counter.end(lane.inc, sort, now)
        found = [] if end is None else self._posts.stored([end], now)
        return found[0] if found else None

    def _get(self, queue: str, ids: Sequence[str], project: str) -> Sequence[Stored]:
        lane = self._store.lane(project, queue)
        now = self._store.now()
        return [] if lane is None else self._posts.stored(self._named(lane, ids, now, bodies=True), now)

    def _named(self, lane: Lane, ids: Sequence[str], now: int, *, bodies: bool = False) -> Found:
        """Messages by their ids, in order."""
        wanted = {name for name in ids if rows.is_id(name) or rows.is_foreign(name)}
        tokens = {name[: rows.POST] for name in wanted if name.startswith(lane.inc)}
        tokens |= {located(lane.inc, name) for name in wanted}
        posts = rows.in_order(self._posts.among(sorted(tokens), bodies=bodies))
        return [(post, place) for post in posts for place, _ in live(post, now) if post.known_as(place) in wanted]

    # -- posts -----------------------------------------------------------------------------------------------------

    def _post(self, queue: str, messages: Sequence[NewMessage], client: str, project: str) -> Texts:
        return self._poster.post(project, queue, client, messages)

    def _post_once(
        self,
        queue: str,
        messages: Sequence[NewMessage],
        client: str,
        project: str,
        receipt: Receipt,
        answer: Callable[[Sequence[str]], bytes],
    ) -> bytes:
        return self._poster.post_once(project, queue, client, messages, receipt, answer)

    def _receive(self, queue: str, arrivals: Sequence[Arrival], project: str) -> None:
        self._poster.receive(project, queue, arrivals)

    def _known(self, queue: str, keys: Sequence[bytes], project: str) -> dict[bytes, str]:
        lane = self._store.lane(project, queue)
        return {} if lane is None else self._poster.known(lane, keys)

    # -- deletion --------------------------------------------------------------------------------------------------

    def _delete(self, queue: str, message_id: str, project: str, claim: str | None, given: str | None) -> None:
        lane = self._store.lane(project, queue)
        while lane is not None:
            now = self._store.now()
            found = self._named(lane, [message_id], now)
            if not found:
                return
            ((post, place),) = found
            holder = post.states[place].holder(now)
            if holder != claim:
                if claim is None:
                    raise MessageIsClaimed(message_id)
                if not self.driver.claim_controller.is_live(queue, claim, project):
                    raise ClaimDoesNotExist(claim, queue, given)
                raise MessageNotClaimed(message_id) if holder is None else MessageNotClaimedBy(message_id, claim)
            if self._posts.apply([_less(post, {place}, now)], now, lane.floor):
                return

    def _bulk_delete(self, queue: str, ids: Sequence[str], project: str, claims: Sequence[str] | None, given: str | None) -> None:
        lane = self._store.lane(project, queue)
        while lane is not None:
            now = self._store.now()
            found = self._named(lane, ids, now)
            if claims is not None:
                _check(found, claims, queue, given, now)
            gone: dict[str, set[int]] = {}
            for post, place in found:
                gone.setdefault(post.id, set()).add(place)
            posts = {post.id: post for post, _ in found}
            if self._posts.apply([_less(posts[name], places, now) for name, places in gone.items()], now, lane.floor):
                return

    def _pop(self, queue: str, limit: int, project: str) -> Sequence[Stored]:
        lane = self._store.lane(project, queue)
        return [] if lane is None else self._taker.remove(lane, limit, self._store.now())

    def _redrive(self, queue: str, target: str, project: str, limit: int) -> int:
        return self._store.parts.mover.redrive(project, queue, target, limit)

    def _stats(self, queue: str, project: str) -> Stats:
        lane = self._store.lane(project, queue)
        return Stats(0, 0, None, None) if lane is None else self._counter.stats(lane.inc, self._store.now())

    def _forget(self, queue: str, project: str) -> None:
        self._store.parts.keeper.forget(project, queue)


def _is_on(page: Page, state: State, now: int) -> bool:
    """Whether a message that is to be seen belongs on a page."""
    if page.without is not None and state.client == page.without:
        return False
    if state.holder(now) is not None:
        return page.claimed
    return page.delayed or state.again <= now


def _less(post: Post, places: set[int], now: int) -> Change:
    """A post without some of its messages."""
    return Change(post, {place: state for place, state in without_expired(post, now).items() if place not in places})


def _check(found: Found, claims: Sequence[str], queue: str, given: str | None, now: int) -> None:
    for post, place in found:
        holder = post.states[place].holder(now)
        if holder is None:
            raise MessageNotClaimed(post.known_as(place))
        if holder not in claims:
            raise ClaimDoesNotMatch(holder, queue, given)

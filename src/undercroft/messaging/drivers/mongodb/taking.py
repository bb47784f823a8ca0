"""Taking the first messages of a queue that are free: for a claim, a pop, a move to another queue.

They are taken one by one, in their order: a change of each post, under the condition that nobody has changed it since it was read.
A caller that is overtaken looks again, and takes the next ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from bson.int64 import Int64

from undercroft.core.errors import OutcomeUnknown, Unavailable
from undercroft.messaging.drivers.mongodb.database import Database
from undercroft.messaging.drivers.mongodb.lanes import Lane
from undercroft.messaging.drivers.mongodb.posts import Change, Posts
from undercroft.messaging.drivers.mongodb.rows import Post, State
from undercroft.messaging.models import Stored

Mark = Callable[[State], State]
Announce = Callable[[Sequence[Post], Sequence[State]], None]


class Marked(NamedTuple):
    """A message that was taken: its post as it is now, its place in there, and its state before."""

    post: Post
    place: int
    before: State

    @property
    def state(self) -> State:
        """Its state as it is now."""
        return self.post.states[self.place]


def _nothing(_: Sequence[Post], __: Sequence[State]) -> None:
    """Nothing is to be stored first."""


class _Marks(NamedTuple):
    """Messages of a post that are to be taken: their states before and after, by their places."""

    post: Post
    before: dict[int, State]
    after: dict[int, State]


class Taker:
    """Takes messages.

    Args:
        store: the store.
        posts: its posts.
    """

    def __init__(self, store: Database, posts: Posts) -> None:
        self._store = store
        self._posts = posts

    def take(self, lane: Lane, limit: int, now: int, mark: Mark, announce: Announce = _nothing) -> list[Marked]:
        """Take the first messages that may be claimed, at most `limit`, in order.

        Args:
            lane: the queue.
            limit: the most messages.
            now: the moment.
            mark: what becomes of the state of a message; the new one tells by its claim, or its move, who took it.
            announce: called before messages are marked, with their posts and new states; what it stores is there first.
        """
        taken: list[Marked] = []
        while (left := limit - len(taken)) > 0:
            found = self._posts.free(lane.inc, now, left)
            if not found:
                break
            marks, changes = self._plan(found, left, now, mark, {(one.post.id, one.place) for one in taken})
            if not taken and len(found) == left and self._set_aside(marks, changes, left, now, lane.floor):
                continue
            if marks:
                posts = [each.post for each in marks]
                announce(posts, [state for each in marks for state in each.after.values()])
            if not self._posts.apply(changes, now, lane.floor):
                taken += self._won(marks)
                continue
            after = {change.post.id: _next(change) for change in changes}
            taken += [Marked(after[each.post.id], place, before) for each in marks for place, before in each.before.items()]
            if len(found) < left:
                break
        return sorted(taken, key=lambda one: (one.post.number, one.place))

    def remove(self, lane: Lane, limit: int, now: int) -> list[Stored]:
        """Remove the first messages that may be claimed, at most `limit`, in order; those that this call has removed.

        Post by post, each in a round trip of its own: of several changes in one, a server tells how many were made, and not which.
        """
        removed: list[Stored] = []
        try:
            while len(removed) < limit and self._remove_some(lane, limit - len(removed), now, removed):
                continue
        except OutcomeUnknown:
            raise
        except Unavailable:
            # What is removed already would be lost with its answer.
            if not removed:
                raise
        return removed

    def _remove_some(self, lane: Lane, limit: int, now: int, removed: list[Stored]) -> bool:
        """Remove messages, and tell those in `removed`; whether there may be more."""
        found = self._posts.free(lane.inc, now, limit)
        marks, changes = self._plan(found, limit, now, lambda state: state, set())
        gone = {each.post.id: each.before for each in marks}
        for post, states, _ in changes:
            places = gone.get(post.id, {})
            shown = self._posts.stored([(post, place) for place in places], now)
            kept = {place: state for place, state in states.items() if place not in places}
            if not self._posts.apply([Change(post, kept)], now, lane.floor):
                return True
            removed += shown
        return len(found) == limit

    def _set_aside(self, marks: Sequence[_Marks], changes: Sequence[Change], limit: int, now: int, floor: int) -> bool:
        """Let posts without a free message be found no more, where others would make the number full; whether there were any.

        So one round trip marks all that is taken, and a process that dies has taken all of it, or nothing.
        """
        taken = {each.post.id for each in marks}
        idle = [change for change in changes if change.post.id not in taken]
        if not idle or sum(len(each.before) for each in marks) >= limit:
            return False
        self._posts.apply(idle, now, floor)
        return True

    def _plan(
        self, found: Sequence[Post], limit: int, now: int, mark: Mark, passed: set[tuple[str, int]]
    ) -> tuple[list[_Marks], list[Change]]:
        """Which messages of these posts to take, and the changes that takes."""
        marks: list[_Marks] = []
        changes: list[Change] = []
        for post, known in self.verified(found, now):
            states = {place: state for place, state in known.items() if state.expires > now}
            free = [place for place in sorted(states) if states[place].is_free(now) and (post.id, place) not in passed]
            before = {place: states[place] for place in free[:limit]}
            after = {place: mark(state) for place, state in before.items()}
            if before:
                marks.append(_Marks(post, before, after))
            changes.append(Change(post, states | after))
            limit -= len(before)
            if not limit:
                break
        return marks, changes

    def _won(self, marks: Sequence[_Marks]) -> list[Marked]:
        """What was taken, where others took some of it."""
        wanted = {each.post.id: each for each in marks}
        won: list[Marked] = []
        for post in self._posts.among(wanted):
            mine = wanted[post.id]
            won += [
                Marked(post, place, mine.before[place])
                for place, state in mine.after.items()
                if (now := post.states.get(place)) is not None and (now.claim, now.going) == (state.claim, state.going)
            ]
        return won

    def verified(self, found: Sequence[Post], now: int) -> list[tuple[Post, dict[int, State]]]:
        """The states of posts as they are: claims that are over are so for good, and those that were renewed last as long."""
        over = {state.claim for post in found for state in post.states.values() if state.claim and state.again <= now}
        if not over:
            return [(post, post.states) for post in found]
        alive = self.ended(over, now)
        return [(post, {place: _ended(state, now, alive) for place, state in post.states.items()}) for post in found]

    def ended(self, claims: Iterable[str], now: int) -> dict[str, int]:
        """End claims whose time is over, so that nobody renews them any more; of the others, when they end."""
        wanted = sorted(claims)
        with self._store.call(writes=True):
            self._store.claims.delete_many({"_id": {"$in": wanted}, "ends": {"$lte": Int64(now)}})
        with self._store.call():
            return {each["_id"]: int(each["ends"]) for each in self._store.claims.find({"_id": {"$in": wanted}}, {"ends": 1})}


def _ended(state: State, now: int, alive: dict[str, int]) -> State:
    if not state.claim or state.again > now:
        return state
    if state.claim in alive:
        return state._replace(again=alive[state.claim])
    return state._replace(claim="", again=0)


def _next(change: Change) -> Post:
    """A post after a change."""
    return change.post._replace(version=change.post.version + 1, states=dict(change.states))

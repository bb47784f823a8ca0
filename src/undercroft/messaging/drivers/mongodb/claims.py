"""Claims in MongoDB: a document says until when a claim lives, and each message says which claim has it.

The document of the claim has the last word: a message whose claim seems to be over is free once that document is gone, and renewing
changes only this one. What messages say of the end is for finding them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from bson.int64 import Int64

from undercroft.core.errors import OutcomeUnknown, Unavailable
from undercroft.messaging import contract
from undercroft.messaging.attributes import DeadLetters
from undercroft.messaging.drivers.mongodb import rows
from undercroft.messaging.drivers.mongodb.lanes import Lane
from undercroft.messaging.drivers.mongodb.moving import leaving, new_move
from undercroft.messaging.drivers.mongodb.posts import Change, without_expired
from undercroft.messaging.drivers.mongodb.rows import Post, State
from undercroft.messaging.drivers.mongodb.store import Store
from undercroft.messaging.models import Lease, Stored, Taken
from undercroft.messaging.settings import LOG

Made = tuple[str, Sequence[Stored]]


class Claim(contract.Claim):
    """The claims of a data driver."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._store: Store = driver.store
        parts = self._store.parts
        self._posts, self._taker, self._mover = parts.posts, parts.taker, parts.mover

    def _create(self, queue: str, lease: Lease, project: str) -> Made | None:
        lane = self._store.lane(project, queue)
        if lane is None:
            return None
        now = self._store.now()
        making = _Making(self, lane, lease, self._rule(lane), now)
        try:
            return self._made(making, lane, lease, now)
        except Unavailable as error:
            # It may be made although what was asked last was only a question.
            if making.is_announced or making.moves:
                raise OutcomeUnknown(str(error)) from error
            raise

    def _made(self, making: _Making, lane: Lane, lease: Lease, now: int) -> Made | None:
        taken = self._taker.take(lane, lease.limit, now, making.mark, making.announce)
        held = [one for one in taken if not one.state.going]
        if making.is_announced and not held:
            self._end(making.claim)
        if making.moves:
            self._send(making.move, lane, is_made=bool(held))
        if not held:
            return None
        # They are under it even if it lives no second.
        found = [each._replace(claim=making.claim) for each in self._posts.stored([(one.post, one.place) for one in held], now)]
        return making.claim, found

    def _rule(self, lane: Lane) -> DeadLetters | None:
        if self.driver.keeps_no_queues:
            found: DeadLetters | None = self.driver.dead_letters(lane.name, lane.project)
            return found
        return lane.dead

    def begin(self, claim: str, lane: Lane, lease: Lease, now: int) -> None:
        """Store the document of a claim."""
        ends = Int64(now + lease.ttl * 1000)
        self._store.insert(self._store.claims, {"_id": claim, "q": lane.inc, "ttl": lease.ttl, "born": Int64(now), "ends": ends})

    def _end(self, claim: str) -> None:
        with self._store.call(writes=True):
            self._store.claims.delete_one({"_id": claim})

    def _send(self, move: str, lane: Lane, *, is_made: bool) -> None:
        """Bring dead letters to their queue; that of a claim that is made may fail: who claimed would not learn of its messages."""
        try:
            self._mover.send(move)
        except Unavailable as error:
            if not is_made:
                raise
            LOG.warning("dead letters of queue %r of project %r are still on their way: %s", lane.name, lane.project, error)

    # -- live claims -----------------------------------------------------------------------------------------------

    def _known(self, queue: str, claim: str, project: str) -> tuple[Lane, Any] | None:
        """The queue of a claim that is not over, and the claim's document."""
        lane = self._store.lane(project, queue) if rows.is_id(claim) else None
        if lane is None:
            return None
        with self._store.call():
            found = self._store.claims.find_one({"_id": claim, "q": lane.inc, "ends": {"$gt": Int64(self._store.now())}})
        return None if found is None else (lane, found)

    def is_live(self, queue: str, claim: str, project: str) -> bool:
        """Whether a claim is not over; one without messages is."""
        known = self._known(queue, claim, project)
        return known is not None and bool(self._held(self._posts.claimed(claim, bodies=False), claim, self._store.now()))

    def _held(self, found: Sequence[Post], claim: str, now: int) -> list[tuple[Post, int]]:
        return [
            (post, place)
            for post in found
            for place, state in sorted(post.states.items())
            if state.claim == claim and state.is_live(now)
        ]

    def _get(self, queue: str, claim: str, project: str) -> Taken | None:
        known = self._known(queue, claim, project)
        if known is None:
            return None
        now, found = self._store.now(), known[1]
        held = self._held(self._posts.claimed(claim), claim, now)
        if not held:
            return None
        messages = [each._replace(claim=claim) for each in self._posts.stored(held, now)]
        return Taken(claim, int(found["ttl"]), max(0, now - int(found["born"])) // 1000, messages)

    def _update(self, queue: str, claim: str, lease: Lease, project: str) -> bool:
        known = self._known(queue, claim, project)
        posts = [] if known is None else self._posts.claimed(claim, bodies=False)
        now = self._store.now()
        if known is None or not self._held(posts, claim, now):
            return False
        ends = now + lease.ttl * 1000
        with self._store.call(writes=True):
            renewed = self._store.claims.update_one(
                {"_id": claim, "ends": {"$gt": Int64(now)}}, {"$set": {"ends": Int64(ends), "ttl": lease.ttl, "born": Int64(now)}}
            )
        if not renewed.matched_count:
            return False

        def change(state: State) -> State:
            if state.expires < ends:
                return state._replace(again=ends, ttl=lease.ttl + lease.grace, expires=ends + lease.grace * 1000)
            return state._replace(again=ends)

        self._change(known[0], claim, posts, change)
        return True

    def _delete(self, queue: str, claim: str, project: str) -> None:
        known = self._known(queue, claim, project)
        if known is not None:
            # In this order no message is ever under a claim that is not there.
            self._change(known[0], claim, self._posts.claimed(claim, bodies=False), lambda state: state._replace(again=0, claim=""))
            self._end(claim)

    def _change(self, lane: Lane, claim: str, found: Sequence[Post], change: Callable[[State], State]) -> None:
        """Change the states of a claim's messages; `found` are the posts that have them."""
        while True:
            now = self._store.now()
            changes: list[Change] = []
            for post in found:
                states = without_expired(post, now)
                after = {place: change(state) if state.claim == claim else state for place, state in states.items()}
                if after != post.states:
                    changes.append(Change(post, after))
            if self._posts.apply(changes, now, lane.floor):
                return
            found = self._posts.claimed(claim, bodies=False)


class _Making:
    """A claim that is being made.

    Args:
        claims: the claims.
        lane: the queue.
        lease: what is asked for.
        rule: what is said about dead letters.
        now: the moment.
    """

    def __init__(self, claims: Claim, lane: Lane, lease: Lease, rule: DeadLetters | None, now: int) -> None:
        self._claims, self._lane, self._lease, self._rule, self._now = claims, lane, lease, rule, now
        self.claim = lane.inc + secrets.token_hex(7)
        self.move = new_move(lane)
        self.is_announced = self.moves = False
        self._ends = now + lease.ttl * 1000

    def mark(self, state: State) -> State:
        """What becomes of a message."""
        rule, lease = self._rule, self._lease
        if rule is not None and state.claims >= rule.most:
            gone = leaving(state, self.move)
            return gone if rule.ttl is None else gone._replace(born=self._now, ttl=rule.ttl, expires=self._now + rule.ttl * 1000)
        held = state._replace(again=self._ends, claim=self.claim, claims=state.claims + 1)
        if state.expires < self._ends:
            return held._replace(ttl=lease.ttl + lease.grace, expires=self._ends + lease.grace * 1000)
        return held

    def announce(self, posts: Sequence[Post], states: Sequence[State]) -> None:
        """Store the claim, and the move of dead letters, before messages are marked."""
        if not self.is_announced and any(not state.going for state in states):
            self._claims.begin(self.claim, self._lane, self._lease, self._now)
            self.is_announced = True
        if self._rule is not None and any(state.going for state in states):
            self._claims._mover.announce(self.move, self._lane, self._rule.queue, posts)
            self.moves = True

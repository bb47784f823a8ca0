"""Messages that go to another queue, in steps, since no two documents change together.

The move is written down first. Then messages are marked, so that nobody sees them; the target stores each of their posts once, by a
token that no other post may have; then the source deletes them, and the record of the move is removed. A process that finds an old
record finishes that move.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence

from bson.int64 import Int64

from undercroft.messaging.drivers.mongodb import rows
from undercroft.messaging.drivers.mongodb.database import Database
from undercroft.messaging.drivers.mongodb.lanes import Lane
from undercroft.messaging.drivers.mongodb.order import PLUGGED
from undercroft.messaging.drivers.mongodb.posts import AT_ONCE, Change, Posts
from undercroft.messaging.drivers.mongodb.rows import NEVER, Document, Post, State
from undercroft.messaging.drivers.mongodb.taking import Taker

# Milliseconds after which a move is gone on with by others, and after which it is crossed out where nothing is left of it.
_OLD, _LOST = 5_000, 3_600_000
# Seconds between two looks at moves that others are about.
_PAUSE = 0.02
# Milliseconds for which a message from elsewhere is remembered longer than it lives.
REMEMBERED = PLUGGED


class Mover:
    """Moves messages between the queues of a project.

    Args:
        store: the store.
        posts: its posts.
        taker: takes messages.
    """

    def __init__(self, store: Database, posts: Posts, taker: Taker) -> None:
        self._store = store
        self._posts = posts
        self._taker = taker
        # Told of a queue that has so many messages more.
        self.moved: Callable[[tuple[str, str], int], None] = lambda key, count: None  # noqa: ARG005

    def redrive(self, project: str, queue: str, target: str, limit: int) -> int:
        """Move the first messages that are free, as if they were posted now; how many."""
        lane, moved = self._store.lane(project, queue), 0
        if lane is None:
            return 0
        self._follow(lane, target)
        while moved < limit:
            now, move = self._store.now(), new_move(lane)

            def mark(state: State, now: int = now, move: str = move) -> State:
                return leaving(state, move)._replace(claims=0, born=now, expires=now + state.ttl * 1000)

            def announce(posts: Sequence[Post], _: Sequence[State], move: str = move) -> None:
                self.announce(move, lane, target, posts)

            taken = self._taker.take(lane, min(limit - moved, AT_ONCE), now, mark, announce)
            if not taken:
                return moved
            self.send(move)
            moved += len(taken)
        return moved

    def _follow(self, lane: Lane, target: str) -> None:
        """Come behind moves on the same way that others have begun: they finish them, or are dead, and these are finished here."""
        mine = {"q": lane.inc, "target": target}
        pause, until = threading.Event(), time.monotonic() + _OLD / 1000
        begun = self._begun(mine)
        while begun and time.monotonic() < until:
            pause.wait(_PAUSE)
            begun &= self._begun(mine)
        self.resume({"q": lane.inc})

    def _begun(self, condition: Document) -> set[str]:
        """Moves that somebody may be about."""
        fresh = {"at": {"$gt": Int64(self._store.now() - _OLD)}}
        with self._store.call():
            return {each["_id"] for each in self._store.moves.find({**condition, **fresh}, {"_id": 1}).limit(AT_ONCE)}

    def announce(self, move: str, lane: Lane, target: str, posts: Sequence[Post]) -> None:
        """Write down that messages of these posts are about to go to another queue of the project."""
        known = {"q": lane.inc, "project": lane.project, "target": target, "at": Int64(self._store.now())}
        with self._store.call(writes=True):
            self._store.moves.update_one(
                {"_id": move}, {"$set": known, "$push": {"posts": {"$each": [post.id for post in posts]}}}, upsert=True
            )

    def resume(self, condition: Document, *, at_once: bool = False) -> None:
        """Go on with moves that others have left.

        Args:
            condition: which moves.
            at_once: also those that somebody may be about.
        """
        now = self._store.now()
        aged = {} if at_once else {"at": {"$lte": Int64(now - _OLD)}}
        with self._store.call():
            found = [
                (each["_id"], int(each["at"])) for each in self._store.moves.find({**condition, **aged}, {"at": 1}).limit(AT_ONCE)
            ]
        for move, at in found:
            # Its maker may be about to mark more, so only what is old is crossed out by others.
            self.send(move, crosses_out=at <= now - _LOST)

    def send(self, move: str, *, crosses_out: bool = True) -> None:
        """Bring the messages of a move to where they go."""
        with self._store.call():
            known = self._store.moves.find_one({"_id": move})
        if known is None:
            return
        posts = [_going(post, move) for post in rows.in_order(self._posts.among(known["posts"]))]
        going = [post for post in posts if post.states]
        if going:
            count = self._receive(known["project"], known["target"], move, going)
            self._depart(move, known["posts"])
            self.moved((known["project"], known["target"]), count)
        if crosses_out:
            with self._store.call(writes=True):
                self._store.moves.delete_one({"_id": move})

    def _receive(self, project: str, target: str, move: str, posts: Sequence[Post]) -> int:
        """Let a queue have messages, each once; how many there were."""
        lane, now, count = self._store.numbered(project, target, len(posts)), self._store.now(), 0
        for number, post in enumerate(posts, lane.last - len(posts) + 1):
            states = {place: state for place, state in post.states.items() if state.expires > now}
            if states:
                came = {
                    place: state._replace(name=post.known_as(place), going="", again=0, claim="") for place, state in states.items()
                }
                bodies = self._posts.bodies(post, came)
                # One whose body is gone was brought by another process in between.
                came = {place: state for place, state in came.items() if place in bodies}
                self.arrive(lane, number, came, bodies, f"m{move}{post.id}")
                count += len(came)
            else:
                self._posts.plug(lane.inc, number, now)
        return count

    def arrive(self, lane: Lane, number: int, states: dict[int, State], bodies: dict[int, bytes], token: str) -> None:
        """Store messages of a move as a post of a queue, unless that has had it already: `token` tells."""
        now = self._store.now()
        own = f"{lane.inc}{token}"
        while states:
            keys = {located(lane.inc, state.name): place for place, state in states.items()}
            document = rows.made(
                lane.inc, number, "", now, states, {place: bodies[place] for place in states},
                tokens=[own, *keys],
                stays=max(state.expires for state in states.values()) + REMEMBERED,
                o={str(place): state.name for place, state in states.items()},
            )  # fmt: skip
            if self._posts.insert(document):
                return
            others = self._posts.among([own, document["_id"], *keys], bodies=False)
            if any(post.id == document["_id"] for post in others):
                number = self._store.numbered(lane.project, lane.name).last
            elif self._posts.among([own], bodies=False):
                states = {}
            else:
                states = self._missing(states, others, keys)
        self._posts.plug(lane.inc, number, now)

    def _missing(self, states: dict[int, State], others: Sequence[Post], keys: dict[str, int]) -> dict[int, State]:
        """Those that none of these posts has any more; they are found by the new post from now on."""
        there = {state.name for post in others for state in post.states.values() if not state.going}
        for key, place in keys.items():
            if place in states and states[place].name not in there:
                for post in others:
                    self._posts.forget(post.id, key)
        return {place: state for place, state in states.items() if state.name not in there}

    def _depart(self, move: str, ids: Sequence[str]) -> None:
        """Delete messages that another queue has."""
        while True:
            now = self._store.now()
            left = [post for post in self._posts.among(ids, bodies=False) if any(s.going == move for s in post.states.values())]
            changes = [Change(post, {place: state for place, state in post.states.items() if state.going != move}) for post in left]
            if self._posts.apply(changes, now, 0):
                return


def new_move(lane: Lane) -> str:
    """The name of a new move."""
    return lane.inc + secrets.token_hex(7)


def leaving(state: State, move: str) -> State:
    """The state of a message that is marked."""
    return state._replace(going=move, again=NEVER, claim="")


def located(inc: str, name: str) -> str:
    """The token by which a message from elsewhere is found."""
    return f"{inc}i{name}"


def _going(post: Post, move: str) -> Post:
    """A post with the messages of a move only."""
    return post._replace(states={place: state for place, state in post.states.items() if state.going == move})

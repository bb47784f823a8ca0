"""The order of posts: a number is given out before its post is stored, and readers by markers must not pass over it.

Up to the queue's `floor`, a number without a post is one that is gone. Above it, every post leaves its document, if only an empty
one, so that a number without any is one that is still to come: a reader ends before it. A poster that died leaves its number for
ever; it is plugged with an empty document, which a poster that comes late runs into: it takes another number then.
"""

from __future__ import annotations

import threading
import time

from bson.int64 import Int64

from undercroft.messaging.drivers.mongodb.database import Database
from undercroft.messaging.drivers.mongodb.lanes import Lane
from undercroft.messaging.drivers.mongodb.posts import Posts
from undercroft.messaging.drivers.mongodb.rows import OVER

# Seconds that a reader waits for a post that is being stored, and between two looks.
_PATIENCE, _PAUSE = 0.05, 0.004
# Milliseconds behind which a number is plugged, and for which a plug is kept.
_LOST, PLUGGED = 5_000, 86_400_000
# By how much the floor may be behind.
_BEHIND = 32
_AT_ONCE = 2_000


class Order:
    """How far the posts of queues may be read.

    Args:
        store: the store.
        posts: its posts.
    """

    def __init__(self, store: Database, posts: Posts) -> None:
        self._store = store
        self._posts = posts

    def reach(self, lane: Lane, *, waits: bool = False, least: int = _BEHIND) -> int:
        """Up to which number every post has been stored; with `waits`, after a moment for those that are being stored.

        The floor is raised where that is at least `least` above it.
        """
        until = time.monotonic() + (_PATIENCE if waits else 0)
        reached = self._contiguous(lane, lane.floor)
        while reached < lane.last and time.monotonic() < until:
            threading.Event().wait(_PAUSE)
            reached = self._contiguous(lane, reached)
        while reached < lane.last and self._plugged(lane, reached + 1):
            reached = self._contiguous(lane, reached)
        if reached - lane.floor >= least:
            self._raise(lane, reached)
        return reached

    def _contiguous(self, lane: Lane, reached: int) -> int:
        while reached < lane.last:
            between = {"q": lane.inc, "n": {"$gt": Int64(reached), "$lte": Int64(lane.last)}}
            with self._store.call():
                found = self._store.posts.find(between, {"n": 1, "_id": 0}).sort([("q", 1), ("n", 1)]).limit(_AT_ONCE)
                numbers = [each["n"] for each in found]
            first = reached
            for number in numbers:
                if number != reached + 1:
                    return reached
                reached = number
            if reached - first < _AT_ONCE:
                return reached
        return reached

    def _plugged(self, lane: Lane, number: int) -> bool:
        """Plug a number whose post should long have come; whether it was long."""
        behind = {"q": lane.inc, "n": {"$gt": Int64(number), "$lte": Int64(lane.last)}}
        with self._store.call():
            found = self._store.posts.find(behind, {"at": 1}).sort([("q", 1), ("n", 1)]).limit(1)
            stored = [each["at"] for each in found]
        now = self._store.now()
        if not stored or stored[0] > now - _LOST:
            return False
        self._posts.plug(lane.inc, number, now, now + PLUGGED)
        return True

    def _raise(self, lane: Lane, reached: int) -> None:
        """Raise the floor, and let go of what is empty below."""
        with self._store.call(writes=True):
            self._store.queues.update_one({"_id": lane.base, "inc": lane.inc}, {"$max": {"floor": Int64(reached)}})
        empty = {"q": lane.inc, "f": OVER, "n": {"$lte": Int64(reached)}, "z": {"$lte": Int64(self._store.now())}}
        with self._store.call(writes=True):
            self._store.posts.delete_many(empty)

    def tend(self, lane: Lane) -> int:
        """Raise the floor as far as it goes; where it is then."""
        return max(lane.floor, self.reach(lane, least=1))

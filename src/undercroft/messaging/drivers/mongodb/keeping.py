"""What goes over all queues: removing what has expired, what deleted queues had, and what others have left undone."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bson.int64 import Int64
from pymongo import UpdateOne

from undercroft.messaging.contract.outbox import LANE
from undercroft.messaging.drivers.mongodb import rows
from undercroft.messaging.drivers.mongodb.database import Database
from undercroft.messaging.drivers.mongodb.lanes import LANES, lane_of
from undercroft.messaging.drivers.mongodb.moving import Mover
from undercroft.messaging.drivers.mongodb.order import Order
from undercroft.messaging.drivers.mongodb.posts import AT_ONCE, OVER, Change, Posts
from undercroft.messaging.drivers.mongodb.rows import Document
from undercroft.messaging.drivers.mongodb.taking import Taker

# Milliseconds for which a deleted queue is remembered: a post to it may come late.
_LATE = 3_600_000
# Messages after which `collect` ends, and those of a part of it; a post goes as a whole.
_MOST, _ENOUGH = 100_000, 500


class Keeper:
    """Cleans the queues of a store, by what is due.

    Args:
        store: the store.
        posts, order, taker, mover: what it is done with.
    """

    def __init__(self, store: Database, posts: Posts, order: Order, taker: Taker, mover: Mover) -> None:
        self._store = store
        self._posts, self._order, self._taker, self._mover = posts, order, taker, mover
        # The last lane that was looked at.
        self._behind = ""

    def forget(self, project: str, name: str) -> None:
        """Remove a queue: its document at once, its messages later."""
        lane = self._store.lane(project, name)
        if lane is None:
            return
        # Messages on their way to another queue must not be deleted with this one.
        self._mover.resume({"q": lane.inc}, at_once=True)
        self._store.insert(self._store.gone, {"_id": lane.inc, "at": Int64(self._store.now())})
        with self._store.call(writes=True):
            self._store.queues.delete_one({"_id": lane.base, "inc": lane.inc})

    def collect(self) -> None:
        """Remove what has expired, or as much of it as one call may."""
        removed = 0
        while removed < _MOST and (gone := self.clean()):
            removed += gone

    def clean(self) -> int:
        """Remove a part of what has expired; how many messages went."""
        now = self._store.now()
        self._mover.resume({})
        self._unsubscribed(now)
        removed = self._expired(now) + self._left(now)
        self._ended(now)
        return removed

    # -- messages --------------------------------------------------------------------------------------------------

    def _expired(self, now: int) -> int:
        """Remove messages that have expired, and let posts say what holds since claims are over."""
        removed = 0
        while not removed:
            found = self._posts.find({"t": {"$lte": Int64(now)}}, order=[("t", 1)], limit=AT_ONCE, bodies=False)
            if not found:
                break
            changes, gone = [], 0
            for post, states in self._taker.verified(found, now):
                left = {place: state for place, state in states.items() if state.expires > now}
                over = len(states) - len(left)
                if gone and gone + over > _ENOUGH:
                    break
                changes.append(Change(post, left))
                gone += over
            if self._posts.apply(changes, now, 0):
                removed += gone
            if len(found) < AT_ONCE:
                break
        return removed

    def _left(self, now: int) -> int:
        """Remove what deleted queues had, a part of it; how many messages."""
        after = ""
        while True:
            with self._store.call():
                page = list(self._store.gone.find({"_id": {"$gt": after}}).sort("_id", 1).limit(AT_ONCE))
            if not page:
                return 0
            incs, after = [each["_id"] for each in page], page[-1]["_id"]
            while (removed := self._emptied(incs, now)) is not None:
                if removed:
                    return removed
            with self._store.call(writes=True):
                self._store.gone.delete_many({"_id": {"$in": incs}, "at": {"$lte": Int64(now - _LATE)}})

    def _emptied(self, incs: Sequence[str], now: int) -> int | None:
        """Remove a part of what deleted queues had: how many messages; None where they have nothing."""
        theirs = {"q": {"$in": list(incs)}}
        with self._store.call():
            found = list(self._store.posts.find(theirs, {"k": 1, "e": 1, "w": 1}).limit(AT_ONCE))
        if not found:
            return None
        found = _enough(found)
        self._mover.resume(theirs, at_once=True)
        kept = {each["_id"] for each in found if _is_kept(each, now)}
        self._bare(kept, now)
        with self._store.call(writes=True):
            self._store.posts.delete_many({"_id": {"$in": [each["_id"] for each in found if each["_id"] not in kept]}})
        with self._store.call(writes=True):
            self._store.claims.delete_many(theirs)
        return sum(int(each["k"]) for each in found)

    def _bare(self, kept: Collection[str], now: int) -> None:
        """Take the messages out of posts of a deleted queue whose receipts, or whose entries of the outbox, outlive it."""
        posts = self._posts.among(kept, bodies=False)
        if posts:
            changes = [
                UpdateOne(
                    {"_id": post.id, "v": post.version},
                    {"$set": {**rows.summary({}, now, post.stays, post.entries), "q": "", "m": {}}, "$inc": {"v": 1}},
                )
                for post in posts
            ]
            with self._store.call(writes=True):
                self._store.posts.bulk_write(changes, ordered=False)

    # -- subscriptions ---------------------------------------------------------------------------------------------

    def _unsubscribed(self, now: int) -> None:
        """Remove subscriptions that have expired, and a part of the lanes that have none."""
        with self._store.call():
            over = list(self._store.subscriptions.find({"expires": {"$lte": Int64(now)}}, {"base": 1}).limit(AT_ONCE))
        if over:
            gone = {"_id": {"$in": [each["_id"] for each in over]}, "expires": {"$lte": Int64(now)}}
            with self._store.call(writes=True):
                self._store.subscriptions.delete_many(gone)
        behind = {"made": False, "order": {**LANES, "$gt": self._behind}} if self._behind else {"made": False, "order": LANES}
        with self._store.call():
            page = list(self._store.queues.find(behind, {"project": 1, "name": 1, "order": 1}).sort("order", 1).limit(AT_ONCE))
        self._behind = page[-1]["order"] if len(page) == AT_ONCE else ""
        lanes = {each["name"].removeprefix(LANE): each for each in page}
        with self._store.call():
            live = {each["_id"] for each in self._store.subscriptions.find({"_id": {"$in": sorted(lanes)}}, {"_id": 1})}
        for name in lanes.keys() - live:
            self.forget(lanes[name]["project"], lanes[name]["name"])

    # -- what is remembered ----------------------------------------------------------------------------------------

    def _ended(self, now: int) -> None:
        """Remove posts that nothing is left of, and what has ended beside them."""
        with self._store.call():
            found = list(self._store.posts.find({"f": OVER, "z": {"$lte": Int64(now)}}, {"q": 1, "n": 1}).limit(AT_ONCE))
        incs = sorted({each["q"] for each in found})
        floors = self._floors(incs)
        over = [each["_id"] for each in found if not each["q"] or each["n"] <= floors.get(each["q"], 0)]
        if over:
            with self._store.call(writes=True):
                self._store.posts.delete_many({"_id": {"$in": over}, "f": OVER, "z": {"$lte": Int64(now)}})
        with self._store.call(writes=True):
            self._store.claims.delete_many({"ends": {"$lte": Int64(now)}})

    def _floors(self, incs: Sequence[str]) -> dict[str, int]:
        """Up to which number posts of these queues may go."""
        with self._store.call():
            lanes = [lane_of(each) for each in self._store.queues.find({"inc": {"$in": list(incs)}}, {"meta": 0})]
        return {lane.inc: self._order.tend(lane) for lane in lanes}


def _enough(found: Sequence[Document]) -> list[Document]:
    """The first posts, one or more, that have no more messages together than go at once."""
    count = 0
    for place, each in enumerate(found):
        count += int(each["k"])
        if place and count > _ENOUGH:
            return list(found[:place])
    return list(found)


def _is_kept(post: Document, now: int) -> bool:
    """Whether a post of a deleted queue is needed still."""
    return (post["e"] is not None and post["e"]["until"] > now) or any(each["x"] > now for each in post["w"].values())

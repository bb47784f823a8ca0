"""How full queues are.

A post says how many messages it has, how many of these are under a claim, and until when that is right. So the server adds up the
numbers of nearly all posts, by an index that has them; the others are looked at here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bson.int64 import Int64

from undercroft.messaging.drivers.mongodb import rows
from undercroft.messaging.drivers.mongodb.database import Database
from undercroft.messaging.drivers.mongodb.lanes import LANES
from undercroft.messaging.drivers.mongodb.posts import BUSY, Posts, live
from undercroft.messaging.drivers.mongodb.rows import Document, Post
from undercroft.messaging.models import Depth, Depths, Stats
from undercroft.messaging.waiting import Key, Outlook
from undercroft.messaging.waiting.signals import outlook

_NOTHING = Outlook(is_free=False, seconds=None)
# Posts that are looked at, at once, for the first or the last message.
_ENDS = 5


class Counter:
    """Counts the messages of queues.

    Args:
        store: the store.
        posts: its posts.
    """

    def __init__(self, store: Database, posts: Posts) -> None:
        self._store = store
        self._posts = posts

    def stats(self, inc: str, now: int) -> Stats:
        """How full a queue is."""
        total, held, _ = self._counts({"q": inc}, now).get(inc, (0, 0, 0))
        oldest = self.end(inc, 1, now) if total else None
        newest = self.end(inc, -1, now) if total else None
        if oldest is None or newest is None:
            return Stats(0, 0, None, None)
        return Stats(total - held, held, oldest[0].edge(oldest[1], now), newest[0].edge(newest[1], now))

    def end(self, inc: str, sort: int, now: int) -> tuple[Post, int] | None:
        """The first (1) or last (-1) message of a queue: its post and its place."""
        bounds: Document = {}
        while True:
            condition = {"q": inc, "k": {"$gt": 0}, "x": {"$gt": Int64(now)}, **bounds}
            found = self._posts.find(condition, order=[("q", sort), ("n", sort)], limit=_ENDS)
            for post in found:
                places = [place for place, _ in live(post, now)]
                if places:
                    return post, places[0 if sort == 1 else -1]
            if len(found) < _ENDS:
                return None
            bounds = {"n": {"$gt" if sort == 1 else "$lt": Int64(found[-1].number)}}

    def _counts(self, which: Document, now: int) -> dict[str, tuple[int, int, int]]:
        """Of queues by their incarnations: messages, those under a claim, and the moment of the oldest."""
        group = {"_id": "$q", "k": {"$sum": "$k"}, "h": {"$sum": "$h"}, "born": {"$min": "$born"}}
        right = {**which, "k": {"$gt": 0}, "t": {"$gt": Int64(now)}}
        with self._store.call():
            found = {
                each["_id"]: (int(each["k"]), int(each["h"]), int(each["born"]))
                for each in self._store.posts.aggregate([{"$match": right}, {"$group": group}])
            }
        for post in self._posts.find({**which, "k": {"$gt": 0}, "t": {"$lte": Int64(now)}}, bodies=False):
            states = [state for _, state in live(post, now)]
            if states:
                total, held, born = found.get(post.inc, (0, 0, states[0].born))
                held += sum(state.holder(now) is not None for state in states)
                found[post.inc] = total + len(states), held, min(born, *(state.born for state in states))
        return found

    def depths(self, limit: int, now: int, *, lanes: bool = False) -> Depths:
        """What is counted of the fullest queues; of lanes only, or of others only."""
        with self._store.call():
            which: Document = {"made": False, "order": LANES} if lanes else {"order": {"$not": LANES}}
            found = list(self._store.queues.find(which, {"project": 1, "name": 1, "inc": 1, "made": 1}))
        counts = self._counts({}, now) if found else {}
        # What was posted to a queue that nothing made is counted, too.
        names = {each["inc"]: (each["project"], each["name"]) for each in found if each["made"] or each["inc"] in counts}
        depths = sorted(_depths(names, counts, now), key=lambda one: (-one.free - one.claimed, one.project, one.queue))
        return Depths(depths[:limit], len(depths) - len(depths[:limit]))

    def entries(self, now: int) -> int:
        """How many entries the outbox has."""
        some = {"y": {"$lt": Int64(rows.NEVER)}}
        right = {**some, "wt": {"$gt": Int64(now)}}
        with self._store.call():
            found = list(self._store.posts.aggregate([{"$match": right}, {"$group": {"_id": None, "wk": {"$sum": "$wk"}}}]))
        late = self._posts.find({**some, "wt": {"$lte": Int64(now)}}, bodies=False)
        return sum(int(each["wk"]) for each in found) + sum(expires > now for post in late for _, expires in post.entries.values())

    def outlooks(self, keys: Sequence[Key], now: int) -> list[Outlook]:
        """What queues have, and will have without a post."""
        bases = [self._store.base(*key) for key in keys]
        with self._store.call():
            incs = {each["_id"]: each["inc"] for each in self._store.queues.find({"_id": {"$in": bases}}, {"inc": 1})}
        if not incs:
            return [_NOTHING] * len(keys)
        match = {"q": {"$in": sorted(incs.values())}, "f": {"$gte": BUSY}, "x": {"$gt": Int64(now)}}
        with self._store.call():
            found = self._store.posts.aggregate([{"$match": match}, {"$group": {"_id": "$q", "a": {"$min": "$a"}}}])
            again = {each["_id"]: int(each["a"]) for each in found}
        return [_outlook(again.get(incs.get(base, "")), now) for base in bases]


def _outlook(again: int | None, now: int) -> Outlook:
    if again is None or again == rows.NEVER:
        return _NOTHING
    return outlook(again <= now, again if again > now else None, now)


def _depths(names: Mapping[str, tuple[str, str]], counts: Mapping[str, tuple[int, int, int]], now: int) -> Iterable[Depth]:
    for inc, (project, name) in names.items():
        total, held, born = counts.get(inc, (0, 0, now))
        yield Depth(project, name, total - held, held, max(0, now - born) // 1000 if total else 0)

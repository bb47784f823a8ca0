"""The outbox in MongoDB: entries are in the document of their post, which stays until its messages and its entries are gone."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from typing import Any

from bson.int64 import Int64
from pymongo import UpdateOne

from undercroft.messaging import contract
from undercroft.messaging.drivers.mongodb.posts import Change, without_expired
from undercroft.messaging.drivers.mongodb.rows import NEVER, Document, read
from undercroft.messaging.drivers.mongodb.store import Store
from undercroft.messaging.models import Depths, Due, Posted, Subscribed

_IN_ORDER = [("q", 1), ("n", 1)]
# Changes of one round trip.
_AT_ONCE = 500


class Outbox(contract.Outbox):
    """The outbox of a data driver."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._store: Store = driver.store
        self._posts, self._counter = self._store.parts.posts, self._store.parts.counter
        # The queue whose entries came last: the next ones are those of another one, where there are any.
        self._last = ""

    # -- entries ---------------------------------------------------------------------------------------------------

    def take(self, limit: int, seconds: int) -> Sequence[Posted]:
        now = self._store.now()
        mine = self._leased(self._candidates(limit, now), now + seconds * 1000)
        found: list[Posted] = []
        for each in sorted(mine, key=lambda one: (one["q"], one["n"])):
            post, to = read(each), each["to"]
            places = [place for place, (_, expires) in sorted(post.entries.items()) if expires > now]
            bodies = self._posts.bodies(post, places)
            for place in places:
                if place not in bodies:
                    # Finished by one that had it before.
                    continue
                ttl, expires = post.entries[place]
                ticket = post.id, place
                found.append(Posted(ticket, to["p"], to["q"], post.name(place), ttl, expires, bodies[place]))
            self._last = post.inc
        return found

    def _candidates(self, limit: int, now: int) -> list[Document]:
        """Posts with entries that nobody has: first those that somebody had, then those of the queues in turn."""
        found: list[Document] = []
        fresh = {"y": 0}
        for condition in (
            {"y": {"$gt": 0, "$lte": Int64(now)}},
            {**fresh, "q": {"$gt": self._last}},
            {**fresh, "q": {"$lte": self._last}},
        ):
            left = limit - sum(len(each["w"]) for each in found)
            if left <= 0:
                break
            with self._store.call():
                page = list(self._store.posts.find(condition, {"B": 0}).sort(_IN_ORDER).limit(left))
            found += _first(_still(page, "y", now), left)
        return found

    def _leased(self, found: Sequence[Document], until: int) -> Sequence[Document]:
        """Those of these posts whose entries are the caller's now."""
        own = secrets.token_hex(8)
        return self._won(self._store.posts, found, "y", {"$set": {"y": Int64(until), "by": own}}, own)

    def _won(self, collection: Any, found: Sequence[Document], field: str, lease: Document, own: str) -> Sequence[Document]:
        """Those of some documents that were leased under a name of the caller's own: whose `field` was what it was."""
        if not found:
            return []
        operations = [UpdateOne({"_id": each["_id"], field: each[field]}, lease) for each in found]
        with self._store.call(writes=True):
            told = collection.bulk_write(operations, ordered=False)
        if told.matched_count == len(found):
            return found
        wanted = {"_id": {"$in": [each["_id"] for each in found]}, "by": own}
        with self._store.call():
            mine = {each["_id"] for each in collection.find(wanted, {"_id": 1})}
        return [each for each in found if each["_id"] in mine]

    def remove(self, posted: Sequence[Posted]) -> None:
        gone: dict[str, set[int]] = {}
        for each in posted:
            name, place = each.ticket
            gone.setdefault(name, set()).add(place)
        while gone:
            now = self._store.now()
            changes = [
                Change(post, without_expired(post, now), gone[post.id])
                for post in self._posts.among(gone, bodies=False)
                if gone[post.id] & post.entries.keys()
            ]
            if self._posts.apply(changes, now, 0):
                return

    def waiting(self) -> int:
        return int(self._counter.entries(self._store.now()))

    # -- subscriptions ---------------------------------------------------------------------------------------------

    def wake(self, subscribed: Sequence[Subscribed], at: int | None = None) -> None:
        # The ticket changes in any case: what a holder of it settles then does not put off what it does not know of.
        change = {"$min": {"due": Int64(self._store.now() if at is None else at)}, "$inc": {"ticket": Int64(1)}}
        for part in _parts(subscribed):
            operations = [
                UpdateOne({"_id": each.subscription, "base": self._store.base(each.project, each.queue)}, change) for each in part
            ]
            with self._store.call(writes=True):
                self._store.subscriptions.bulk_write(operations, ordered=False)

    def due(self, limit: int, seconds: int) -> Sequence[Due]:
        now = self._store.now()
        with self._store.call():
            page = list(self._store.subscriptions.find({"due": {"$lte": Int64(now)}}).sort("due", 1).limit(limit))
        found = _still(page, "due", now)
        own = secrets.token_hex(8)
        lease = {"$set": {"due": Int64(now + seconds * 1000), "by": own}, "$inc": {"ticket": Int64(1)}}
        mine = self._won(self._store.subscriptions, found, "ticket", lease, own)
        return [Due(Subscribed(each["project"], each["queue"], each["_id"]), int(each["ticket"]) + 1) for each in mine]

    def settle(self, due: Due, at: int | None) -> bool:
        own = {"_id": due.subscribed.subscription, "ticket": Int64(due.ticket)}
        with self._store.call(writes=True):
            done = self._store.subscriptions.update_one(own, {"$set": {"due": Int64(NEVER if at is None else at)}})
        return bool(done.matched_count)

    def backlog(self, limit: int) -> Depths:
        return self._counter.depths(limit, self._store.now(), lanes=True) if limit else Depths([], 0)


def _still(page: Sequence[Document], field: str, now: int) -> list[Document]:
    """Those whose moment has come.

    There are servers that find a document by what its index says, and give it as it is a moment later, when it is leased.
    """
    return [each for each in page if each[field] <= now]


def _first(page: Sequence[Document], limit: int) -> list[Document]:
    """The first posts that have so many entries together."""
    count = 0
    for place, each in enumerate(page):
        count += len(each["w"])
        if count >= limit:
            return list(page[: place + 1])
    return list(page)


def _parts(items: Sequence[Subscribed]) -> Iterator[Sequence[Subscribed]]:
    return (items[first : first + _AT_ONCE] for first in range(0, len(items), _AT_ONCE))

"""Finding posts and changing them: each change is of one document, under the condition that nobody else has changed it since."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from bson.int64 import Int64
from pymongo import DeleteOne, UpdateOne

from undercroft.messaging.drivers.mongodb import rows
from undercroft.messaging.drivers.mongodb.database import Database
from undercroft.messaging.drivers.mongodb.rows import BUSY, FREE, OVER, Document, Post, State
from undercroft.messaging.models import Stored

# Posts that are asked for by their ids at once, and changes of one round trip.
AT_ONCE = 500
_WITHOUT_LARGE = {"B": 0}
_WITHOUT_BODIES = {"B": 0, "b": 0}


class Change(NamedTuple):
    """What becomes of a post; its document goes, when nothing is left that needs it.

    Attributes:
        post: the post as it was read.
        states: its messages from now on.
        sent: places that the outbox needs no more.
    """

    post: Post
    states: Mapping[int, State]
    sent: Collection[int] = ()


class Posts:
    """The posts of a store.

    Args:
        store: the store.
    """

    def __init__(self, store: Database) -> None:
        self._store = store
        self._posts = store.posts

    # -- finding ---------------------------------------------------------------------------------------------------

    def find(
        self, condition: Document, *, order: Sequence[tuple[str, int]] = (), limit: int = 0, bodies: bool = True
    ) -> list[Post]:
        """Posts in an order; large ones without bodies."""
        with self._store.call():
            found = self._posts.find(condition, _WITHOUT_LARGE if bodies else _WITHOUT_BODIES)
            if order:
                found = found.sort(list(order))
            return [rows.read(each) for each in (found.limit(limit) if limit else found)]

    def free(self, inc: str, now: int, limit: int) -> list[Post]:
        """The first posts that may have messages which may be claimed."""
        self.settle(inc, now)
        return self.find({"q": inc, "f": FREE}, order=[("q", 1), ("f", 1), ("n", 1)], limit=limit)

    def settle(self, inc: str, now: int) -> None:
        """Let posts be among those that may have free messages where a delay or a claim is over."""
        with self._store.call(writes=True):
            self._posts.update_many({"q": inc, "f": BUSY, "a": {"$lte": Int64(now)}}, {"$set": {"f": FREE}})

    def among(self, tokens: Iterable[str], *, bodies: bool = True) -> list[Post]:
        """The posts that have one of these tokens; their own ids are among them."""
        wanted = list(tokens)
        found: dict[str, Post] = {}
        for first in range(0, len(wanted), AT_ONCE):
            part = self.find({"u": {"$in": wanted[first : first + AT_ONCE]}}, bodies=bodies)
            found.update((post.id, post) for post in part)
        return list(found.values())

    def claimed(self, claim: str, *, bodies: bool = True) -> list[Post]:
        """The posts of which a claim has messages, in order."""
        return list(rows.in_order(self.find({"c": claim}, bodies=bodies)))

    def bodies(self, post: Post, places: Iterable[int]) -> dict[int, bytes]:
        """The bodies of messages of a post."""
        wanted = list(places)
        if not post.is_large:
            return {place: post.bodies[place] for place in wanted if place in post.bodies}
        if not wanted:
            return {}
        with self._store.call():
            found = self._posts.find_one({"_id": post.id}, {f"B.{place}": 1 for place in wanted}) or {}
        return {int(place): body for place, body in found.get("B", {}).items()}

    def stored(self, found: Sequence[tuple[Post, int]], now: int) -> list[Stored]:
        """Messages by their posts and places, as they are shown; without those that were deleted since."""
        places: dict[str, list[int]] = {}
        for post, place in found:
            places.setdefault(post.id, []).append(place)
        own = {post.id: post for post, _ in found}
        bodies = {name: self.bodies(own[name], wanted) for name, wanted in places.items()}
        return [post.stored(place, now, bodies[post.id][place]) for post, place in found if place in bodies[post.id]]

    # -- changing --------------------------------------------------------------------------------------------------

    def apply(self, changes: Sequence[Change], now: int, floor: int) -> bool:
        """Make changes; whether all were made. The others were overtaken: look at their posts again.

        Args:
            changes: of a post each.
            now: the moment.
            floor: posts up to this number may go.
        """
        done = 0
        for first in range(0, len(changes), AT_ONCE):
            part = [_operation(change, now, floor) for change in changes[first : first + AT_ONCE]]
            with self._store.call(writes=True):
                told = self._posts.bulk_write(part, ordered=False)
            done += told.matched_count + told.deleted_count
        return done == len(changes)

    def insert(self, document: Document) -> bool:
        """Store a post; False where another one has its number, or one of its tokens."""
        return self._store.insert(self._posts, document)

    def plug(self, inc: str, number: int, now: int, stays: int = 0) -> None:
        """Let no post have a number any more."""
        self.insert(rows.made(inc, number, "", now, {}, {}, stays=stays))

    def forget(self, post: str, token: str) -> None:
        """Let another post have a token."""
        with self._store.call(writes=True):
            self._posts.update_one({"_id": post}, {"$pull": {"u": token}})


def _operation(change: Change, now: int, floor: int) -> DeleteOne | UpdateOne:
    post, left, sent = change
    states = {place: state for place, state in left.items() if state.expires > now}
    same = {"_id": post.id, "v": post.version}
    entries = {place: entry for place, entry in post.entries.items() if entry[1] > now and place not in sent}
    if not states and not entries and post.stays <= now and post.number <= floor:
        return DeleteOne(same)
    field = "B" if post.is_large else "b"
    sets: Document = rows.summary(states, now, post.stays, entries)
    unsets: Document = {}
    for place, before in post.states.items():
        after = states.get(place)
        if after is None:
            unsets[f"m.{place}"] = ""
            if place not in entries:
                unsets[f"{field}.{place}"] = ""
        elif after != before:
            sets[f"m.{place}"] = _kept(after)
    for place in post.entries.keys() - entries.keys():
        unsets[f"w.{place}"] = ""
        if place not in states:
            unsets[f"{field}.{place}"] = ""
    if post.entries and not entries:
        sets["y"] = Int64(rows.NEVER)
    return UpdateOne(same, {"$set": sets, "$inc": {"v": 1}, **({"$unset": unsets} if unsets else {})})


def _kept(state: State) -> Document:
    # With all that it may have: what the document says of the others is not known here.
    return rows.written(state, -1, "\0")


def without_expired(post: Post, now: int) -> dict[int, State]:
    """The messages of a post that are not over."""
    return {place: state for place, state in post.states.items() if state.expires > now}


def live(post: Post, now: int) -> Iterator[tuple[int, State]]:
    """The messages of a post that are to be seen, in order."""
    return ((place, state) for place, state in sorted(post.states.items()) if state.is_live(now))


__all__ = ["AT_ONCE", "BUSY", "FREE", "OVER", "Change", "Posts", "live", "without_expired"]

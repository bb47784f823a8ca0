"""Examining what a store of messages holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bson.int64 import Int64

from undercroft.core import findings
from undercroft.core.errors import ConfigInvalid
from undercroft.core.findings import Finding, error, ok, warning
from undercroft.engines import mongodb
from undercroft.messaging.drivers.mongodb import rows
from undercroft.messaging.drivers.mongodb.posts import BUSY
from undercroft.messaging.drivers.mongodb.rows import Document
from undercroft.messaging.drivers.mongodb.store import Store

# Messages that may have expired before somebody should see to it.
_MANY = 10_000
RESTORE = "restore a backup, or delete the queue and make it again"


def examine(store: Store, check: Callable[[], list[str]], *, verify: bool) -> Iterator[Finding]:
    """The server, the indexes, and what is stored; with `verify`, each post."""
    yield from mongodb.examine(store.client, store.place, store.options)
    try:
        store.check()
    except ConfigInvalid as failure:
        yield error("changes of documents", str(failure), "use an engine that changes a document at once")
        return
    yield ok("changes of documents", "are made at once, and by one of several at the same time")
    yield from findings.layout("indexes", check())
    now = store.now()
    yield _messages(store)
    yield _expired(store, now)
    yield _moves(store)
    if verify:
        yield _counts(store, now)
        yield _references(store)


def _messages(store: Store) -> Finding:
    with store.call():
        made = store.queues.count_documents({"made": True})
    with store.call():
        gone = [each["_id"] for each in store.gone.find({}, {"_id": 1})]
    which = {"k": {"$gt": 0}, "q": {"$nin": gone}}
    with store.call():
        found = list(store.posts.aggregate([{"$match": which}, {"$group": {"_id": None, "k": {"$sum": "$k"}}}]))
    count = int(found[0]["k"]) if found else 0
    shown = f"{count:,} in {made:,} queues, expired ones that are not removed yet among them" if made or count else "none"
    return ok("messages", shown)


def _expired(store: Store, now: int) -> Finding:
    with store.call():
        late = store.posts.count_documents({"f": {"$gte": BUSY}, "x": {"$lte": Int64(now)}})
    shown = f"those of {late:,} posts are still to be removed"
    if late > _MANY:
        return warning("expired messages", shown, "run `undercroft worker`, or let the host's own collector do it: they take space")
    return ok("expired messages", shown)


def _moves(store: Store) -> Finding:
    with store.call():
        count = store.moves.count_documents({})
    if count:
        return warning(
            "moved messages", f"{count:,} moves are under way", "run `undercroft worker`, which finishes those that were left"
        )
    return ok("moved messages", "none is on its way to another queue")


def _counts(store: Store, now: int) -> Finding:
    """Whether each post says of itself what its messages say."""
    wrong = 0
    with store.call():
        for found in store.posts.find({}, {"b": 0, "B": 0}):
            post = rows.read(found)
            states = {place: state for place, state in post.states.items() if state.expires > now}
            if len(states) == len(post.states) and found["t"] > now:
                wrong += not _agrees(found, rows.summary(states, now, post.stays, post.entries))
    if wrong:
        return error("statistics", f"{wrong:,} posts count their messages wrongly", RESTORE)
    return ok("statistics", "every post counts its messages rightly")


def _agrees(found: Document, wanted: Document) -> bool:
    # That something is free by now is entered when somebody asks for it.
    is_late = (found["f"], wanted["f"]) in {(0, 1), (1, 0)}
    return all(found[name] == value for name, value in wanted.items() if not (is_late and name == "f"))


def _references(store: Store) -> Finding:
    """Whether every post belongs to a queue."""
    with store.call():
        known = {each["inc"] for each in store.queues.find({}, {"inc": 1})}
    with store.call():
        known |= {each["_id"] for each in store.gone.find({}, {"_id": 1})}
    with store.call():
        found = [each["_id"] for each in store.posts.aggregate([{"$group": {"_id": "$q"}}])]
    # Receipts outlive their queues.
    strays = [inc for inc in found if inc and inc not in known]
    if strays:
        return error("references", f"queues that are gone have left posts: {len(strays):,}", "remove them: nothing reads them")
    return ok("references", "every post belongs to a queue")

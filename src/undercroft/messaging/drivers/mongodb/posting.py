"""Storing posts: a post is one document, with all that it is remembered by, so it is stored as a whole or not at all.

What no two posts may have are its tokens, of which a unique index holds: the keys of what was posted once, of receipts, of messages
from elsewhere. The second writer fails on the index, and reads what the first one stored.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bson.int64 import Int64

from undercroft.core.errors import Conflict, InvalidInput, Unavailable, UndercroftError
from undercroft.core.receipt import KEPT, Receipt
from undercroft.messaging.contract.outbox import LANE
from undercroft.messaging.drivers.mongodb import rows
from undercroft.messaging.drivers.mongodb.lanes import Lane
from undercroft.messaging.drivers.mongodb.moving import REMEMBERED, located
from undercroft.messaging.drivers.mongodb.rows import Document, State
from undercroft.messaging.drivers.mongodb.store import Store
from undercroft.messaging.models import Arrival, NewMessage
from undercroft.messaging.settings import LOG

Answer = Callable[[Sequence[str]], bytes]
# Milliseconds that a receipt is kept.
_KEPT = KEPT.days * 86_400_000
# Numbers between two looks at the floor of a queue.
_TENDED = 64
# Bytes of a document, and of what is kept of a message beside its body, at most.
_LARGEST, _BESIDE = 16 * 2**20 - 65_536, 320


class _Storing:
    """A post that is being stored: a number is given out, which is taken back where nothing is stored under it.

    Args:
        store: the store.
        project, queue: where to.
    """

    def __init__(self, store: Store, project: str, queue: str) -> None:
        self._store, self._project, self._queue = store, project, queue
        self.lane = store.numbered(project, queue)

    def again(self) -> dict[str, str]:
        """Take another number, since somebody has given this one up; nothing is known of the queue any more."""
        self.lane = self._store.numbered(self._project, self._queue)
        return {}

    def skip(self) -> None:
        """Let no post have the number."""
        self._store.parts.posts.plug(self.lane.inc, self.lane.last, self._store.now())

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, failure: BaseException | None, _: Any) -> None:
        if failure is not None:
            # Readers would wait for it. Where it was stored all the same, this changes nothing.
            with contextlib.suppress(UndercroftError):
                self.skip()


class Poster:
    """Stores posts.

    Args:
        driver: the data driver.
    """

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._store: Store = driver.store
        self._posts, self._order = self._store.parts.posts, self._store.parts.order

    def post(self, project: str, queue: str, client: str, messages: Sequence[NewMessage]) -> list[str]:
        """Store messages; their ids."""
        _check_size(messages)
        storing = _Storing(self._store, project, queue)
        with storing:
            found: dict[str, str] = {}
            while True:
                document, ids = self._document(storing.lane, client, messages, found)
                if self._posts.insert(document):
                    break
                known_ids = self._resolved(storing.lane, document)
                found = storing.again() if known_ids is None else found | known_ids
        self._tend(storing.lane)
        return ids

    def post_once(
        self, project: str, queue: str, client: str, messages: Sequence[NewMessage], receipt: Receipt, answer: Answer
    ) -> bytes:
        """Store messages unless that was done under the receipt; the answer."""
        _check_size(messages)
        now, key = self._store.now(), f"{self._store.base(project, queue)}r{receipt.key}"
        if (known := self._first(key, receipt, now)) is not None:
            return known
        if not messages:
            return self._receipt_alone(key, client, receipt, answer([]))
        storing = _Storing(self._store, project, queue)
        with storing:
            found: dict[str, str] = {}
            while True:
                document, ids = self._document(storing.lane, client, messages, found)
                told = answer(ids)
                _add_receipt(document, key, receipt, told, now)
                if self._posts.insert(document):
                    break
                if (known := self._first(key, receipt, now)) is not None:
                    storing.skip()
                    return known
                known_ids = self._resolved(storing.lane, document)
                found = storing.again() if known_ids is None else found | known_ids
        self._tend(storing.lane)
        return told

    def _receipt_alone(self, key: str, client: str, receipt: Receipt, told: bytes) -> bytes:
        """Keep the receipt of a post without messages; the answer."""
        now = self._store.now()
        document = rows.made("", 0, client, now, {}, {}) | {"_id": key, "u": []}
        _add_receipt(document, key, receipt, told, now)
        while not self._posts.insert(document):
            if (known := self._first(key, receipt, now)) is not None:
                return known
        return told

    def _first(self, key: str, receipt: Receipt, now: int) -> bytes | None:
        """What was answered first; None where nothing was, which is then forgotten."""
        with self._store.call():
            found = self._store.posts.find_one({"u": key}, {"e": 1})
        if found is None:
            return None
        kept = found["e"]
        if kept["until"] <= now:
            self._posts.forget(found["_id"], key)
            return None
        if kept["digest"] != receipt.digest:
            raise Conflict("this Idempotency-Key was used for another request in the last 24 hours; take a new key")
        return bytes(kept["answer"])

    def _document(
        self, lane: Lane, client: str, messages: Sequence[NewMessage], found: Mapping[str, str]
    ) -> tuple[Document, list[str]]:
        """The document of a post without those messages that are known, and the ids of all."""
        now, own = self._store.now(), rows.post_id(lane.inc, lane.last)
        states: dict[int, State] = {}
        bodies: dict[int, bytes] = {}
        kept: Document = {}
        ids: list[str] = []
        known = dict(found)
        for place, message in enumerate(messages):
            name = f"{own}{place:04x}"
            key = None if message.dedup is None else message.dedup.hex()
            if key is not None:
                if key in known:
                    ids.append(known[key])
                    continue
                known[key] = name
                kept[key] = {"i": name, "x": Int64(now + message.ttl * 1000)}
            ids.append(name)
            states[place] = rows.fresh(message, client, now)
            bodies[place] = message.body
        document = rows.made(
            lane.inc, lane.last, client, now, states, bodies,
            tokens=[f"{lane.inc}d{key}" for key in kept],
            stays=max((each["x"] for each in kept.values()), default=0),
            to=(lane.project, lane.name) if self._is_told(lane, now) else None,
            d=kept,
        )  # fmt: skip
        return document, ids

    def _is_told(self, lane: Lane, now: int) -> bool:
        """Whether somebody is to be notified of posts to a queue."""
        return lane.until > now and self._driver.notifies and not lane.name.startswith(LANE)

    def _resolved(self, lane: Lane, document: Document) -> dict[str, str] | None:
        """The ids that others have of a post's dedup keys; None where the number is taken. What is over is forgotten."""
        now, ids, mine = self._store.now(), dict[str, str](), {f"{lane.inc}d{key}": key for key in document["d"]}
        with self._store.call():
            others = list(self._store.posts.find({"u": {"$in": document["u"]}}, {"u": 1, "d": 1}))
        for other in others:
            for token in mine.keys() & set(other["u"]):
                kept = other["d"][mine[token]]
                if kept["x"] > now:
                    ids[mine[token]] = kept["i"]
                else:
                    self._posts.forget(other["_id"], token)
        return None if any(other["_id"] == document["_id"] for other in others) else ids

    def known(self, lane: Lane, keys: Sequence[bytes]) -> dict[bytes, str]:
        """Which dedup keys a queue remembers, with the ids of the messages."""
        now, wanted = self._store.now(), {f"{lane.inc}d{key.hex()}": key for key in keys}
        with self._store.call():
            found = list(self._store.posts.find({"u": {"$in": sorted(wanted)}}, {"u": 1, "d": 1}))
        return {
            wanted[token]: kept["i"]
            for each in found
            for key, kept in each["d"].items()
            if kept["x"] > now and (token := f"{lane.inc}d{key}") in wanted and token in each["u"]
        }

    def receive(self, project: str, queue: str, arrivals: Sequence[Arrival]) -> None:
        """Store messages from another store, each once."""
        now = self._store.now()
        lane = self._store.numbered(project, queue)
        first = {one.id: one for one in reversed(arrivals) if one.expires > now}
        own = {place: one for place, one in enumerate(arrivals) if first.get(one.id) is one}
        while own:
            document = rows.made(
                lane.inc, lane.last, "", now,
                {
                    place: State(one.ttl, one.expires, 0, "", one.claims, one.id, one.born, one.client, "")
                    for place, one in own.items()
                },
                {place: one.body for place, one in own.items()},
                tokens=[located(lane.inc, one.id) for one in own.values()],
                stays=max(one.expires for one in own.values()) + REMEMBERED,
                o={str(place): one.id for place, one in own.items()},
            )  # fmt: skip
            if self._posts.insert(document):
                self._tend(lane)
                return
            known, is_late = self._received(document, now)
            own = {place: one for place, one in own.items() if located(lane.inc, one.id) not in known}
            if own and (known or is_late):
                if not is_late:
                    # What is left belongs behind what another one has stored, whose number may be a later one.
                    self._posts.plug(lane.inc, lane.last, now)
                lane = self._store.numbered(project, queue)
        self._posts.plug(lane.inc, lane.last, now)

    def _received(self, document: Document, now: int) -> tuple[set[str], bool]:
        """Which tokens of arrivals are remembered, and whether the number is taken."""
        with self._store.call():
            others = list(self._store.posts.find({"u": {"$in": document["u"]}}, {"u": 1, "stays": 1}))
        known: set[str] = set()
        for other in others:
            for token in set(other["u"]) & set(document["u"]) - {document["_id"]}:
                if other["stays"] > now:
                    known.add(token)
                else:
                    self._posts.forget(other["_id"], token)
        return known, any(other["_id"] == document["_id"] for other in others)

    def _tend(self, lane: Lane) -> None:
        """Keep the floor of the queue near, now and then."""
        if lane.last % _TENDED:
            return
        try:
            self._order.tend(lane)
        except Unavailable as error:
            # What was stored is stored: the caller must not take it for undone.
            LOG.warning("queue %r of project %r is tended later: %s", lane.name, lane.project, error)


def _add_receipt(document: Document, key: str, receipt: Receipt, told: bytes, now: int) -> None:
    until = now + _KEPT
    document["u"].append(key)
    document["e"] = {"digest": receipt.digest, "answer": told, "until": Int64(until)}
    document["stays"] = Int64(max(document["stays"], until))
    document["z"] = Int64(max(document["z"], until))


def _check_size(messages: Sequence[NewMessage]) -> None:
    size = sum(len(message.body) + _BESIDE for message in messages)
    if size > _LARGEST:
        raise InvalidInput("messages", f"take about {size:,} bytes together, and a post may have {_LARGEST:,} in this store")

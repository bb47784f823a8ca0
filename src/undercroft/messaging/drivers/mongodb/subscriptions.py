"""Subscriptions in MongoDB."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pymongo
from bson.int64 import Int64
from pymongo import errors as mongo

from undercroft.core import document
from undercroft.messaging import contract
from undercroft.messaging.drivers.mongodb.database import Document
from undercroft.messaging.drivers.mongodb.rows import NEVER
from undercroft.messaging.drivers.mongodb.store import Store
from undercroft.messaging.models import Subscriber

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_ID = re.compile("[0-9a-f]{16}", re.ASCII)
_COUNTER = {"_id": "subscription"}


class Subscription(contract.Subscription):
    """The subscriptions of a data driver."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._store: Store = driver.store
        self._counter = self._store.collection("counter")

    def _live(self, queue: str, project: str, **more: Any) -> Document:
        return {"base": self._store.base(project, queue), "expires": {"$gt": Int64(self._store.now())}, **more}

    def _list(self, queue: str, project: str, marker: str | None, limit: int) -> Sequence[Subscriber]:
        if marker is not None and not _ID.fullmatch(marker):
            return []
        condition = self._live(queue, project, _id={"$gt": marker or ""})
        with self._store.call():
            found = list(self._store.subscriptions.find(condition).sort([("base", 1), ("_id", 1)]).limit(limit))
        return [_found(each, queue, self._store.now()) for each in found]

    def _get(self, queue: str, subscription: str, project: str) -> Subscriber | None:
        return self._one(queue, project, _id=subscription) if _ID.fullmatch(subscription) else None

    def _get_with_subscriber(self, queue: str, subscriber: str, project: str) -> Subscriber | None:
        return self._one(queue, project, digest=_digest(subscriber))

    def _one(self, queue: str, project: str, **which: Any) -> Subscriber | None:
        with self._store.call():
            found = self._store.subscriptions.find_one(self._live(queue, project, **which))
        return None if found is None else _found(found, queue, self._store.now())

    def _create(self, queue: str, subscriber: str, ttl: int, options: dict[str, Any], project: str) -> str | None:
        text, base, now = document.encoded(options, "options"), self._store.base(project, queue), self._store.now()
        made: Document = {
            # Given out in the order of the makings, by whichever process.
            "_id": self._next(),
            "base": base,
            "project": project,
            "queue": queue,
            "subscriber": subscriber,
            "digest": _digest(subscriber),
            "ttl": ttl,
            "born": Int64(now),
            "expires": Int64(now + ttl * 1000),
            "options": text,
            "confirmed": False,
            "due": Int64(NEVER),
            "ticket": Int64(0),
        }
        while not self._store.insert(self._store.subscriptions, made):
            if not self._frees(base, made["digest"]):
                return None
        self._store.refresh(base)
        name: str = made["_id"]
        return name

    def _next(self) -> str:
        # As it was before, for the reason that numbers of posts have: no two subscriptions may be given one id.
        before = pymongo.ReturnDocument.BEFORE
        while True:
            with self._store.call(writes=True):
                try:
                    found = self._counter.find_one_and_update(
                        _COUNTER, {"$inc": {"last": Int64(1)}}, upsert=True, return_document=before
                    )
                except mongo.DuplicateKeyError:
                    continue
            return f"{(found['last'] if found else 0) + 1:016x}"

    def _frees(self, base: str, digest: str) -> bool:
        """Remove an expired subscription of a subscriber; whether there is none any more."""
        own = {"base": base, "digest": digest}
        with self._store.call(writes=True):
            self._store.subscriptions.delete_one({**own, "expires": {"$lte": Int64(self._store.now())}})
        with self._store.call():
            return self._store.subscriptions.find_one(own, {"_id": 1}) is None

    def _update(self, queue: str, subscription: str, project: str, changes: Mapping[str, Any]) -> bool | None:
        if not _ID.fullmatch(subscription):
            return None
        now, values = self._store.now(), dict[str, Any]()
        if "ttl" in changes:
            values |= {"ttl": changes["ttl"], "born": Int64(now), "expires": Int64(now + changes["ttl"] * 1000)}
        if "options" in changes:
            values["options"] = document.encoded(changes["options"], "options")
        if "subscriber" in changes:
            values |= {"subscriber": changes["subscriber"], "digest": _digest(changes["subscriber"])}
        base = self._store.base(project, queue)
        while (done := self._changed(self._live(queue, project, _id=subscription), values)) is None:
            if not self._frees(base, values["digest"]):
                return False
        if done and "ttl" in changes:
            self._store.refresh(base)
        return done or None

    def _changed(self, condition: Document, values: Document) -> bool | None:
        """Change a subscription; whether there is one, None where another one has the subscriber."""
        with self._store.call(writes=True):
            try:
                return bool(self._store.subscriptions.update_one(condition, {"$set": values}).matched_count)
            except mongo.DuplicateKeyError:
                return None

    def _delete(self, queue: str, subscription: str, project: str) -> bool:
        if not _ID.fullmatch(subscription):
            return False
        base = self._store.base(project, queue)
        with self._store.call(writes=True):
            gone = self._store.subscriptions.delete_one({"_id": subscription, "base": base})
        if gone.deleted_count:
            self._store.refresh(base)
        return bool(gone.deleted_count)

    def _confirm(self, queue: str, subscription: str, project: str, confirmed: bool) -> bool:
        if not _ID.fullmatch(subscription):
            return False
        return bool(self._changed(self._live(queue, project, _id=subscription), {"confirmed": confirmed}))


def _digest(subscriber: str) -> str:
    return hashlib.blake2b(subscriber.encode(), digest_size=16).hexdigest()


def _found(record: Mapping[str, Any], queue: str, now: int) -> Subscriber:
    age = max(0, now - int(record["born"])) // 1000
    options = _decode(record["options"])
    return Subscriber(record["_id"], queue, record["subscriber"], int(record["ttl"]), age, options, record["confirmed"])

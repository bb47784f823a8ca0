"""Pools in MongoDB."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from bson.int64 import Int64
from pymongo import errors as mongo

from undercroft.core import document
from undercroft.messaging import contract
from undercroft.messaging.drivers.mongodb.database import Document
from undercroft.messaging.drivers.mongodb.lanes import ordered
from undercroft.messaging.drivers.mongodb.store import Store
from undercroft.messaging.models import Pool

_decode = msgspec.json.Decoder(dict[str, Any]).decode
# Milliseconds after which a removal is taken for dead, and seconds between two looks whether it is over.
_LOST, _PAUSE = 10_000, 0.01


class Pools(contract.PoolsBase):
    """The register of pools of a control driver."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._store: Store = driver.store
        self._pools, self._flavors = self._store.collection("pool"), self._store.collection("flavor")
        self._guards = self._store.collection("lock")

    def _list(self, marker: str, limit: int | None) -> Sequence[Pool]:
        return self._those({"order": {"$gt": ordered(marker)}}, limit)

    def _of_flavor(self, flavor: str | None) -> Sequence[Pool]:
        return self._those({} if flavor is None else {"flavor": flavor}, None)

    def _those(self, condition: Document, limit: int | None) -> Sequence[Pool]:
        with self._store.call():
            return [_pool(each) for each in self._pools.find(condition).sort("order", 1).limit(limit or 0)]

    def _get(self, name: str) -> Pool | None:
        with self._store.call():
            found = self._pools.find_one({"_id": name})
        return None if found is None else _pool(found)

    def _put(self, pool: Pool) -> bool:
        fields = _fields(pool._asdict())
        while True:
            with self._store.call(writes=True), contextlib.suppress(mongo.DuplicateKeyError):
                self._pools.replace_one({"_id": pool.name}, fields, upsert=True)
                return True
            # One of that name may have been registered in between.
            if self._is_taken(fields["digest"], pool.name):
                return False

    def _update(self, name: str, changes: Mapping[str, Any]) -> bool | None:
        fields = _fields(changes)
        with self._store.call(writes=True):
            try:
                return bool(self._pools.update_one({"_id": name}, {"$set": fields}).matched_count) or None
            except mongo.DuplicateKeyError:
                return False

    def _is_taken(self, digest: str, name: str) -> bool:
        with self._store.call():
            return self._pools.find_one({"digest": digest, "_id": {"$ne": name}}, {"_id": 1}) is not None

    def _delete(self, name: str) -> str | None:
        # One at a time, so that of those who remove the last two one sees that it is the last.
        with self._alone():
            pool = self._get(name)
            if pool is not None and pool.flavor and [each.name for each in self._of_flavor(pool.flavor)] == [name]:
                with self._store.call():
                    is_used = self._flavors.find_one({"name": pool.flavor}, {"_id": 1}) is not None
                if is_used:
                    return pool.flavor
            with self._store.call(writes=True):
                self._pools.delete_one({"_id": name})
        return None

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        own = secrets.token_hex(8)
        while not self._holds(own):
            threading.Event().wait(_PAUSE)
        try:
            yield
        finally:
            with self._store.call(writes=True):
                self._guards.delete_one({"_id": "pools", "by": own})

    def _holds(self, own: str) -> bool:
        now = self._store.now()
        if self._store.insert(self._guards, {"_id": "pools", "by": own, "until": Int64(now + _LOST)}):
            return True
        with self._store.call(writes=True):
            self._guards.delete_one({"_id": "pools", "until": {"$lte": Int64(now)}})
        return False

    def _drop_all(self) -> None:
        with self._store.call(writes=True):
            self._pools.delete_many({})


def _fields(fields: Mapping[str, Any]) -> Document:
    values = dict(fields)
    if "name" in values:
        values["order"] = ordered(values["name"])
    if "uri" in values:
        values["digest"] = hashlib.blake2b(values["uri"].encode(), digest_size=16).hexdigest()
    if "options" in values:
        values["options"] = document.encoded(values["options"], "options")
    return values


def _pool(found: Mapping[str, Any]) -> Pool:
    return Pool(found["name"], found["uri"], int(found["weight"]), found["flavor"], _decode(found["options"]))

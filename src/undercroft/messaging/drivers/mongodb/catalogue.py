"""The catalogue in MongoDB."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bson.int64 import Int64

from undercroft.messaging import contract
from undercroft.messaging.drivers.mongodb.database import Document
from undercroft.messaging.drivers.mongodb.lanes import ordered
from undercroft.messaging.drivers.mongodb.store import Store
from undercroft.messaging.models import Mapped

# Entries that are read at once where all are wanted.
_AT_ONCE = 1_000
# Bits of the version that an entry begins with, so that it is none of an entry before it.
_VERSION = 48


class Catalogue(contract.CatalogueBase):
    """The catalogue of a control driver."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._store: Store = driver.store
        self._entries = self._store.collection("catalogue")

    def _list(self, project: str) -> Iterable[Mapped]:
        marker = ""
        while True:
            behind = {"project": project, "order": {"$gt": ordered(marker)}}
            page = self._those(behind, [("project", 1), ("order", 1)], _AT_ONCE)
            yield from page
            if len(page) < _AT_ONCE:
                return
            marker = page[-1].queue

    def _page(self, after: tuple[str, str] | None, limit: int) -> Sequence[Mapped]:
        behind = {} if after is None else {"_id": {"$gt": self._store.base(*after)}}
        return self._those(behind, [("_id", 1)], limit)

    def _those(self, condition: Document, order: list[tuple[str, int]], limit: int) -> list[Mapped]:
        with self._store.call():
            return [_entry(each) for each in self._entries.find(condition).sort(order).limit(limit)]

    def _find(self, project: str, queue: str) -> Mapped | None:
        with self._store.call():
            found = self._entries.find_one({"_id": self._store.base(project, queue)})
        return None if found is None else _entry(found)

    def _find_all(self, wanted: Sequence[tuple[str, str]]) -> Sequence[Mapped]:
        with self._store.call():
            return [_entry(each) for each in self._entries.find({"_id": {"$in": [self._store.base(*each) for each in wanted]}})]

    def _put(self, project: str, queue: str, pool: str, state: bytes, version: int | None) -> bool:
        own, fields = self._store.base(project, queue), {"pool": pool, "state": state}
        if version is None:
            made = {"_id": own, "project": project, "queue": queue, "order": ordered(queue), **fields}
            return self._store.insert(self._entries, {**made, "version": Int64(secrets.randbits(_VERSION))})
        with self._store.call(writes=True):
            done = self._entries.update_one(
                {"_id": own, "version": Int64(version)}, {"$set": {**fields, "version": Int64(version + 1)}}
            )
        return bool(done.matched_count)

    def _remove(self, project: str, queue: str, version: int | None) -> bool:
        mine = {"_id": self._store.base(project, queue), **({} if version is None else {"version": Int64(version)})}
        with self._store.call(writes=True):
            return bool(self._entries.delete_one(mine).deleted_count)

    def _drop_all(self) -> None:
        with self._store.call(writes=True):
            self._entries.delete_many({})

    def _counts(self) -> Mapping[str, int]:
        with self._store.call():
            found = self._entries.aggregate([{"$group": {"_id": "$pool", "count": {"$sum": 1}}}])
            return {each["_id"]: int(each["count"]) for each in found}


def _entry(found: Mapping[str, Any]) -> Mapped:
    return Mapped(found["project"], found["queue"], found["pool"], bytes(found["state"]), int(found["version"]))

"""Queues and their metadata in MongoDB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from undercroft.core import document
from undercroft.messaging import contract
from undercroft.messaging.attributes import dead_letters
from undercroft.messaging.contract.arguments import TOPIC
from undercroft.messaging.contract.queue import is_kept
from undercroft.messaging.drivers.mongodb.database import Document
from undercroft.messaging.drivers.mongodb.lanes import ordered
from undercroft.messaging.drivers.mongodb.store import Store
from undercroft.messaging.models import QueueRow, Stats

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_TOPICS = {"$gte": ordered(TOPIC), "$lt": ordered(TOPIC[:-1] + chr(ord(TOPIC[-1]) + 1))}
# Queues that are read at once where most may be left out.
_AT_ONCE = 1_000


class Queue(contract.Queue):
    """The queues of a control driver."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._store: Store = driver.store

    def _list(
        self,
        project: str,
        marker: str,
        limit: int,
        detailed: bool,
        kfilter: Mapping[str, Any],
        name: str | None,
        *,
        topics: bool,
    ) -> Sequence[QueueRow]:
        conditions: list[Document] = [_kind(topics=topics)]
        if name is not None:
            conditions.append({"order": ordered(name)})
        found: list[QueueRow] = []
        last = ordered(marker)
        most = _AT_ONCE if kfilter else limit
        wanted = {"name": 1, "order": 1, **({"meta": 1} if detailed or kfilter else {})}
        while len(found) < limit:
            condition = {"project": project, "made": True, "$and": [*conditions, {"order": {"$gt": last}}]}
            with self._store.call():
                page = list(self._store.queues.find(condition, wanted).sort([("project", 1), ("order", 1)]).limit(most))
            for each in page:
                metadata = _decode(each["meta"]) if "meta" in each else {}
                if is_kept(metadata, kfilter):
                    found.append(QueueRow(each["name"], metadata if detailed else None))
            if len(page) < most:
                break
            last = page[-1]["order"]
        return found[:limit]

    def _metadata(self, name: str, project: str) -> dict[str, Any] | None:
        with self._store.call():
            found = self._store.queues.find_one({"_id": self._store.base(project, name), "made": True}, {"meta": 1})
        return None if found is None else _decode(found["meta"])

    def _set_metadata(self, name: str, metadata: dict[str, Any], project: str) -> bool:
        with self._store.call(writes=True):
            done = self._store.queues.update_one(
                {"_id": self._store.base(project, name), "made": True}, {"$set": _fields(metadata)}
            )
        return bool(done.matched_count)

    def _create(self, name: str, metadata: dict[str, Any], project: str) -> bool:
        fields, base = _fields(metadata), self._store.base(project, name)
        if self._exists(name, project):
            return False
        while not self._store.insert(
            self._store.queues, {"_id": base, "last": 0, **self._store.new(project, name, fields["meta"]), **fields}
        ):
            # Messages may have come first, to a queue without metadata.
            with self._store.call(writes=True):
                done = self._store.queues.update_one({"_id": base, "made": False}, {"$set": {**fields, "made": True}})
            if done.matched_count:
                return True
            if self._exists(name, project):
                return False
        return True

    def _exists(self, name: str, project: str) -> bool:
        with self._store.call():
            return self._store.queues.find_one({"_id": self._store.base(project, name), "made": True}, {"_id": 1}) is not None

    def _delete(self, name: str, project: str) -> None:
        self._store.parts.keeper.forget(project, name)

    def _stats(self, name: str, project: str) -> Stats | None:
        lane = self._store.lane(project, name)
        if lane is None:
            return None
        found = self._store.parts.counter.stats(lane.inc, self._store.now())
        # What was posted, or moved as dead letters, to a queue that nothing made is counted, too.
        return found if lane.is_made or found.free + found.claimed else None

    def _calculate_resource_count(self, project: str) -> int:
        with self._store.call():
            return int(self._store.queues.count_documents({"project": project, "made": True, **_kind(topics=False)}))


def _kind(*, topics: bool) -> Document:
    return {"order": _TOPICS} if topics else {"order": {"$not": _TOPICS}}


def _fields(metadata: dict[str, Any]) -> Document:
    """The fields of a queue's document that follow from its metadata."""
    rule = dead_letters(metadata)
    dead = None if rule is None else {"most": rule.most, "queue": rule.queue, "ttl": rule.ttl}
    return {"meta": document.encoded(metadata, "metadata"), "dead": dead}

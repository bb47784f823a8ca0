"""Flavors in MongoDB."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from pymongo import errors as mongo

from undercroft.core import document
from undercroft.messaging import contract
from undercroft.messaging.drivers.mongodb.lanes import ordered
from undercroft.messaging.drivers.mongodb.store import Store
from undercroft.messaging.models import Flavor

_decode = msgspec.json.Decoder(Any).decode


class Flavors(contract.FlavorsBase):
    """The register of flavors of a control driver."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._store: Store = driver.store
        self._flavors = self._store.collection("flavor")

    def _list(self, project: str, marker: str, limit: int | None) -> Sequence[Flavor]:
        behind = {"project": project, "order": {"$gt": ordered(marker)}}
        with self._store.call():
            found = self._flavors.find(behind).sort([("project", 1), ("order", 1)]).limit(limit or 0)
            return [_flavor(each) for each in found]

    def _get(self, name: str, project: str) -> Flavor | None:
        with self._store.call():
            found = self._flavors.find_one({"_id": self._store.base(project, name)})
        return None if found is None else _flavor(found)

    def _put(self, name: str, project: str, capabilities: Any) -> None:
        fields = {
            "project": project,
            "name": name,
            "order": ordered(name),
            "capabilities": document.encoded(capabilities, "capabilities"),
        }
        while True:
            # One of that name may be made in between: then it is there to be replaced.
            with self._store.call(writes=True), contextlib.suppress(mongo.DuplicateKeyError):
                self._flavors.replace_one({"_id": self._store.base(project, name)}, fields, upsert=True)
                return

    def _update(self, name: str, project: str, capabilities: Any) -> bool:
        change = {"$set": {"capabilities": document.encoded(capabilities, "capabilities")}}
        with self._store.call(writes=True):
            return bool(self._flavors.update_one({"_id": self._store.base(project, name)}, change).matched_count)

    def _delete(self, name: str, project: str) -> None:
        with self._store.call(writes=True):
            self._flavors.delete_one({"_id": self._store.base(project, name)})

    def _is_anywhere(self, name: str) -> bool:
        with self._store.call():
            return self._flavors.find_one({"name": name}, {"_id": 1}) is not None

    def _drop_all(self) -> None:
        with self._store.call(writes=True):
            self._flavors.delete_many({})


def _flavor(found: Mapping[str, Any]) -> Flavor:
    return Flavor(found["name"], _decode(found["capabilities"]))

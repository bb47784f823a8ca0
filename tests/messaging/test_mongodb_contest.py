"""A server whose changes of documents are not atomic is found out, and refused."""

from __future__ import annotations

import os
import threading
from typing import Any, NamedTuple

import pytest

import undercroft
from tests.chaos import servers
from undercroft.core.errors import ConfigInvalid
from undercroft.core.findings import Level
from undercroft.messaging.drivers.mongodb import contest

SCHEMES = ("mongodb:",)


class Told(NamedTuple):
    modified_count: int


class Careless:
    """A collection that looks whether a condition holds, and then changes the document, and lets others come in between."""

    def __init__(self, *, which: str) -> None:
        self._which = which
        self._free: dict[str, int] = {}
        self._lock = threading.Lock()
        self._seen = threading.Event()

    def insert_many(self, documents: list[dict[str, Any]]) -> None:
        self._free.update((each["_id"], each["free"]) for each in documents)

    def delete_many(self, condition: dict[str, Any]) -> None:
        for each in condition["_id"]["$in"]:
            del self._free[each]

    def _change(self, name: str, *, carefully: bool) -> bool:
        if carefully:
            with self._lock:
                return self._took(name)
        was = self._free[name]
        self._seen.wait(0.001)
        self._free[name] = 0
        return bool(was)

    def _took(self, name: str) -> bool:
        was, self._free[name] = self._free[name], 0
        return bool(was)

    def update_one(self, condition: dict[str, Any], _: Any) -> Told:
        return Told(int(self._change(condition["_id"], carefully=self._which != "conditional changes")))

    def find_one_and_update(self, condition: dict[str, Any], _: Any, **__: Any) -> Any:
        return {} if self._change(condition["_id"], carefully=self._which != "find_one_and_update") else None


@pytest.mark.parametrize("which", ["conditional changes", "find_one_and_update"])
def test_more_winners_than_documents_are_seen(which):
    told = contest.lost(f"careless {which}", Careless(which=which))
    assert told.startswith("of 30 documents")
    assert told.endswith(f"{which} succeeded")


def test_a_careful_server_is_asked_once():
    asked = Careless(which="none")
    assert contest.lost("careful", asked) == ""
    assert contest.lost("careful", Careless(which="conditional changes")) == "", "what is known is not tried again"
    assert asked._free == {}


def test_a_careless_server_is_refused(store, monkeypatch):
    monkeypatch.setattr(contest, "_known", {f"{store.store.place} {store.store.database.name}": "of 30 documents 52 succeeded"})
    other = undercroft.connect("messaging", store.store._url, namespace=store.store.options.namespace)
    for refused in (other.init, lambda: other.message_controller.post("q", [{}], None)):
        with pytest.raises(ConfigInvalid, match="or later, or another engine"):
            refused()
    assert other.message_controller.stats("q")["messages"]["total"] == 0
    assert {one.check: one.level for one in other.diagnose()}["changes of documents"] is Level.ERROR
    other.close()


@pytest.mark.skipif(not os.environ.get("UCTEST_FERRETDB"), reason="NOT RUN: UCTEST_FERRETDB=1 builds FerretDB with Go, once")
def test_ferretdb_is_refused():
    with servers.own("ferretdb", durable=False) as server, pytest.raises(ConfigInvalid, match="FerretDB"):
        undercroft.connect("messaging", f"{server.url}undercroft").init()

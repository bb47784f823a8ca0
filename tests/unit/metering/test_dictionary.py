"""What the SQL driver keeps of series and metadata: bounded in memory, and gone with the last sample that it is for."""

from __future__ import annotations

import pathlib
import sqlite3
from typing import Any

import pytest
import sqlalchemy as sa

import undercroft
from undercroft.conformance.clock import now
from undercroft.conformance.metering.data import LATER, hour, record, same_resources, same_samples, same_statistics, sample
from undercroft.conformance.metering.oracle import Oracle
from undercroft.engines.sql import gradual
from undercroft.metering import Store
from undercroft.metering.drivers.sql import connection, dictionary


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "samples.db"


@pytest.fixture
def store(path: pathlib.Path) -> Any:
    found: Any = undercroft.connect("metering", f"sqlite:///{path}")
    found.upgrade()
    yield found
    found.close()


def words(path: pathlib.Path) -> set[str]:
    """What the dictionaries have of resources and metadata."""
    opened = sqlite3.connect(path)
    found = opened.execute("SELECT resource_id FROM undercroft_metering_series UNION SELECT body FROM undercroft_metering_metadata")
    words = {row[0] for row in found}
    opened.close()
    return words


@pytest.mark.parametrize("most", [0, 1, 3])
def test_more_than_is_remembered_is_read_again(store: Store, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for bound in ("_CACHED", "_CACHED_SLOTS", "_CACHED_CHARACTERS"):
        monkeypatch.setattr(dictionary, bound, most)
    oracle = Oracle()
    for n in range(3):
        batch = [sample(f"{n} {k}", n, at=k, resource=f"r{k}", resource_metadata={"n": k}) for k in range(n, n + 4)]
        for each in (store, oracle):
            record(each, batch)
        same_samples(store, oracle)
        same_resources(store, oracle)
        same_statistics(store, oracle, {}, groupby=["resource_id"])


def test_names_go_with_their_samples_also_where_an_hour_was_left_empty(store: Store, path: pathlib.Path) -> None:
    """A message id that is there already leaves the hour of the second sample without any."""
    record(store, [sample("a", at=hour(3), resource="alice", resource_metadata={"owner": "alice"})])
    record(store, [sample("a", at=hour(1), resource="alice", resource_metadata={"owner": "alice"})])
    record(store, [sample("b", at=hour(100), resource="bob")])
    assert {"alice", '{"owner":"alice"}'} < words(path)
    with now(hour(50)):
        assert store.clear_expired_metering_data(0) == 1
    assert words(path) == {"bob", "{}"}
    with now(LATER):
        assert store.maintain() == 1


def test_writers_get_ahead_between_parts_of_what_goes(store: Store, path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part makes writers learn anew; one that never got ahead would give up, and Ceilometer sends nothing again."""
    other: Any = undercroft.connect("metering", f"sqlite:///{path}")
    batches = iter(range(100))

    def write(_seconds: float) -> None:
        n = next(batches)
        record(other, [sample(f"new {n}", at=hour(100), resource=f"new {n}", resource_metadata={"n": n})])

    record(store, [sample(f"old {n}", at=n, resource=f"old {n}", resource_metadata={"old": n}) for n in range(4)])
    record(other, [sample("new", at=hour(100), resource="new")])
    monkeypatch.setattr(connection, "_PURGED", 2)
    monkeypatch.setattr(gradual, "wait", write)
    with now(hour(50)):
        assert store.clear_expired_metering_data(0) == 4
    count = next(batches)
    assert count == 4
    assert words(path) >= {f"new {n}" for n in range(count)}
    assert not any(word.startswith("old") for word in words(path))
    other.close()


@pytest.mark.parametrize("name", ["meter", "series", "metadata", "slot"])
def test_what_another_writer_added_and_an_expiry_took_is_added_again(
    store: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first insert finds the row there, and the look at it finds it gone."""
    dialect, left = store._db.dialect, [1]
    insert_missing = dialect.insert_missing

    def insert(table: sa.Table) -> Any:
        if table.name.endswith(f"_{name}") and left:
            left.pop()
            return table.delete().where(table.c.id < 0)
        return insert_missing(table)

    monkeypatch.setattr(dialect, "insert_missing", insert)
    oracle = Oracle()
    for each in (store, oracle):
        record(each, [sample("a", resource_metadata={"n": 1}), sample("b", 2, at=9_000, meter="other")])
    same_samples(store, oracle)
    assert not left

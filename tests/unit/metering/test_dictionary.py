"""What the SQL driver keeps of series and metadata: bounded in memory, and gone with the last sample that it is for."""

from __future__ import annotations

import pathlib
import sqlite3
from typing import Any

import pytest

import undercroft
from undercroft.conformance.clock import now
from undercroft.conformance.metering.data import LATER, hour, record, same_resources, same_samples, same_statistics, sample
from undercroft.conformance.metering.oracle import Oracle
from undercroft.metering import Store
from undercroft.metering.drivers.sql import dictionary


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
    connection = sqlite3.connect(path)
    found = connection.execute(
        "SELECT resource_id FROM undercroft_metering_series UNION SELECT body FROM undercroft_metering_metadata"
    )
    words = {row[0] for row in found}
    connection.close()
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

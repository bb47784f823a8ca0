"""`undercroft doctor` and `undercroft db` on stores of samples that are made wrong on purpose, each on its engine."""

from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
from typing import Any

import pytest

import undercroft
from tests.conftest import url_of

pytestmark = pytest.mark.kind("metering")
START = dt.datetime(2026, 1, 1)


def made(number: int) -> dict[str, Any]:
    """The samples are an hour apart, so that hours before the last are folded."""
    return {
        "counter_name": f"m{number % 2}", "counter_type": "gauge", "counter_unit": "%", "counter_volume": number, "user_id": None,
        "project_id": "p", "resource_id": f"r{number % 3}", "timestamp": START + dt.timedelta(hours=number),
        "resource_metadata": {"n": number % 4}, "source": "s", "message_id": f"id{number:02}", "message_signature": None,
    }  # fmt: skip


@pytest.mark.promise("D1")
@pytest.mark.usefixtures("an_hour")
def test_a_sound_store_and_what_its_engine_tells(examined, opener):
    """No errors; warnings of what is old, and of what a test's engine leaves out to be quick."""
    store = opener()
    store.record_metering_data_batch([made(n) for n in range(12)])
    store.maintain()
    found = examined(url_of(opener), "--verify", code=1)
    assert [one for one in found.values() if one["level"] == "error"] == []
    assert found["samples"]["found"] == "of 2 meters, the first of 2026-01-01"
    assert {"clock", "tables", "rights", "size", "references", "sums"} <= found.keys()
    warned = {check.partition(":")[0] for check, one in found.items() if one["level"] == "warning"}
    assert "retention" in warned
    assert warned <= {"retention", "durability"}
    assert "the next run of the worker deletes 12 of 12 (100 %) samples" in found["retention"]["found"]


def test_a_missing_index_is_seen_and_made_again(run, examined, opener):
    place = url_of(opener)
    store = opener()
    store.record_metering_data_batch([made(n) for n in range(4)])
    table = store._tables.series.name
    suffix = f" ON {table}" if store._db.dialect.name == "mariadb" else ""
    store._db.write(lambda c: c.exec_driver_sql(f"DROP INDEX {table}_resource{suffix}"))
    found = examined(place, code=2)["tables"]
    assert (found["level"], "series_resource" in found["found"]) == ("error", True)
    assert "series_resource" in run("db", "check", "--kind", "metering", "--store", place, code=1).stdout


@pytest.fixture
def place(tmp_path):
    """A file of twelve samples, which are folded."""
    url = f"sqlite:///{tmp_path}/metering.db"
    with contextlib.closing(undercroft.connect("metering", url)) as store:
        store.upgrade()
        store.record_metering_data_batch([made(n) for n in range(12)])
        store.maintain()
    return url


def harm(tmp_path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "metering.db")) as database, database:
        assert database.execute(statement).rowcount > 0


@pytest.mark.parametrize(
    ("statement", "check", "says"),
    [
        ("DELETE FROM undercroft_metering_series WHERE resource_id = 'r1'", "references", "4 samples whose series is missing"),
        ("DELETE FROM undercroft_metering_metadata WHERE body LIKE '%2%'", "references", "3 samples whose metadata are missing"),
        ("DELETE FROM undercroft_metering_meter WHERE name = 'm1'", "references", "3 series whose meter is missing"),
        ("DELETE FROM undercroft_metering_sample WHERE whole = 5", "sums", "of 12 hours, 1 with other samples"),
    ],
)
def test_verify_sees_rows_that_do_not_fit(examined, place, tmp_path, statement, check, says):
    harm(tmp_path, statement)
    found = examined(place, "--verify", code=2)
    assert (found[check]["level"], says in found[check]["found"]) == ("error", True), found[check]
    if check == "sums":
        # Nothing else notices.
        assert check not in examined(place)


def test_samples_that_cannot_be_read_are_an_error_that_says_what_to_do(run, place, tmp_path):
    harm(tmp_path, "DELETE FROM undercroft_metering_metadata")
    told = run("meter", "samples", "--store", place, code=1).stderr
    assert told.startswith("error: metadata that samples refer to are missing: `undercroft doctor --verify`")


def test_hours_that_nobody_folds_are_told_and_the_worker_folds_them(run, examined, place, tmp_path):
    harm(tmp_path, "UPDATE undercroft_metering_slot SET folded = 0")
    found = examined(place, code=1)["hours"]
    assert (found["level"], "of 12 hours" in found["found"], "undercroft worker" in found["advice"]) == ("warning", True, True)
    run("worker", "--kind", "metering", "--store", place, "--once")
    assert examined(place)["hours"]["level"] == "ok"

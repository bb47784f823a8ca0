"""`undercroft doctor`: sees what is wrong, on real stores that are made wrong on purpose."""

from __future__ import annotations

import os
import sqlite3
import urllib.parse

import pytest

from tests.conftest import url_of
from undercroft.conformance.clock import now
from undercroft.core import settings


def change(tmp_path, *statements: str) -> None:
    """Tamper with the SQLite file."""
    database = sqlite3.connect(tmp_path / "rating.db")
    with database:
        for statement in statements:
            assert database.execute(statement).rowcount != 0
    database.close()


@pytest.fixture
def filled(storage, frame, monkeypatch):
    monkeypatch.setenv("UNDERCROFT_STORAGE__RETENTION_PERIOD", "0")
    settings.current.cache_clear()
    storage.push([frame(hour, "a", "b") for hour in range(100)])
    storage.maintain()
    return storage


def test_all_is_well(run, examined, url, filled):
    found = examined(url)
    assert {one["level"] for one in found.values()} == {"ok"}
    assert {"connection", "clock", "tables", "rights", "size", "disk", "points", "dictionary", "sums", "retention"} <= set(found)
    assert found["points"]["found"] == "200 in 100 periods by type"
    table = run("doctor", "--store", url, "--verify").stdout
    assert "agree with the points to the last digit, on all 5 days" in table
    assert "every page is sound" in table


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        (
            "UPDATE undercroft_rating_rollup SET qty = qty + 1 WHERE bucket = (SELECT max(bucket) FROM undercroft_rating_rollup)",
            "sums",
        ),
        ("UPDATE undercroft_rating_rollup SET price = price - 1 WHERE bucket < 999999", "month 2026-01"),
        ("UPDATE undercroft_rating_slot_total SET points = points + 1 WHERE slot_id = 1", "periods"),
        ("DELETE FROM undercroft_rating_point WHERE slot_id = 1", "day 2026-01-01"),
        ("UPDATE undercroft_rating_point SET price = 7 WHERE slot_id = 2 AND number = 0", "day 2026-01-01"),
    ],
)
def test_sums_that_disagree_are_seen(examined, url, filled, tmp_path, statement, what):
    change(tmp_path, statement)
    found = examined(url, code=2)
    assert found["sums"]["level"] == "error"
    assert what in found["sums"]["found"]
    assert "reprocess" in found["sums"]["advice"]


def test_a_day_in_the_middle_is_seen_by_verify(examined, url, filled, tmp_path):
    change(tmp_path, "UPDATE undercroft_rating_point SET qty = qty + 1 WHERE slot_id = 40")
    assert examined(url)["sums"]["level"] == "ok"
    assert "day 2026-01-02" in examined(url, "--verify", code=2)["sums"]["found"]


def test_points_without_their_series_are_seen(examined, url, filled, tmp_path):
    change(tmp_path, "DELETE FROM undercroft_rating_entry WHERE kind = 1")
    found = examined(url, "--verify", code=2)
    assert "200 points whose metadata are missing" in found["references"]["found"]


@pytest.mark.promise("D9")
def test_a_damaged_file_is_reported(examined, url, filled, tmp_path):
    filled.close()
    path = tmp_path / "rating.db"
    size = path.stat().st_size
    with path.open("r+b") as file:
        for place in range(4096 * 2, size, 4096):
            file.seek(place + 16)
            file.write(os.urandom(600))
    found = examined(url, "--verify", code=2)
    assert "error" in {one["level"] for one in found.values()}


@pytest.mark.promise("D1")
def test_a_faster_mode_is_warned_of(examined, url, filled):
    found = examined(f"{url}?synchronous=normal", code=1)
    assert found["durability: synchronous"] == {
        "check": "durability: synchronous", "level": "warning", "found": "normal",
        "advice": "the last commits may be lost: leave out synchronous=normal",
    }  # fmt: skip


def test_a_store_in_memory(examined):
    found = examined("sqlite:///:memory:", code=2)
    assert found["durability"]["level"] == "warning"
    assert "db upgrade" in found["tables"]["advice"]


def test_pending_migrations_and_changed_tables(examined, url, filled, tmp_path):
    change(tmp_path, "UPDATE undercroft_rating_version SET version_num = 'rating_0000'")
    assert "rating_0000" in examined(url, code=2)["tables"]["found"]


def test_a_dropped_index_is_drift(examined, url, filled, tmp_path):
    change(tmp_path, "DROP INDEX undercroft_rating_slot_type")
    found = examined(url, code=2)
    assert "slot_type" in found["tables"]["found"]
    assert "sums" not in found


def test_rights_that_are_missing(examined, opener, engine):
    """A user who may read only. Where there is no server, there are no users: rights are the file's, and we have them."""
    store = opener()
    if not engine.host:
        assert examined(url_of(opener), code=0)["rights"]["level"] == "ok"
        return
    reader = f"reader_{opener.namespace}"
    tables = [table.name for table in store._tables.metadata.sorted_tables] + [f"{opener.namespace}_rating_version"]
    store._db.write(lambda c: [c.exec_driver_sql(f"CREATE USER {reader}")])
    store._db.write(lambda c: [c.exec_driver_sql(f"GRANT SELECT ON {table} TO {reader}") for table in tables])
    try:
        parts = urllib.parse.urlsplit(url_of(opener))
        theirs = parts._replace(netloc=f"{reader}@{parts.hostname}:{parts.port}").geturl()
        found = examined(theirs, code=2)
        point = f"{opener.namespace}_rating_point"
        assert all(f"{verb} {point}" in found["rights"]["found"] for verb in ("insert", "update", "delete"))
        assert f"select {point}" not in found["rights"]["found"]
    finally:
        store._db.write(lambda c: [c.exec_driver_sql(f"REVOKE SELECT ON {table} FROM {reader}") for table in tables])
        store._db.write(lambda c: [c.exec_driver_sql(f"DROP USER {reader}")])


def test_old_usage_without_a_worker(examined, url, storage, frame, monkeypatch):
    monkeypatch.setenv("UNDERCROFT_STORAGE__RETENTION_PERIOD", "100d")
    settings.current.cache_clear()
    storage.push([frame(0, "a")])
    later = frame(0, "a").start.replace(year=2027)
    with now(later):
        found = examined(url, code=1)
    assert found["retention"]["level"] == "warning"
    assert (
        "100d are kept, and there is usage since 2026-01-01: the next run of the worker deletes 1 of 1 (100 %) points"
        in (found["retention"]["found"])
    )
    assert "--dry-run" in found["retention"]["advice"]


def test_a_retention_that_deletes_much_is_warned_of_before_it_does(examined, url, storage, frame, monkeypatch):
    """Nothing is late yet: the worker would come within the hour."""
    storage.push([frame(hour, "a") for hour in range(40)])
    with now(frame(40, "a").start):
        cases = (("10h", "warning", "30 of 40 (75 %)"), ("39h", "ok", "1 of 40 (2.5 %)"), ("2d", "ok", "nothing older"))
        for kept, level, told in cases:
            monkeypatch.setenv("UNDERCROFT_STORAGE__RETENTION_PERIOD", kept)
            settings.current.cache_clear()
            found = examined(url, code=int(level == "warning"))["retention"]
            assert (found["level"], told in found["found"]) == (level, True), found


def test_no_file_is_made(examined, tmp_path):
    url = f"sqlite:///{tmp_path}/none.db"
    assert "does not exist" in examined(url, code=2)["connection"]["found"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.promise("S7")
@pytest.mark.timeout(30)  # far above a second, and below what a statement may take
@pytest.mark.parametrize(
    ("kind", "scheme"),
    [
        ("rating", "postgresql"),
        ("events", "postgresql"),
        ("events", "mongodb"),
        ("events", "opensearch"),
        ("metering", "postgresql"),
    ],
)
def test_a_server_that_does_not_answer_is_a_finding_without_a_password(run, kind, scheme):
    timeout = "statement_timeout" if scheme == "opensearch" else "connect_timeout"
    done = run("doctor", "--kind", kind, "--store", f"{scheme}://u:canary-word@127.0.0.1:1/db?{timeout}=1", code=2)
    assert "connection" in done.stdout
    assert "canary-word" not in done.stdout + done.stderr


def test_every_store_of_the_run(examined, opener, frame, monkeypatch):
    """On each engine: no errors, the sums agree, and each setting that decides about durability is looked at."""
    monkeypatch.setenv("UNDERCROFT_STORAGE__RETENTION_PERIOD", "100d")
    settings.current.cache_clear()
    store = opener()
    store.push([frame(hour, "a", "b") for hour in range(60)])
    store.delete(frame(3).start, frame(30).start, {"id": "a"})
    found = examined(url_of(opener), "--verify", code=1)
    assert [one for one in found.values() if one["level"] == "error"] == []
    assert found["retention"]["level"] == "warning"
    assert "on all 3 days" in found["sums"]["found"]
    assert any(check.startswith("durability") for check in found)

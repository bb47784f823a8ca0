"""`undercroft db`."""

from __future__ import annotations

import sqlite3

from undercroft.core import settings


def test_upgrade_makes_the_tables_once(run, tmp_path):
    url = f"sqlite:///{tmp_path}/rating.db"
    assert "there are no rating tables" in run("db", "check", "--store", url, code=1).stdout
    assert run("db", "upgrade", "--store", url).stdout.startswith("rating: from nothing to ")
    assert run("db", "upgrade", "--store", url).stdout == "rating: was current\n"
    assert run("db", "check", "--store", url).stdout.startswith("rating: current, ")


def test_check_sees_a_table_that_is_not_as_it_should_be(run, url, tmp_path):
    with sqlite3.connect(tmp_path / "rating.db") as database:
        (table,) = database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'undercroft_rating_%setting'"
        ).fetchone()
        database.execute(f"ALTER TABLE {table} ADD COLUMN strange TEXT")
    database.close()
    assert "strange" in run("db", "check", "--store", url, code=1).stdout


def test_without_a_kind_it_is_every_kind_that_has_a_store(run, tmp_path, monkeypatch):
    monkeypatch.setenv("UNDERCROFT_RATING__CONNECTION", f"sqlite:///{tmp_path}/one.db")
    monkeypatch.setenv("UNDERCROFT_EVENTS__CONNECTION", f"sqlite:///{tmp_path}/one.db")
    settings.current.cache_clear()
    run("db", "upgrade")
    done = run("db", "check")
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == ["rating", "events"]
    monkeypatch.delenv("UNDERCROFT_RATING__CONNECTION")
    settings.current.cache_clear()
    assert run("db", "check").stdout.startswith("events: current")


def test_a_store_without_tables_is_no_failure(run, tmp_path, monkeypatch):
    monkeypatch.setenv("UNDERCROFT_RATING__CONNECTION", f"sqlite:///{tmp_path}/one.db")
    monkeypatch.setenv("UNDERCROFT_EVENTS__CONNECTION", "log://")
    settings.current.cache_clear()
    assert run("db", "upgrade").stdout.splitlines()[1:] == ["events: ready, no tables whose version is known"]
    assert run("db", "check").stdout.splitlines()[1:] == ["events: no tables whose version is known"]

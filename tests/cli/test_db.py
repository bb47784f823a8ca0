"""`undercroft db`."""

from __future__ import annotations

import sqlite3


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

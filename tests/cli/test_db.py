"""`undercroft db`."""

from __future__ import annotations

import sqlite3

import pytest

from tests.conftest import url_of
from undercroft.core import settings


def test_upgrade_makes_the_tables_once(run, tmp_path):
    url = f"sqlite:///{tmp_path}/rating.db"
    assert "there are no rating tables" in run("db", "check", "--store", f"rating={url}", code=1).stdout
    assert run("db", "upgrade", "--store", f"rating={url}").stdout.startswith("rating: from nothing to ")
    assert run("db", "upgrade", "--store", f"rating={url}").stdout == "rating: was current\n"
    assert run("db", "check", "--store", f"rating={url}").stdout.startswith("rating: current, ")


@pytest.mark.kind("events", "metering")
def test_upgrade_makes_what_each_engine_needs_once(run, any_opener):
    kind, given = any_opener.target.kind, ("--kind", any_opener.target.kind, "--store", url_of(any_opener))
    assert f"db upgrade --kind {kind}" in run("db", "check", *given, code=1).stdout
    assert run("db", "upgrade", *given).stdout.startswith(f"{kind}: from nothing to {kind}_")
    assert run("db", "upgrade", *given).stdout == f"{kind}: was current\n"
    assert run("db", "check", *given).stdout.startswith(f"{kind}: current, {kind}_")
    any_opener.used = True


def test_check_sees_a_table_that_is_not_as_it_should_be(run, url, tmp_path):
    with sqlite3.connect(tmp_path / "rating.db") as database:
        (table,) = database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'undercroft_rating_%setting'"
        ).fetchone()
        database.execute(f"ALTER TABLE {table} ADD COLUMN strange TEXT")
    database.close()
    assert "strange" in run("db", "check", "--store", f"rating={url}", code=1).stdout


def test_several_stores_are_named_one_by_one(run, tmp_path):
    both = [f"{kind}=sqlite:///{tmp_path}/{kind}.db" for kind in ("rating", "events")]
    arguments = [word for each in both for word in ("--store", each)]
    assert [line.partition(":")[0] for line in run("db", "upgrade", *arguments).stdout.splitlines()] == ["rating", "events"]
    assert run("db", "check", "--kind", "events", "--store", both[1]).stdout.startswith("events: current")


def test_a_url_without_a_kind_is_deprecated(run, tmp_path):
    url = f"sqlite:///{tmp_path}/rating.db?pool_size=2"
    done = run("db", "upgrade", "--store", url)
    assert done.stdout.startswith("rating: from nothing to ")
    assert done.stderr == "note: --store URL without a kind is deprecated; write --store rating=URL\n"
    assert run("db", "check", "--store", f"rating={url}").stderr == ""
    # With --kind it has one.
    assert run("db", "upgrade", "--kind", "events", "--store", url).stderr == ""


def test_stores_that_cannot_be_meant_are_refused(run, tmp_path):
    url = f"sqlite:///{tmp_path}/rating.db"
    assert "did you mean 'rating'" in run("db", "check", "--store", f"ratng={url}", code=2).stderr
    assert "two stores for rating" in run("db", "check", "--store", f"rating={url}", "--store", f"rating={url}", code=2).stderr
    assert "contradict" in run("db", "check", "--kind", "events", "--store", f"rating={url}", code=2).stderr
    assert "no store is named" in run("db", "check", code=2).stderr


def test_without_a_kind_it_is_every_kind_that_has_a_store(run, tmp_path, monkeypatch):
    monkeypatch.setenv("UNDERCROFT_RATING__CONNECTION", f"sqlite:///{tmp_path}/one.db")
    monkeypatch.setenv("UNDERCROFT_EVENTS__CONNECTION", f"sqlite:///{tmp_path}/one.db")
    settings.current.cache_clear()
    run("db", "upgrade")
    done = run("db", "check")
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == ["events", "rating"]
    monkeypatch.delenv("UNDERCROFT_RATING__CONNECTION")
    settings.current.cache_clear()
    assert run("db", "check").stdout.startswith("events: current")


def test_a_store_without_tables_is_no_failure(run, tmp_path, monkeypatch):
    monkeypatch.setenv("UNDERCROFT_RATING__CONNECTION", f"sqlite:///{tmp_path}/one.db")
    monkeypatch.setenv("UNDERCROFT_EVENTS__CONNECTION", "log://")
    settings.current.cache_clear()
    assert run("db", "upgrade").stdout.splitlines()[:1] == ["events: ready, no tables whose version is known"]
    assert run("db", "check").stdout.splitlines()[:1] == ["events: no tables whose version is known"]


def test_a_kind_that_is_only_read_has_nothing_to_upgrade(run, tmp_path):
    store = ("--store", f"datasources=sqlite:///{tmp_path}/one.db")
    for command, told in (("upgrade", "datasources: nothing to upgrade: "), ("check", "datasources: nothing to check: ")):
        (line,) = run("db", command, *store).stdout.splitlines()
        assert line.startswith(f"{told}this kind has no tables of its own")
    assert not list(tmp_path.glob("*.db"))

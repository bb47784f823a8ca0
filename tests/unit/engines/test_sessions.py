"""What a session is set to holds against the defaults of a server, a database, a role and the environment; the rest is refused."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import signal
import sqlite3
import threading
from decimal import Decimal

import pytest

import undercroft
from tests import odd
from tests.conftest import stores
from undercroft.conformance.events.data import after, event, everything, exact, moment, real, text, whole
from undercroft.conformance.events.oracle import stored
from undercroft.conformance.examination import problems
from undercroft.conformance.rating import data as rating
from undercroft.core import deadline
from undercroft.core.errors import ConfigInvalid
from undercroft.core.findings import Level
from undercroft.engines.sql import Database, EngineOptions, raw

pytestmark = pytest.mark.kind("rating")
WORDS = ["\\", "\\x41", "a'b", '"', "NULL", "null", "%s", "a ", "é", "\U0001f600", "x" * 255]


@pytest.fixture
def odd_url(engine, tmp_path):
    with odd.database(engine, tmp_path) as url:
        yield url


def test_events_come_back(odd_url):
    store = undercroft.connect("events", odd_url)
    store.init()
    others = whole("n", 2**60), real("f", 0.1), moment("m", after(0.000001))
    given = [event(word, text("t", word), *others, kind=word, at=number, raw={"w": word}) for number, word in enumerate(WORDS)]
    store.record_events(given)
    assert exact(everything(store)) == exact(map(stored, given))
    assert problems(store) == []
    store.close()


def test_rated_usage_comes_back(odd_url):
    store = undercroft.connect("rating", odd_url)
    store.init()
    frames = [rating.frame(hour, rating.of(word, qty="0.1", price="1e-30")) for hour, word in enumerate(WORDS)]
    store.push(frames)
    store.push(frames)
    rating.same_points(rating.everything(store), rating.flat(frames))
    assert rating.quantity(store) == len(WORDS) * Decimal("0.1")
    assert problems(store) == []
    store.delete(None, None, {"project_id": WORDS[0]})
    rating.same_points(rating.everything(store), rating.flat(frames[1:]))
    assert store.locks().acquire("job", dt.timedelta(hours=1)) is not None
    store.drop()
    store.close()


def test_every_setting_has_its_value(odd_url):
    db, _ = Database.open(odd_url, EngineOptions, {})
    wanted = db.dialect.pinned()
    read = {"postgresql": "SELECT setting FROM pg_settings WHERE name = '{}'", "mariadb": "SELECT @@{}", "sqlite": "PRAGMA {}"}
    for name, value in wanted.items():
        question = read[db.dialect.name].format(name)
        found = db.alone(lambda c, question=question: c.exec_driver_sql(question).scalar())  # type: ignore[misc]
        assert _same(str(found), value), name
    db.close()


def _same(found: str, value: str) -> bool:
    """Whether an engine's own spelling of a value is that value: lists may be in another order, numbers longer."""
    if found.replace(".", "").isdigit() and value.replace(".", "").isdigit():
        return float(found) == float(value)
    return sorted(re.split(", ?", found.upper())) == sorted(re.split(", ?", {"FULL": "2"}.get(value, value).upper()))


def test_a_single_statement_keeps_no_table(odd_url):
    reader, other = (Database.open(odd_url, EngineOptions, {})[0] for _ in range(2))
    other.write(lambda c: c.exec_driver_sql("CREATE TABLE numbers (n INTEGER)"))
    # Past SQLAlchemy, which so does not know of a transaction that it has to end.
    assert not reader.alone(lambda c: raw.rows(c, "SELECT n FROM numbers"))
    with deadline.within(5):
        other.write(lambda c: c.exec_driver_sql("DROP TABLE numbers"))
        assert reader.read(lambda c: c.exec_driver_sql("SELECT 42").scalar()) == 42
    reader.close()
    other.close()


def test_an_interrupt_ends_a_statement_and_its_connection(odd_url):
    db, _ = Database.open(odd_url, EngineOptions, {})
    long = {
        "postgresql": "SELECT pg_sleep(20)",
        "mariadb": "SELECT sleep(20)",
        "sqlite": "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 3000000) SELECT max(x) FROM n",
    }
    for run in (db.write, db.write_alone, db.read, db.alone):
        timer = threading.Timer(0.2, signal.pthread_kill, (threading.get_ident(), signal.SIGINT))
        timer.start()
        # Not an error of ours, after which the work would be done again.
        with pytest.raises(KeyboardInterrupt):
            run(lambda c: raw.rows(c, long[db.dialect.name]))
        timer.join()
        assert db.write(lambda c: raw.rows(c, "SELECT 42")[0][0]) == 42
    db.close()


def test_a_connection_that_an_interrupt_met_is_not_used_again(odd_url):
    """Between sending a statement and reading its answer nothing more can be sent: a ROLLBACK would fail instead."""
    db, _ = Database.open(odd_url, EngineOptions, {})
    kept = []

    def work(connection):
        try:
            with raw.driver(connection):
                raise KeyboardInterrupt
        finally:
            kept.append(not connection.invalidated)

    for run in (db.write, db.write_alone, db.read, db.alone):
        with pytest.raises(KeyboardInterrupt):
            run(work)
    assert kept == [False] * 4
    assert db.write(lambda c: raw.rows(c, "SELECT 42")[0][0]) == 42
    db.close()


def test_the_environment_of_the_client_library_decides_nothing(server, monkeypatch):
    for name, value in {
        "PGTZ": "Asia/Tokyo",
        "PGDATESTYLE": "German",
        "PGCLIENTENCODING": "LATIN1",
        "PGOPTIONS": "-c array_nulls=off",
    }.items():
        monkeypatch.setenv(name, value)
    test_every_setting_has_its_value(server)


# -- what cannot be set in a session -----------------------------------------------------------------------------------


def refused(url: str, setting: str, mended_by: str) -> None:
    """Assert that the store is not made, and `doctor` says the same."""
    store = undercroft.connect("rating", url)
    with pytest.raises(ConfigInvalid, match=f"{setting}.*{mended_by}"):
        store.init()
    (found,) = (one for one in store.diagnose() if one.check == setting)
    assert found.level is Level.ERROR
    assert mended_by in found.advice
    store.close()


@pytest.fixture
def server(request):
    """The URL of the run's PostgreSQL."""
    found = [store.url for store in stores(request.config, "rating") if store.driver == "postgresql"]
    return found[0] if found else pytest.skip("NOT RUN: no PostgreSQL in this run")


def test_a_database_of_another_encoding_is_refused(server):
    with odd.postgresql(server, "SQL_ASCII", []) as url:
        refused(url, "server_encoding", "ENCODING 'UTF8'")


@pytest.mark.parametrize("where", ["nowhere", "''"])
def test_a_search_path_to_nowhere_is_refused(server, where):
    with odd.postgresql(server, defaults=[f"search_path = {where}"]) as url:
        refused(url, "search_path", "CREATE SCHEMA")


def test_a_file_of_another_encoding_is_refused(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "x.db")) as made:
        made.execute("PRAGMA encoding = 'UTF-16'")
        made.execute("CREATE TABLE theirs (x)")
    refused(f"sqlite:///{tmp_path}/x.db", "encoding", "another file")

"""Attempts of reads and writes: how often, for which errors, and at no cost where the first succeeds."""

from __future__ import annotations

import socket
import threading
import time
import types

import pytest
import sqlalchemy as sa
import tenacity

from undercroft.conformance.limits import within
from undercroft.core import deadline
from undercroft.core.errors import ConfigInvalid, Corrupt, Unavailable
from undercroft.engines import connecting
from undercroft.engines.sql import Database, EngineOptions
from undercroft.engines.sql.bulk import Statistics, arrays
from undercroft.engines.sql.errors import Contended, Disconnected
from undercroft.engines.sql.sqlite import SQLite


@pytest.fixture
def db():
    found, _ = Database.open("sqlite:///:memory:", EngineOptions, {})
    yield found
    found.close()


class Failing:
    """Work that raises each of the errors, one a call, and then gives a number."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self, connection: sa.Connection) -> int:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return int(connection.exec_driver_sql("SELECT 42").scalar_one())


RUNS = ["read", "alone", "write"]


@pytest.mark.parametrize("run", RUNS)
def test_dead_connection_is_tried_again(db, run):
    work = Failing(Disconnected("gone"))
    assert getattr(db, run)(work) == 42
    assert work.calls == 2


@pytest.mark.parametrize(
    ("run", "error", "attempts"), [("read", Disconnected, 2), ("alone", Disconnected, 2), ("write", Contended, 12)]
)
def test_attempts_end_with_the_last_error(db, run, error, attempts):
    work = Failing(*(error(str(number)) for number in range(20)))
    with pytest.raises(error, match=str(attempts - 1)):
        getattr(db, run)(work)
    assert work.calls == attempts


@pytest.mark.parametrize(("run", "error"), [("read", Contended), ("read", Corrupt), ("write", Corrupt), ("write", KeyError)])
def test_other_errors_are_not_tried_again(db, run, error):
    work = Failing(error("no"))
    with pytest.raises(error):
        getattr(db, run)(work)
    assert work.calls == 1


@pytest.mark.parametrize("run", RUNS)
def test_no_time_for_another_attempt(db, run):
    work = Failing(Disconnected("gone"))
    with deadline.within(db.options.connect_timeout - 1), pytest.raises(Disconnected):
        getattr(db, run)(work)
    assert work.calls == 1


@pytest.mark.parametrize("scheme", ["postgresql", "mariadb"])
@pytest.mark.parametrize("run", RUNS)
def test_connecting_ends_with_the_time_of_the_work(scheme, run):
    """A server that takes connections and says nothing; the client library's own limit would say so in other words."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found, _ = Database.open(f"{scheme}://u@127.0.0.1:{silent.getsockname()[1]}/db", EngineOptions, {"connect_timeout": 60.0})
        start = time.monotonic()
        with deadline.within(0.3), pytest.raises(Unavailable, match="before the server took a connection"):
            getattr(found, run)(Failing())
        took = time.monotonic() - start
        assert took >= 0.3
        within(took, found.options.connect_timeout)
        found.close()


@pytest.mark.parametrize("scheme", ["postgresql", "mariadb"])
def test_setting_up_a_session_ends_with_the_time_of_the_work(scheme, monkeypatch):
    """A server that falls silent between the login and our first statement, which would be waited for without end."""
    near, far = socket.socketpair()
    found, _ = Database.open(f"{scheme}://u@127.0.0.1/db", EngineOptions, {})
    monkeypatch.setattr(found.dialect, "configure", lambda connection: connection.recv(1))
    monkeypatch.setattr(found.dialect, "socket_number", lambda connection: connection.fileno())
    start = time.monotonic()
    with near, far, deadline.within(0.3):
        found.dialect._set_up(near, None)
    assert time.monotonic() - start >= 0.3
    found.close()


def test_connection_that_comes_too_late_is_closed():
    closed = threading.Event()
    late = types.SimpleNamespace(close=closed.set)
    go = threading.Event()

    def connect() -> types.SimpleNamespace:
        go.wait(5)
        return late

    with deadline.within(0.05), pytest.raises(Unavailable):
        connecting.in_time(connect, "there")
    go.set()
    assert closed.wait(5)


def test_connecting_without_a_deadline_needs_no_thread():
    assert connecting.in_time(lambda: pytest.fail("not ours to call"), "there") is None


def test_why_a_connection_failed_is_told():
    def connect() -> None:
        raise TimeoutError("the server's own reason")

    with deadline.within(5), pytest.raises(TimeoutError, match="own reason"):
        connecting.in_time(connect, "there")


@pytest.mark.parametrize("run", RUNS)
def test_first_attempt_builds_nothing(db, run, monkeypatch):
    monkeypatch.setattr(tenacity, "Retrying", None)
    assert getattr(db, run)(Failing()) == 42


def test_unknown_dialect_is_refused():
    with pytest.raises(ConfigInvalid, match="the SQL dialect 'oracle' is not supported"):
        Database.open("oracle://u@h/db", EngineOptions, {})


def test_statistics_are_updated_each_time_the_rows_are_four_times_as_many(db, monkeypatch):
    monkeypatch.setattr(SQLite, "analyse", "ANALYZE")
    metadata = sa.MetaData()
    sa.Table("rows", metadata, sa.Column("x", sa.Integer))
    db.write(metadata.create_all)
    updated: list[str] = []
    sa.event.listen(db.engine, "before_cursor_execute", lambda _c, _cursor, sql, *_: updated.append(sql))
    statistics = Statistics(db, metadata, 10)
    seen = []
    for _ in range(18):
        statistics.add(5)
        seen.append(updated.count("ANALYZE rows"))
    assert seen == [0] + [1] * 6 + [2] * 11
    Statistics(db, metadata, None).add(1_000_000)
    assert updated.count("ANALYZE rows") == 2


def test_columns_of_no_rows():
    assert arrays([], 2) == ([], [])
    assert arrays([(1, "a"), (2, "b")], 2) == ([1, 2], ["a", "b"])

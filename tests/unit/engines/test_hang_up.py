"""The time of work ends when whoever wanted it has gone."""

from __future__ import annotations

import threading
import time

import pytest

from undercroft.conformance.limits import within
from undercroft.core import deadline
from undercroft.core.errors import UndercroftError
from undercroft.engines.sql import Database
from undercroft.engines.sql.options import EngineOptions

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def test_the_time_is_over_at_a_hang_up():
    hang_up = deadline.HangUp()
    with deadline.until(hang_up), deadline.within(100):
        assert (deadline.remaining() or 0) > 50
        hang_up.fire()
        assert deadline.remaining() == 0
    assert deadline.remaining() is None


def test_it_calls_those_who_wait_once_and_the_late_at_once():
    hang_up, called = deadline.HangUp(), []
    with hang_up.calls(lambda: called.append("gone")):
        pass
    with hang_up.calls(lambda: called.append("waiting")):
        hang_up.fire()
        hang_up.fire()
    with hang_up.calls(lambda: called.append("late")):
        pass
    assert called == ["waiting", "late"]


def test_a_statement_under_way_is_cut_off():
    database, hang_up = Database("sqlite:///:memory:", EngineOptions()), deadline.HangUp()
    timer = threading.Timer(0.2, hang_up.fire)
    timer.start()
    start = time.monotonic()
    with deadline.until(hang_up), deadline.within(60), pytest.raises(UndercroftError):
        database.read(lambda connection: connection.exec_driver_sql(ENDLESS).scalar_one())
    within(time.monotonic() - start, 10)
    timer.join()
    # The connection is good for the next.
    assert database.read(lambda connection: connection.exec_driver_sql("SELECT 1").scalar_one()) == 1
    database.close()

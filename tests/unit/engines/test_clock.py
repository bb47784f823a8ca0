"""The clock of an engine: read seldom, and moved by nothing that happens to this machine's."""

from __future__ import annotations

import datetime as dt
import time as monotonic

import pytest

from undercroft.core import time
from undercroft.engines import clock
from undercroft.engines.clock import EngineClock

AHEAD = dt.timedelta(hours=5)


class Engine:
    """Its clock is five hours ahead of ours; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self._begin = time.wall() - dt.timedelta(seconds=monotonic.monotonic())

    def read(self) -> dt.datetime:
        self.asked += 1
        return self._begin + dt.timedelta(seconds=monotonic.monotonic()) + AHEAD


@pytest.fixture
def server():
    yield Engine()
    time.bind(None)


def test_it_is_asked_once_a_minute(server, monkeypatch):
    found = EngineClock(server.read)
    assert abs(found.now() - time.wall() - AHEAD) < dt.timedelta(seconds=1)
    first = found.micros()
    assert found.micros() > first
    assert server.asked == 1
    monkeypatch.setattr(clock, "_AGE_NS", 0)
    found.now()
    assert server.asked == 2


def test_a_bound_clock_moves_it_and_a_jump_has_the_engine_asked_again(server, monkeypatch):
    found = EngineClock(server.read)
    moment = time.wall() + dt.timedelta(days=3)
    time.bind(lambda: moment)
    assert abs(found.now() - moment - AHEAD) < dt.timedelta(seconds=1)
    assert found.now() == found.now()
    wall = time.wall
    monkeypatch.setattr(time, "wall", lambda: wall() + dt.timedelta(days=1))
    assert abs(found.now() - moment - AHEAD + dt.timedelta(days=1)) < dt.timedelta(seconds=1)
    assert server.asked == 2

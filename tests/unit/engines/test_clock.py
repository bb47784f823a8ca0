"""The clock of an engine: read seldom, and moved by nothing that happens to this machine's."""

from __future__ import annotations

import datetime as dt
import time as monotonic
import types

import pytest

from undercroft.core import time
from undercroft.core.errors import Unavailable
from undercroft.engines import clock
from undercroft.engines.clock import EngineClock

AHEAD = dt.timedelta(hours=5)


class Engine:
    """Its clock is five hours ahead of ours; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_away = False
        self._begin = time.wall() - dt.timedelta(seconds=monotonic.monotonic())

    def read(self) -> dt.datetime:
        self.asked += 1
        if self.is_away:
            raise Unavailable("away")
        return self._begin + dt.timedelta(seconds=monotonic.monotonic()) + AHEAD


@pytest.fixture
def server():
    yield Engine()
    time.bind(None)


def test_it_is_asked_once_a_minute(server, monkeypatch):
    found = EngineClock(server.read)
    assert abs(found.now() - time.wall() - AHEAD) < dt.timedelta(seconds=1)
    first = found.micros()
    assert found.micros() >= first
    assert server.asked == 2
    monkeypatch.setattr(clock, "_AGE_NS", 0)
    found = EngineClock(server.read)
    found.now()
    found.now()
    assert server.asked == 5


def test_the_time_to_connect_is_not_a_part_of_a_reading(monkeypatch):
    gone = 0

    def read() -> dt.datetime:
        nonlocal gone
        gone += 400_000_000 if not gone else 2_000_000
        return time.from_micros(gone // 1_000)

    monkeypatch.setattr(clock, "monotonic", types.SimpleNamespace(monotonic_ns=lambda: gone))
    # Half of the second question, which took 2 ms, at most.
    assert abs(EngineClock(read).micros() - gone // 1_000) <= 1_000


def test_it_goes_on_while_its_server_is_away(server, monkeypatch):
    """Of a cluster, the servers that have a queue may answer, although the one whose clock it is does not."""
    server.is_away = True
    found = EngineClock(server.read)
    with pytest.raises(Unavailable):
        found.now()
    server.is_away = False
    monkeypatch.setattr(clock, "_AGE_NS", 0)
    first = found.micros()
    server.is_away = True
    assert found.micros() > first
    assert found.micros() > first
    assert server.asked == 4
    monkeypatch.setattr(clock, "_AGAIN_NS", 0)
    assert abs(found.now() - time.wall() - AHEAD) < dt.timedelta(seconds=1)
    server.is_away = False
    found._asks_at = 0
    found.now()
    assert server.asked == 5


def test_a_bound_clock_moves_it_and_a_jump_has_the_engine_asked_again(server, monkeypatch):
    found = EngineClock(server.read)
    moment = time.wall() + dt.timedelta(days=3)
    time.bind(lambda: moment)
    assert abs(found.now() - moment - AHEAD) < dt.timedelta(seconds=1)
    assert found.now() == found.now()
    wall = time.wall
    monkeypatch.setattr(time, "wall", lambda: wall() + dt.timedelta(days=1))
    assert abs(found.now() - moment - AHEAD + dt.timedelta(days=1)) < dt.timedelta(seconds=1)
    assert server.asked == 3

"""The task that deletes what is older than a time to live: in turns, and no further than it is told."""

from __future__ import annotations

import datetime as dt
import logging
import threading

import pytest

from undercroft.core import expiry, settings

BEFORE = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


class Kept:
    """A store of so many old things."""

    def __init__(self, things: int, stop: threading.Event | None = None) -> None:
        self.things = things
        self.turns = 0
        self._stop = stop

    def expiry(self, ttl: float) -> dt.datetime | None:
        return BEFORE if ttl > 0 else None

    def delete(self, _ttl: float) -> int:
        gone = min(self.things, 20_000)
        self.things -= gone
        self.turns += 1
        if self._stop is not None:
            self._stop.set()
        return gone


@pytest.fixture
def run(monkeypatch, caplog):
    """Run the task on a store, with a time to live; what it logged."""

    def call(store: Kept, ttl: str | None, stop: threading.Event | None = None) -> list[str]:
        if ttl is not None:
            monkeypatch.setenv("UNDERCROFT_METERING__TIME_TO_LIVE", ttl)
        settings.current.cache_clear()
        task = expiry.task("metering", "samples", lambda kept, seconds: kept.delete(seconds))
        assert (task.name, task.interval) == ("expire", "expire_interval")
        with caplog.at_level(logging.INFO):
            task.run(store, stop or threading.Event())
        return [record.getMessage() for record in caplog.records]

    yield call
    monkeypatch.undo()
    settings.current.cache_clear()


def test_in_turns_until_nothing_is_left(run):
    store = Kept(45_000)
    assert run(store, "90d") == [
        "samples that are older than [metering] time_to_live are being deleted",
        "expired samples are deleted",
    ]
    assert (store.things, store.turns) == (0, 4)


def test_a_stop_ends_it_after_the_turn(run):
    stop = threading.Event()
    store = Kept(45_000, stop)
    assert run(store, "90d", stop)[-1] == "stopped while deleting expired samples"
    assert (store.things, store.turns) == (25_000, 1)


def test_nothing_goes_unless_somebody_says_so(run):
    store = Kept(5)
    assert run(store, None) == ["everything is kept"]
    assert store.turns == 0

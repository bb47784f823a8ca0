"""Group commit, on a store whose transactions the test lets begin."""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import threading
import time

import pytest

from undercroft.core import deadline, registry
from undercroft.core.errors import InvalidInput, Unavailable
from undercroft.core.gather import Gatherer
from undercroft.events import Event, EventFilter, Trait

NOW = dt.datetime(2026, 1, 1)
SOON = 20


class Slow:
    """A store at whose door writers wait for the test."""

    def __init__(self, store):
        self.store = store
        self.arrived = threading.Semaphore(0)
        self.may_go_on = threading.Semaphore(0)
        self.sizes: list[int] = []
        self.fails: BaseException | None = None

    def store_events(self, events):
        self.arrived.release()
        self.may_go_on.acquire()
        self.sizes.append(len(events))
        if self.fails is not None:
            raise self.fails
        return self.store.store_events(events)


@pytest.fixture
def slow(tmp_path):
    store = registry.connect("events", f"sqlite:///{tmp_path}/events.db")
    store.upgrade()
    yield Slow(store)
    store.close()


@pytest.fixture
def threads():
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        yield pool


def event(name, traits=()):
    return Event(name, "t", NOW, list(traits), {})


def wait_until(condition):
    until = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.001)


def test_who_comes_while_the_store_is_at_work_goes_together(slow, threads):
    gatherer = Gatherer(slow.store_events, "events")
    first = threads.submit(gatherer.store, [event("first")])
    assert slow.arrived.acquire(timeout=SOON)
    others = [threads.submit(gatherer.store, [event(f"m{place}")]) for place in range(40)]
    wait_until(lambda: len(gatherer._queue) == 40)
    assert not first.done()
    slow.may_go_on.release(2)
    assert [len(each.result(SOON)) for each in [first, *others]] == [1] * 41
    assert slow.sizes == [1, 40]
    assert gatherer.batches == 2
    assert len(list(slow.store.get_events(EventFilter()))) == 41


def test_it_tells_how_many_wait(slow, threads):
    gatherer = Gatherer(slow.store_events, "events")
    told: list[int] = []
    gatherer.watch = told.append
    first = threads.submit(gatherer.store, [event("first")])
    assert slow.arrived.acquire(timeout=SOON)
    others = [threads.submit(gatherer.store, [event("a"), event("b")])]
    wait_until(lambda: told[-1] == 2)
    others.append(threads.submit(gatherer.store, [event("c")]))
    wait_until(lambda: told[-1] == 3)
    with deadline.within(0.2), pytest.raises(Unavailable, match="others"):
        gatherer.store([event("late")])
    slow.may_go_on.release(2)
    assert [len(each.result(SOON)) for each in [first, *others]] == [1, 2, 1]
    assert told == [0, 2, 3, 4, 3, 0]


def test_everybody_gets_the_own_outcomes(slow, threads):
    gatherer = Gatherer(slow.store_events, "events")
    slow.may_go_on.release(1_000)
    wrong = Trait("size", Trait.INT_TYPE, 2**70)

    def one(place):
        found = gatherer.store([event(f"a{place}"), event(f"b{place}", [wrong]), event(f"a{place}"), event("shared")])
        return [(each.is_new, type(each.error)) for each in found]

    found = list(threads.map(one, range(200)))
    for each in found:
        assert each[:3] == [(True, type(None)), (False, InvalidInput), (False, type(None))]
    assert sum(each[3][0] for each in found) == 1
    assert gatherer.batches < 200
    assert not gatherer._queue
    assert not gatherer._at_work


def test_the_stores_error_reaches_all_whose_events_it_was_given_and_the_next_go_on(slow, threads):
    gatherer = Gatherer(slow.store_events, "events")
    slow.fails = Unavailable("away")
    waiting = [threads.submit(gatherer.store, [event(f"m{place}")]) for place in range(5)]
    wait_until(lambda: len(gatherer._queue) == 4)
    slow.may_go_on.release(2)
    for each in waiting:
        assert str(each.exception(SOON)) == "away"
    slow.fails = None
    slow.may_go_on.release(1)
    assert [each.is_new for each in gatherer.store([event("later")])] == [True]


def test_a_transaction_is_not_of_any_size(slow, threads):
    gatherer = Gatherer(slow.store_events, "events")
    waiting = [threads.submit(gatherer.store, [event(f"m{place}/{number}") for number in range(900)]) for place in range(5)]
    wait_until(lambda: len(gatherer._queue) == 4)
    slow.may_go_on.release(5)
    for each in waiting:
        assert len(each.result(SOON)) == 900
    assert slow.sizes == [900, 1_800, 1_800]
    assert len(gatherer.store([])) == 0


def test_who_cannot_begin_in_half_of_the_time_is_told_so_and_stores_nothing(slow, threads):
    gatherer = Gatherer(slow.store_events, "events")
    first = threads.submit(gatherer.store, [event("first")])
    assert slow.arrived.acquire(timeout=SOON)
    began = time.monotonic()
    with deadline.within(0.4), pytest.raises(Unavailable, match="others"):
        gatherer.store([event("late")])
    assert time.monotonic() - began > 0.15
    slow.may_go_on.release(2)
    assert first.result(SOON)[0].is_new
    assert gatherer.store([event("next")])[0].is_new
    assert sorted(each.message_id for each in slow.store.get_events(EventFilter())) == ["first", "next"]


def test_who_was_taken_along_waits_for_the_end_of_the_time_and_is_told_that_it_is_not_known(slow, threads):
    gatherer = Gatherer(slow.store_events, "events")
    first = threads.submit(gatherer.store, [event("first")])
    assert slow.arrived.acquire(timeout=SOON)
    leader = threads.submit(gatherer.store, [event("leader")])
    wait_until(lambda: len(gatherer._queue) == 1)

    def limited():
        with deadline.within(3.0):
            return gatherer.store([event("taken")])

    taken = threads.submit(limited)
    wait_until(lambda: len(gatherer._queue) == 2)
    slow.may_go_on.release()
    assert slow.arrived.acquire(timeout=SOON)
    error = taken.exception(SOON)
    assert isinstance(error, Unavailable)
    assert "these events" in str(error)
    slow.may_go_on.release()
    assert [first.result(SOON)[0].is_new, leader.result(SOON)[0].is_new] == [True, True]
    assert slow.sizes == [1, 2]


def test_an_interrupted_writer_acknowledges_nothing_and_leaves_the_store_to_the_next(slow, threads):
    gatherer = Gatherer(slow.store_events, "events")
    slow.fails = KeyboardInterrupt()
    first = threads.submit(gatherer.store, [event("first")])
    assert slow.arrived.acquire(timeout=SOON)
    second = threads.submit(gatherer.store, [event("second")])
    wait_until(lambda: len(gatherer._queue) == 1)
    slow.may_go_on.release()
    assert isinstance(first.exception(SOON), KeyboardInterrupt)
    slow.fails = None
    slow.may_go_on.release()
    assert second.result(SOON)[0].is_new

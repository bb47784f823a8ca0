"""Calls that wait, on a driver of the test's own: who is woken, in which order, and what happens when the engine is away."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from undercroft.conformance.limits import within
from undercroft.core import deadline
from undercroft.core.errors import Unavailable
from undercroft.messaging.waiting import Hub, Key, Outlook, Signals, keeper
from undercroft.messaging.waiting.hub import Look
from undercroft.messaging.waiting.lanes import Waiter
from undercroft.messaging.waiting.room import Room

KEY = ("p", "q")
NONE = Outlook(is_free=False, seconds=None)
SETTLED = 0.1


class Bells(Signals):
    """Signals that the test gives; an error in their place is raised."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.given: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.is_closed = False

    def watch(self, keys: Sequence[Key]) -> Sequence[bool]:
        self.source.log += [("watch", *key) for key in keys]
        return [self.source.hears] * len(keys)

    def unwatch(self, keys: Sequence[Key]) -> None:
        self.source.log += [("unwatch", *key) for key in keys]

    def read(self, seconds: float | None) -> Sequence[tuple[Key, int]]:
        try:
            found = self.given.get(timeout=seconds)
        except queue.Empty:
            return ()
        if isinstance(found, Exception):
            raise found
        return [] if found is None else [found]

    def interrupt(self) -> None:
        self.given.put(None)

    def close(self) -> None:
        self.is_closed = True


class Source:
    """Messages as numbers, taken away one by one."""

    def __init__(self) -> None:
        self.hears = True
        self.away = False
        self.log: list[Any] = []
        self.bells: list[Bells] = []
        self.messages: list[int] = []
        self.outlook = NONE
        self.lock = threading.Lock()

    def connect(self) -> Bells:
        if self.away:
            raise Unavailable("away")
        self.bells.append(Bells(self))
        return self.bells[-1]

    def outlooks(self, keys: Sequence[Key]) -> Sequence[Outlook]:
        if self.away:
            raise Unavailable("away")
        self.log.append(("outlooks", len(keys)))
        return [Outlook(bool(self.messages), None)] * len(keys)

    def look(self, asks: bool) -> Look[int]:
        with self.lock:
            self.log.append(("look", asks))
            found = self.messages.pop(0) if self.messages else None
            return Look(found, self.outlook if asks else None, is_full=found is not None)

    @property
    def looks(self) -> int:
        return sum(each[0] == "look" for each in self.log)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def pool() -> Iterator[concurrent.futures.ThreadPoolExecutor]:
    with concurrent.futures.ThreadPoolExecutor(16) as found:
        yield found


@pytest.fixture
def hub(source: Source) -> Iterator[Hub]:
    found = Hub(10, source.connect, source.outlooks)
    yield found
    found.close()


@pytest.fixture
def deaf(source: Source) -> Iterator[Hub]:
    """Of an engine that tells nothing."""
    found = Hub(20, None, source.outlooks)
    yield found
    found.close()


def settle(seconds: float = SETTLED) -> None:
    threading.Event().wait(seconds)


def test_a_room_is_shared():
    room = Room(4, 2)
    with room.seat("a") as first, room.seat("a") as second:
        assert (first, second, room.taken) == (True, True, 2)
        with room.seat("a") as third, room.seat("b") as other, room.seat("c") as last, room.seat("d") as late:
            assert (third, other, last, late) == (False, True, True, False)
        with room.seat("b") as again:
            assert again
    assert room.taken == 0


def test_a_queue_is_watched_before_it_is_looked_at(source, hub):
    assert hub.wait(KEY, 0.1, source.look) is None
    assert source.log == [("watch", *KEY), ("look", True)]


def test_a_signal_wakes_as_many_as_there_are_messages(source, hub, pool):
    calls = []
    for _ in range(5):
        calls.append(pool.submit(hub.wait, KEY, 5, source.look))
        settle(0.03)
    # Those behind the first do not look: it would have found what there is.
    assert source.looks == 1
    source.messages += [1, 2]
    source.bells[0].given.put((KEY, 2))
    assert {calls[0].result(), calls[1].result()} == {1, 2}
    settle()
    # The second one handed on, because there might have been more.
    assert source.looks <= 4
    assert not any(call.done() for call in calls[2:])
    source.messages += [3]
    hub.signal(KEY, 1)
    assert calls[2].result() == 3
    hub.close()
    assert [call.result() for call in calls[3:]] == [None, None]


def test_one_that_leaves_something_wakes_the_next(source, hub, pool):
    calls = [pool.submit(hub.wait, KEY, 5, source.look) for _ in range(3)]
    settle()
    source.messages += [1, 2, 3]
    hub.signal(KEY, 1)
    assert sorted(call.result() for call in calls) == [1, 2, 3]


def test_one_that_fails_wakes_the_next(source, hub, pool):
    def fail(asks: bool) -> Look[int]:
        if source.messages:
            raise Unavailable("broken")
        found: Look[int] = source.look(asks)
        return found

    first = pool.submit(hub.wait, KEY, 5, fail)
    settle(0.05)
    second = pool.submit(hub.wait, KEY, 5, source.look)
    settle(0.05)
    source.messages.append(1)
    hub.signal(KEY, 1)
    with pytest.raises(Unavailable):
        first.result()
    assert second.result() == 1


def test_a_moment_that_comes_wakes_one(source, hub, pool):
    source.outlook = Outlook(is_free=False, seconds=0.3)
    call = pool.submit(hub.wait, KEY, 5, source.look)
    settle()
    began = time.monotonic()
    source.messages.append(1)
    assert call.result() == 1
    within(time.monotonic() - began, 2)  # 5 s if the timestamp is ignored


def test_what_another_one_has_locked_is_looked_at_again(source, hub):
    """Ever more seldom, and until it is gone."""
    source.outlook = Outlook(is_free=True, seconds=None)
    assert hub.wait(KEY, 1, source.look) is None
    assert 4 <= source.looks <= 10


def test_without_signals_all_queues_are_looked_at_together(source, deaf, pool):
    calls = [pool.submit(deaf.wait, ("p", f"q{n}"), 2, source.look) for n in range(8)]
    assert [call.result() for call in calls] == [None] * 8
    assert source.looks == 8
    asked = [count for name, count in (each for each in source.log if each[0] == "outlooks")]
    assert len(asked) <= 25
    assert max(asked) == 8


def test_without_signals_a_message_is_found(source, deaf, pool):
    call = pool.submit(deaf.wait, KEY, 5, source.look)
    settle(0.6)
    began = time.monotonic()
    source.messages.append(1)
    assert call.result() == 1
    within(time.monotonic() - began, 3)  # 5 s if the queues are not polled


def test_a_connection_that_is_lost(source, hub, pool):
    """Until there is another one, queues are looked at; what was missed is found."""
    call = pool.submit(hub.wait, KEY, 5, source.look)
    settle()
    source.bells[0].given.put(Unavailable("cut"))
    source.messages.append(1)
    assert call.result() == 1
    assert source.bells[0].is_closed
    call = pool.submit(hub.wait, KEY, 5, source.look)
    settle()
    source.messages.append(2)
    source.bells[-1].given.put((KEY, 1))
    assert call.result() == 2
    assert len(source.bells) == 2


def test_no_connection(source, hub, pool):
    def connect() -> Bells:
        raise Unavailable("no more connections")

    hub = Hub(10, connect, source.outlooks)
    call = pool.submit(hub.wait, KEY, 5, source.look)
    settle()
    source.messages.append(1)
    assert call.result() == 1
    hub.close()


def test_an_engine_that_is_away(source, hub, pool):
    call = pool.submit(hub.wait, KEY, 5, source.look)
    settle()
    source.away = True
    source.bells[0].given.put(Unavailable("cut"))
    with pytest.raises(Unavailable, match="away"):
        call.result()


def test_a_process_beyond_those_that_are_heard(source, hub, pool):
    source.hears = False
    call = pool.submit(hub.wait, KEY, 5, source.look)
    settle()
    source.messages.append(1)
    assert call.result() == 1


def test_readers_are_all_woken(source, hub, pool):
    seen = [False]

    def read(_asks: bool) -> Look[str]:
        return Look("found" if seen[0] else None, NONE)

    calls = [pool.submit(hub.wait, KEY, 5, read, reads=True) for _ in range(3)]
    settle()
    seen[0] = True
    hub.signal(KEY, 1)
    assert [call.result() for call in calls] == ["found"] * 3


def test_without_room_it_looks_once(source):
    hub = Hub(0, source.connect, source.outlooks)
    assert hub.wait(KEY, 5, source.look) is None
    source.messages.append(1)
    assert hub.wait(KEY, 5, source.look) == 1
    assert source.log == [("look", False)] * 2
    hub.close()


def test_a_client_that_hangs_up(source, hub, pool):
    over = deadline.HangUp()

    def wait() -> int | None:
        with deadline.waiting(over):
            found: int | None = hub.wait(KEY, 20, source.look)
            return found

    call = pool.submit(wait)
    behind = pool.submit(hub.wait, KEY, 5, source.look)
    settle()
    over.fire()
    assert call.result(1) is None
    # Not even looked for, once it has hung up.
    assert wait() is None
    source.messages.append(1)
    hub.signal(KEY, 1)
    assert behind.result() == 1


def test_the_thread_ends_when_nobody_waits(source, monkeypatch):
    monkeypatch.setattr(keeper, "_IDLE", 0.2)
    monkeypatch.setattr(keeper, "_LINGER", 0.1)
    hub = Hub(10, source.connect, source.outlooks)
    assert hub.wait(KEY, 0.05, source.look) is None
    settle(0.8)
    assert ("unwatch", *KEY) in source.log
    assert source.bells[0].is_closed
    assert not hub.is_awaited(KEY)
    # The next one begins anew.
    source.messages.append(1)
    assert hub.wait(KEY, 5, source.look) == 1
    assert len(source.bells) == 2
    hub.close()


def test_a_forked_process_has_nobody_waiting(source, hub, pool):
    call = pool.submit(hub.wait, KEY, 5, source.look)
    settle()
    child = os.fork()
    if not child:
        # Ends without the parent's tests, whatever happens.
        with contextlib.ExitStack() as stack:
            stack.callback(os._exit, 1)
            assert not hub.is_awaited(KEY)
            assert hub.wait(KEY, 0.2, source.look) is None
            assert hub.room.taken == 0
            hub.close()
            stack.pop_all()
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert hub.is_awaited(KEY)
    source.messages.append(1)
    hub.signal(KEY, 1)
    assert call.result() == 1


def test_what_is_kept_does_not_grow_with_the_calls(hub: Hub) -> None:
    found = Look("found", Outlook(is_free=False, seconds=60))
    for _ in range(500):
        assert hub.wait(KEY, 1, lambda _: found) == "found"
    assert len(hub._keeper._timetable._due) < 20


def test_who_comes_while_the_store_is_closed_does_not_wait(hub: Hub) -> None:
    hub.close()
    waiter = Waiter()
    lane, _ = hub._keeper.enter(KEY, waiter, reads=False)
    began = time.monotonic()
    assert not waiter.sleep(began + 20)
    within(time.monotonic() - began, 1)
    hub._keeper.leave(lane, waiter, hands_on=False)

"""Group commit: events that come one by one, from many threads, go to the store together.

A thread that finds the store at rest writes at once. Those that come while it writes are queued, and wait up to their deadline.
When the store is at rest again, the one with the most time left writes for as many as fit into one transaction. Each sleeps on a
lock of its own, so that a thread is woken once, by the one that has something for it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence

from undercroft.core import deadline
from undercroft.core.errors import Unavailable
from undercroft.events.contract import Outcome, Store
from undercroft.events.models import Event

# One transaction of the store.
_MOST = 2_000
# Events that may wait; whoever brings more is told to come again.
_MOST_WAITING = 20_000
# Seconds before its deadline at which a thread that still waits gives up: to begin later would take longer than there is.
_RESERVE = 0.5


class _Waiting:
    """What one thread wants stored, and what became of it."""

    __slots__ = ("called", "error", "events", "leads", "outcomes", "until")

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events
        left = deadline.remaining()
        self.until = math.inf if left is None else time.monotonic() + left
        self.leads = False
        self.outcomes: list[Outcome] | None = None
        self.error: Exception | None = None
        self.called = threading.Lock()
        self.called.acquire()

    def answer(self) -> list[Outcome]:
        if self.error is not None:
            raise self.error
        if self.outcomes is None:
            raise Unavailable("the store was at work on these events when the time was over; repeat this call")
        return self.outcomes


class Gatherer:
    """Shared by the threads of a process.

    Args:
        store: where the events go.

    Attributes:
        batches: transactions so far.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._guard = threading.Lock()
        self._queue: list[_Waiting] = []
        self._at_work = False
        self.batches = 0

    def store_events(self, events: Sequence[Event]) -> list[Outcome]:
        """Store events; durable when this returns, see `Store.store_events`.

        Raises:
            Unavailable: they are not stored, or the time of this call ended before that was known. Repeat it.
        """
        mine = _Waiting(events)
        with self._guard:
            waiting = sum(len(each.events) for each in self._queue)
            if waiting and waiting + len(events) > _MOST_WAITING:
                raise Unavailable(f"{waiting:,} events wait for the store; repeat this call")
            self._queue.append(mine)
            if not self._at_work:
                self._at_work = mine.leads = True
        if not mine.leads:
            self._wait(mine)
        if mine.leads:
            self._write(mine)
        return mine.answer()

    def _wait(self, mine: _Waiting) -> None:
        """Sleep until the events are stored, or it is upon this thread to store them."""
        left = deadline.remaining()
        if left is None:
            mine.called.acquire()
            return
        reserve = min(_RESERVE, left / 4)
        if not mine.called.acquire(timeout=left - reserve):
            with self._guard:
                if mine in self._queue and not mine.leads:
                    self._queue.remove(mine)
                    raise Unavailable("the store is at work on others' events; repeat this call")
            mine.called.acquire(timeout=reserve)

    def _write(self, mine: _Waiting) -> None:
        with self._guard:
            taken = self._next()
            self._queue = self._queue[len(taken) :]
        try:
            outcomes = iter(self._store.store_events([event for each in taken for event in each.events]))
            for each in taken:
                each.outcomes = [next(outcomes) for _ in each.events]
        except Exception as error:  # noqa: BLE001 - those whose events these are get it
            for each in taken:
                each.error = error
        finally:
            with self._guard:
                self.batches += 1
                self._at_work = bool(self._queue)
                if self._queue:
                    # Its deadline is that of all whom it takes along.
                    leader = max(self._next(), key=lambda each: each.until)
                    leader.leads = True
                    leader.called.release()
            for each in taken:
                if each is not mine:
                    each.called.release()

    def _next(self) -> list[_Waiting]:
        """The first of the queue, and those behind it who fit into one transaction."""
        size = places = 0
        for each in self._queue:
            size += len(each.events)
            if places and size > _MOST:
                break
            places += 1
        return self._queue[:places]

"""Group commit: items that come one by one, from many threads, go to the store together.

A thread that finds the store at rest writes at once. Those that come while it writes are queued, and wait up to their deadline.
When the store is at rest again, the one with the most time left writes for as many as fit into one transaction. Each sleeps on a
lock of its own, so that a thread is woken once, by the one that has something for it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from undercroft.core import deadline
from undercroft.core.errors import Unavailable

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

# One transaction of the store.
_MOST = 2_000
# Items that may wait; whoever brings more is told to come again.
_MOST_WAITING = 20_000
# Seconds before its deadline at which a thread that still waits gives up: to begin later would take longer than there is.
_RESERVE = 0.5


class _Waiting(Generic[Item, Outcome]):
    """What one thread wants stored, and what became of it."""

    __slots__ = ("called", "error", "items", "leads", "outcomes", "until")

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        left = deadline.remaining()
        self.until = math.inf if left is None else time.monotonic() + left
        self.leads = False
        self.outcomes: list[Outcome] | None = None
        self.error: Exception | None = None
        self.called = threading.Lock()
        self.called.acquire()

    def answer(self, things: str) -> list[Outcome]:
        if self.error is not None:
            raise self.error
        if self.outcomes is None:
            raise Unavailable(f"the store was at work on these {things} when the time was over; repeat this call")
        return self.outcomes


def _unwatched(_waiting: int) -> None:
    """Tell nobody."""


class Gatherer(Generic[Item, Outcome]):
    """Shared by the threads of a process.

    Args:
        store: stores a list durably, in one transaction where it fits, and gives what became of each item; safe to repeat.
        things: what the items are, in the plural, for messages.

    Attributes:
        batches: how often `store` was called so far.
        watch: is told how many items wait for their turn, each time that this changes; short, as others wait for it.
    """

    def __init__(self, store: Callable[[list[Item]], list[Outcome]], things: str) -> None:
        self._store = store
        self._things = things
        self._guard = threading.Lock()
        self._queue: list[_Waiting[Item, Outcome]] = []
        self._at_work = False
        self.batches = 0
        self.watch: Callable[[int], None] = _unwatched

    def store(self, items: Sequence[Item]) -> list[Outcome]:
        """Store items, together with those of other threads; durable when this returns.

        Returns:
            what became of each.

        Raises:
            Unavailable: they are not stored, or the time of this call ended before that was known. Repeat it.
        """
        mine: _Waiting[Item, Outcome] = _Waiting(items)
        with self._guard:
            waiting = self._backlog()
            if waiting and waiting + len(items) > _MOST_WAITING:
                raise Unavailable(f"{waiting:,} {self._things} wait for the store; repeat this call")
            self._queue.append(mine)
            if self._at_work:
                self.watch(waiting + len(items))
            else:
                self._at_work = mine.leads = True
        if not mine.leads:
            self._wait(mine)
        if mine.leads:
            self._write(mine)
        return mine.answer(self._things)

    def _wait(self, mine: _Waiting[Item, Outcome]) -> None:
        """Sleep until the items are stored, or until this thread has to store them."""
        left = deadline.remaining()
        if left is None:
            mine.called.acquire()
            return
        reserve = min(_RESERVE, left / 4)
        if not mine.called.acquire(timeout=left - reserve):
            with self._guard:
                if mine in self._queue and not mine.leads:
                    self._queue.remove(mine)
                    self.watch(self._backlog())
                    raise Unavailable(f"the store is at work on others' {self._things}; repeat this call")
            mine.called.acquire(timeout=reserve)

    def _write(self, mine: _Waiting[Item, Outcome]) -> None:
        with self._guard:
            taken = self._next()
            self._queue = self._queue[len(taken) :]
            self.watch(self._backlog())
        try:
            outcomes = iter(self._store([item for each in taken for item in each.items]))
            for each in taken:
                each.outcomes = [next(outcomes) for _ in each.items]
        except Exception as error:  # noqa: BLE001 - those whose items these are get it
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

    def _backlog(self) -> int:
        return sum(len(each.items) for each in self._queue)

    def _next(self) -> list[_Waiting[Item, Outcome]]:
        """The first of the queue, and those behind it who fit into one transaction."""
        size = places = 0
        for each in self._queue:
            size += len(each.items)
            if places and size > _MOST:
                break
            places += 1
        return self._queue[:places]

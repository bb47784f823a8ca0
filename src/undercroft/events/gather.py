"""Group commit: events that come one by one, from many threads, go to the store together.

Nobody waits for others to come: who finds the store at rest writes at once. Whoever comes meanwhile is queued; the first of the
queue is called to write when the store is at rest again, and takes all the others along. Each sleeps on a lock of its own, so that
a thread is woken once, by the one that has something for it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from undercroft.core import deadline
from undercroft.core.errors import Unavailable
from undercroft.events.contract import Outcome, Store
from undercroft.events.models import Event

# One transaction of the store.
_MOST = 2_000


class _Waiting:
    """What one thread wants stored, and what became of it."""

    __slots__ = ("called", "error", "events", "leads", "outcomes")

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events
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
            self._queue.append(mine)
            if not self._at_work:
                self._at_work = mine.leads = True
        if not mine.leads:
            self._wait(mine)
        if mine.leads:
            self._write()
        return mine.answer()

    def _wait(self, mine: _Waiting) -> None:
        """Sleep until the events are stored, or it is upon this thread to store them."""
        left = deadline.remaining()
        if left is None:
            mine.called.acquire()
        elif not mine.called.acquire(timeout=left / 2):
            with self._guard:
                # The store keeps everybody waiting: to begin after half of the time would take longer than there is.
                if mine in self._queue and not mine.leads:
                    self._queue.remove(mine)
                    raise Unavailable("the store is at work on others' events; repeat this call")
            mine.called.acquire(timeout=left / 2)

    def _write(self) -> None:
        with self._guard:
            taken = self._take()
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
                    self._queue[0].leads = True
                    self._queue[0].called.release()
            # The first is this thread's own.
            for each in taken[1:]:
                each.called.release()

    def _take(self) -> list[_Waiting]:
        """The first of the queue, and those behind it who fit into one transaction."""
        size = places = 0
        for each in self._queue:
            size += len(each.events)
            if places and size > _MOST:
                break
            places += 1
        taken, self._queue = self._queue[:places], self._queue[places:]
        return taken

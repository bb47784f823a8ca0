"""Group commit: events that come one by one, from many threads, go to the store together.

Nobody waits for others to come: who finds the store at rest writes at once, and takes along whatever has come meanwhile.
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

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events
        self.outcomes: list[Outcome] = []
        self.error: Exception | None = None
        self.done = threading.Event()


class Gatherer:
    """Shared by the threads of a process.

    Args:
        store: where the events go.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turn = threading.Lock()
        self._queue: list[_Waiting] = []
        self._guard = threading.Lock()
        self.batches = 0

    def store_events(self, events: Sequence[Event]) -> list[Outcome]:
        """Store events; durable when this returns, see `Store.store_events`.

        Raises:
            Unavailable: they are not stored, or the time of this call ended before that was known. Repeat it.
        """
        mine = _Waiting(events)
        with self._guard:
            self._queue.append(mine)
        whole = deadline.remaining()
        while not mine.done.is_set():
            if not self._turn.acquire(timeout=-1 if whole is None else whole / 2):
                self._give_up(mine)
                break
            try:
                left = deadline.remaining()
                if not mine.done.is_set() and whole is not None and left is not None and left < whole / 2:
                    # The store keeps everybody waiting: to begin now would take longer than there is time.
                    self._give_up(mine)
                elif not mine.done.is_set():
                    self._write()
            finally:
                self._turn.release()
        if mine.error is not None:
            raise mine.error
        return mine.outcomes

    def _give_up(self, mine: _Waiting) -> None:
        with self._guard:
            if mine in self._queue:
                self._queue.remove(mine)
        mine.error = mine.error or Unavailable("the store is at work on others' events; repeat this call")
        mine.done.set()

    def _write(self) -> None:
        with self._guard:
            taken: list[_Waiting] = []
            size = 0
            while self._queue and (not taken or size + len(self._queue[0].events) <= _MOST):
                taken.append(self._queue.pop(0))
                size += len(taken[-1].events)
        try:
            outcomes = iter(self._store.store_events([event for each in taken for event in each.events]))
            for each in taken:
                each.outcomes = [next(outcomes) for _ in each.events]
        except Exception as error:  # noqa: BLE001 - those whose events these are get it
            for each in taken:
                each.error = error
        finally:
            self.batches += 1
            for each in taken:
                each.done.set()

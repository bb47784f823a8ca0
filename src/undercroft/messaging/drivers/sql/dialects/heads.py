"""Where a queue's front was: a hint that keeps claims from going again through what earlier ones have passed.

An index keeps the entries of rows that have changed for as long as any transaction of the server could still see them. Without a
hint a claim goes through all of them, which beside an old snapshot are more with each claim.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

from undercroft.messaging.drivers.sql.dialects.base import FRESH, Lane

# Claims after which is looked again; fewer are enough when so many milliseconds have passed.
_CLAIMS, _FEW, _AGE = 64, 8, 1_000
# Milliseconds after which the moments are looked at from the start.
_ANEW = 10_000
# A release is dated back, and a transaction takes its time: what comes back may have a moment that is a little behind.
_MARGIN = 5_000
# Queues that are remembered.
_QUEUES = 10_000


class Head(NamedTuple):
    """No message below `place` was never claimed; none comes back that has a moment of `low` or before."""

    place: int
    low: int


_NOWHERE = Head(0, FRESH)


class _Known:
    """What is known of one queue."""

    __slots__ = ("anew", "claims", "head", "looked")

    def __init__(self, now: int) -> None:
        self.head = _NOWHERE
        self.claims = 0
        self.looked = now
        self.anew = now


class Heads:
    """The heads of a process. A head may be too low, which costs time only, and is never too high.

    Args:
        look: the first place that may have a message that was never claimed, none below it appears later; and the first moment
            behind the one given when a message comes back, None for none. Takes the queue, and the head as it is.
    """

    def __init__(self, look: Callable[[Lane, int, int, int], tuple[int, int | None]]) -> None:
        self._look = look
        self._known: dict[Lane, _Known] = {}
        self._lock = threading.Lock()

    def known(self, lane: Lane) -> Head:
        """The head of a queue as it was found last."""
        with self._lock:
            known = self._known.get(lane)
            return _NOWHERE if known is None else known.head

    def of(self, lane: Lane, now: int) -> Head:
        """The head of a queue, which is looked for now and then."""
        with self._lock:
            known = self._known.get(lane)
            if known is None:
                if len(self._known) >= _QUEUES:
                    self._known.clear()
                known = self._known[lane] = _Known(now)
            known.claims += 1
            if known.claims < _FEW or (known.claims < _CLAIMS and abs(now - known.looked) < _AGE):
                return known.head
            known.claims, known.looked = 0, now
            is_anew = abs(now - known.anew) > _ANEW
            if is_anew:
                known.anew = now
            head = known.head
        place, again = self._look(lane, head.place, FRESH if is_anew else head.low, now)
        found = Head(max(head.place, place), max(FRESH, min(now if again is None else again, now) - _MARGIN))
        with self._lock:
            known.head = found
        return found

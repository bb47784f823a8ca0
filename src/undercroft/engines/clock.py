"""The clock of an engine, known here without asking it each time."""

from __future__ import annotations

import datetime as dt
import time as monotonic
from collections.abc import Callable
from typing import NamedTuple

from undercroft.core import deadline, time
from undercroft.core.errors import Unavailable

# How long a reading is gone by, and when the engine is asked again where it did not answer.
_AGE_NS, _AGAIN_NS = 60 * 10**9, 5 * 10**9
# Seconds that it may take to answer, where there is a reading to go by.
_ANSWERS = 1.0
# Where our clock is moved, the difference of both clocks is rounded to this, in microseconds: readings of one clock differ a
# little, more on a busy machine, and what is due at a moment has to be due for every object that asks.
_STEP = 100_000
# By what this machine's clock has to part from the monotonic one to have been set, in microseconds.
_JUMP = 500_000


class _Reading(NamedTuple):
    """A moment of the monotonic clock in nanoseconds; what this machine's said then, and the engine's, in microseconds."""

    began: int
    ours: int
    theirs: int


class EngineClock:
    """An engine's clock, read twice at the first use and once a minute; in between it goes on by the monotonic clock.

    So a jump of this machine's clock changes nothing, and while the server whose clock it is does not answer, others may.
    The result goes to statements as a parameter: tests and hosts that move our clock move everything, and exactly, since a host's
    may count whole seconds. Threads may share it.

    Args:
        read: asks the engine for its moment.
    """

    def __init__(self, read: Callable[[], dt.datetime]) -> None:
        self._ask = read
        self._known: _Reading | None = None
        self._asks_at = 0

    def now(self) -> dt.datetime:
        """The engine's moment."""
        return time.from_micros(self.micros())

    def micros(self) -> int:
        """The same in microseconds since 1970."""
        known = self._known
        if known is None or (time.is_bound() and _has_jumped(known)):
            known = self._read()
        elif monotonic.monotonic_ns() > self._asks_at:
            known = self._read_again(known)
        if time.is_bound():
            return time.to_micros(time.now()) + (known.theirs - known.ours + _STEP // 2) // _STEP * _STEP
        return known.theirs + (monotonic.monotonic_ns() - known.began) // 1_000

    def _read_again(self, known: _Reading) -> _Reading:
        """A new reading, or the one that is known where there is none."""
        # One thread asks: the others go on with what is known.
        self._asks_at = monotonic.monotonic_ns() + _AGAIN_NS
        try:
            with deadline.within(_ANSWERS):
                return self._read()
        except Unavailable:
            return known

    def _read(self) -> _Reading:
        if self._known is None:
            # The first answer may include the time to connect, of which the reading would be off by a half.
            self._ask()
        before = monotonic.monotonic_ns()
        theirs = time.to_micros(self._ask())
        half = (monotonic.monotonic_ns() - before) // 2
        self._known = found = _Reading(before + half, time.to_micros(time.wall()) - half // 1_000, theirs)
        self._asks_at = found.began + _AGE_NS
        return found


def _has_jumped(known: _Reading) -> bool:
    """Whether this machine's clock was set since a reading."""
    gone = (monotonic.monotonic_ns() - known.began) // 1_000
    return abs(time.to_micros(time.wall()) - known.ours - gone) > _JUMP

"""Those that wait for one queue, in the order in which they came."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from typing import NamedTuple

# A project, and the name of a queue.
Key = tuple[str, str]
NEVER = float("inf")
# The most seconds between two looks at a queue of which nothing is heard; each pause is twice as long as the one before.
FIRST_PAUSE, LAST_PAUSE = 0.5 / 2**5, 0.5


class Waiter:
    """A call that waits. It is woken and rests under the hub's lock.

    Attributes:
        is_over: whether it is to wait no longer, whatever its time.
        is_woken: whether it was woken, and has not looked yet.
        error: why nothing can be found out about its queue.
    """

    __slots__ = ("_event", "error", "is_over", "is_woken")

    def __init__(self) -> None:
        self._event = threading.Event()
        self.is_over = False
        self.is_woken = False
        self.error: Exception | None = None

    def wake(self) -> None:
        """Let it look."""
        self.is_woken = True
        self._event.set()

    def end(self) -> None:
        """Let it wait no longer."""
        self.is_over = True
        self._event.set()

    def fail(self, error: Exception) -> None:
        """Let it raise this error."""
        self.error = error
        self._event.set()

    def rest(self) -> None:
        """To be called before it looks: what wakes it from now on is for its next look."""
        self.is_woken = False
        self._event.clear()

    def sleep(self, ends: float) -> bool:
        """Wait until it is woken; False when its time is over.

        Args:
            ends: a moment of the monotonic clock.

        Raises:
            UndercroftError: the engine does not answer.
        """
        if not self.is_over and self.error is None:
            self._event.wait(max(0.0, ends - time.monotonic()))
        if self.error is not None:
            # It is raised by others, too.
            raise self.error.with_traceback(None)
        return self.is_woken and not self.is_over


class Lane:
    """One queue. Its methods are called under the hub's lock.

    Attributes:
        key: the queue.
        is_ready: whether it is known if signals come.
        is_heard: whether signals of what is posted to it come.
        wakes_at: when a delay or a claim ends next, as far as it is known.
        looks_at: when to look at it, although nothing was heard.
        leaves_at: when it is forgotten, unless somebody comes.
        entered_at: its moment in the timetable.
    """

    __slots__ = ("_claimers", "_readers", "entered_at", "is_heard", "is_ready", "key", "leaves_at", "looks_at", "pause", "wakes_at")

    def __init__(self, key: Key, *, is_ready: bool) -> None:
        self.key = key
        self.is_ready = is_ready
        self.is_heard = False
        self.wakes_at = self.looks_at = self.leaves_at = self.entered_at = NEVER
        self.pause = FIRST_PAUSE
        # A woken one keeps its place until it finds something.
        self._claimers: dict[Waiter, None] = {}
        self._readers: dict[Waiter, None] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nobody waits."""
        return not self._claimers and not self._readers

    @property
    def has_claimers(self) -> bool:
        """Whether somebody waits who takes messages away."""
        return bool(self._claimers)

    @property
    def due(self) -> float:
        """When there is something to be done with it."""
        return min(self.wakes_at, self.looks_at, self.leaves_at)

    def add(self, waiter: Waiter, *, reads: bool) -> None:
        """Somebody begins to wait."""
        (self._readers if reads else self._claimers)[waiter] = None
        self.leaves_at = NEVER

    def remove(self, waiter: Waiter) -> None:
        """Somebody waits no longer."""
        self._claimers.pop(waiter, None)
        self._readers.pop(waiter, None)

    def wake(self, count: int) -> None:
        """Wake all that read, and so many of those that take messages away: those that have waited longest.

        One that is awake already is one of them: it wakes the next when it leaves something, so that nobody is overtaken.
        """
        self.wake_readers()
        self.wake_claimers(count)

    def wake_claimers(self, count: int) -> None:
        """Wake so many of those that take messages away."""
        for waiter in itertools.islice(self._claimers, count):
            waiter.wake()

    def wake_readers(self) -> None:
        """Wake all that only read."""
        for waiter in self._readers:
            waiter.wake()

    def fail(self, error: Exception) -> None:
        """Let all of them raise this error."""
        for waiter in (*self._claimers, *self._readers):
            waiter.fail(error)

    def end(self) -> None:
        """Let nobody wait any longer."""
        for waiter in (*self._claimers, *self._readers):
            waiter.end()

    def expect(self, seconds: float) -> None:
        """A delay or a claim ends then."""
        # Moments of engines are whole milliseconds.
        self.wakes_at = min(self.wakes_at, time.monotonic() + seconds + 0.002)

    def pace(self) -> None:
        """Look again after a pause, longer than the one before."""
        # At multiples of it, so that several queues are looked at together.
        self.looks_at = (time.monotonic() // self.pause + 1) * self.pause
        self.pause = min(2 * self.pause, LAST_PAUSE)


class Timetable:
    """When there is something to be done with which queue. Used under the hub's lock.

    A queue has one entry that counts, the earliest: the moments of busy queues come closer and go further away all the time, and an
    entry for each of them would be there until it is due.
    """

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Lane]] = []
        self._numbers = itertools.count()

    @property
    def first(self) -> float:
        """The next moment."""
        return self._due[0][0] if self._due else NEVER

    def add(self, lane: Lane) -> float:
        """Enter a queue with its moment as it is now, which is given back."""
        due = lane.due
        if due < lane.entered_at:
            lane.entered_at = due
            heapq.heappush(self._due, (due, next(self._numbers), lane))
        return due

    def pop(self, now: float) -> Lane | None:
        """A queue whose moment has come; None for none."""
        while self._due and self._due[0][0] <= now:
            moment, _, lane = heapq.heappop(self._due)
            if moment != lane.entered_at:
                continue
            lane.entered_at = NEVER
            if lane.due <= now:
                return lane
            self.add(lane)
        return None


class Plan(NamedTuple):
    """What is to be done next: queues to be watched, looked at, and watched no longer; whether it connects first."""

    fresh: list[Lane]
    polled: list[Lane]
    gone: list[Key]
    connects: bool

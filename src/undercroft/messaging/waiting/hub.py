"""What lets calls wait, within bounds."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

from undercroft.core import deadline
from undercroft.core.errors import Unavailable
from undercroft.messaging.waiting.keeper import Keeper
from undercroft.messaging.waiting.lanes import Key, Waiter
from undercroft.messaging.waiting.room import Room
from undercroft.messaging.waiting.signals import Outlook, Signals

T = TypeVar("T")

# Looks of a process at once: those that were woken together must not have all connections.
_LOOKS = 8
# How long a call waits until its queue is watched.
_SOON = 1.0


class Look(NamedTuple, Generic[T]):
    """What a look at a queue found.

    Attributes:
        found: what was waited for; None for nothing.
        outlook: what those go on to wait for that still wait, as far as it is known.
        is_full: whether there may be more than was found, for the next one that waits.
    """

    found: T | None
    outlook: Outlook | None = None
    is_full: bool = False


class Hub:
    """Those that wait for the queues of one store, in this process.

    Args:
        most: how many may wait.
        connect: opens what the engine wakes us with; None where it tells nothing.
        outlooks: what queues have, in one statement.
    """

    def __init__(
        self,
        most: int,
        connect: Callable[[], Signals] | None,
        outlooks: Callable[[Sequence[Key]], Sequence[Outlook]],
    ) -> None:
        self._most = most
        self._connect = connect
        self._outlooks = outlooks
        self.begin()
        _all.add(self)

    def begin(self) -> None:
        """Begin without waiting calls; a forked process has none of its parent's threads."""
        self._turns = threading.BoundedSemaphore(_LOOKS)
        self._keeper = Keeper(self._connect, self._outlooks)
        self.room = Room(self._most, max(1, self._most // 2))

    # -- waiting ---------------------------------------------------------------------------------------------------

    def wait(self, key: Key, seconds: float, look: Callable[[bool], Look[T]], *, reads: bool = False) -> T | None:
        """Look at a queue until something is found or the timeout expires. Without a free waiter slot it looks once.

        Args:
            key: the queue.
            seconds: how long.
            look: looks; its argument says whether the outlook is asked for.
            reads: whether it takes nothing away, so that what wakes it wakes the others, too.

        Raises:
            Unavailable: the engine does not answer.
        """
        ends = time.monotonic() + seconds
        over = deadline.wait_over()
        with self.room.seat(key[0]) as has_seat:
            if not has_seat or self._keeper.is_closed or (over is not None and over.fired):
                return look(False).found
            waiter = Waiter()
            with contextlib.nullcontext() if over is None else over.calls(waiter.end):
                return self._wait(key, waiter, ends, look, reads=reads)

    def _wait(self, key: Key, waiter: Waiter, ends: float, look: Callable[[bool], Look[T]], *, reads: bool) -> T | None:
        lane, is_behind = self._keeper.enter(key, waiter, reads=reads)
        hands_on = True
        try:
            if is_behind:
                # Others wait for what this one would look for, and have it before.
                is_over = not waiter.sleep(ends)
            else:
                # Watched before the first look, so that no post falls in between.
                is_over = False
                if not lane.is_ready:
                    waiter.sleep(min(ends, time.monotonic() + _SOON))
            while not is_over:
                self._keeper.rest(waiter)
                with self._turn():
                    seen = look(lane.is_heard)
                self._keeper.settle(lane, seen.outlook, reads=reads)
                if seen.found is not None:
                    hands_on = seen.is_full
                    return seen.found
                is_over = not waiter.sleep(ends)
            hands_on = False
        finally:
            self._keeper.leave(lane, waiter, hands_on=hands_on)
        return None

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        left = deadline.remaining()
        if not self._turns.acquire(timeout=left):
            raise Unavailable("the time for this request was over before it could look into the queue; try again")
        try:
            yield
        finally:
            self._turns.release()

    # -- what wakes ------------------------------------------------------------------------------------------------

    def is_awaited(self, key: Key) -> bool:
        """Whether somebody waits for a queue in this process, or did just now."""
        return key in self._keeper.lanes

    def signal(self, key: Key, count: int) -> None:
        """A queue has so many messages more that may be claimed."""
        if self.is_awaited(key):
            self._keeper.signal(key, count)

    def expect(self, key: Key, seconds: float) -> None:
        """A queue has more that may be claimed by then: a delay ends, or a claim."""
        if self.is_awaited(key):
            self._keeper.expect(key, seconds)

    def close(self) -> None:
        """Let nobody wait any longer, and give the connection back."""
        self._keeper.close()


_all: weakref.WeakSet[Hub] = weakref.WeakSet()


def _after_fork() -> None:
    for each in list(_all):
        each.begin()


# Before any thread of the child: two that came first would begin twice, and one of them be told of nothing.
os.register_at_fork(after_in_child=_after_fork)

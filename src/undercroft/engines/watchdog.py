"""Cuts off statements whose deadline has passed, also when the server no longer answers at all.

A server's own statement timeout needs a server that can be reached, and TCP's timeouts a network that says no. So one thread of
the process watches the connections in use: when time is over, it has the dialect cut the connection off (a socket is shut down,
SQLite interrupted), and the thread that waits for an answer gets an error at once, which becomes `Disconnected` or `Unavailable`
like any other broken connection.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from undercroft.core import deadline


class _Watch:
    """Something to be done at a moment, unless it is called off."""

    __slots__ = ("cut", "lock", "over")

    def __init__(self, cut: Callable[[], None]) -> None:
        self.cut = cut
        self.over = False
        self.lock = threading.Lock()

    def fire(self) -> None:
        with self.lock:
            if not self.over:
                self.over = True
                self.cut()

    def call_off(self) -> None:
        # Under the lock: once this returns, the connection may go back to the pool and serve somebody else.
        with self.lock:
            self.over = True


class Watchdog:
    """One thread that does things at their moments; it starts with the first of them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: list[tuple[float, int, _Watch]] = []
        self._numbers = itertools.count()
        self._process = 0

    @contextlib.contextmanager
    def watch(self, seconds: float, cut: Callable[[], None]) -> Iterator[None]:
        """Call `cut` from another thread when the block takes longer than `seconds`, or when its client hangs up."""
        one = _Watch(cut)
        hang_up = deadline.hang_up()
        with self._changed:
            self._start()
            heapq.heappush(self._queue, (time.monotonic() + seconds, next(self._numbers), one))
            if self._queue[0][2] is one:
                self._changed.notify()
        try:
            with contextlib.nullcontext() if hang_up is None else hang_up.calls(one.fire):
                yield
        finally:
            one.call_off()

    def _start(self) -> None:
        # A forked process has none of its parent's threads.
        if self._process != os.getpid():
            self._process = os.getpid()
            self._queue.clear()
            threading.Thread(target=self._run, name="undercroft-deadlines", daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._queue:
                    self._changed.wait()
                wait = self._queue[0][0] - time.monotonic()
                if wait > 0 and not self._queue[0][2].over:
                    self._changed.wait(wait)
                    continue
                _, _, due = heapq.heappop(self._queue)
            due.fire()


_watchdog = Watchdog()


@contextlib.contextmanager
def limited(connection: Any, cut: Callable[[Any], None]) -> Iterator[None]:
    """Cut `connection` off when the deadline of the work at hand passes within the block; nothing when it has none.

    Args:
        connection: of the client library, in use by this thread.
        cut: ends what it waits for, called from another thread.
    """
    left = deadline.remaining()
    if left is None:
        yield
        return
    with _watchdog.watch(left, lambda: cut(connection)):
        yield


@contextlib.contextmanager
def unless_hung_up(connection: Any, cut: Callable[[Any], None]) -> Iterator[None]:
    """Cut `connection` off when its client hangs up within the block; the time is seen to by whoever uses it."""
    hang_up = deadline.hang_up()
    if hang_up is None:
        yield
        return
    one = _Watch(lambda: cut(connection))
    try:
        with hang_up.calls(one.fire):
            yield
    finally:
        one.call_off()

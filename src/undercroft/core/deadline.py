"""How long the work at hand may take: set once where a request comes in, asked wherever something is waited for.

The limit is a moment of the monotonic clock, kept in a context variable: what is called within the block sees it, other threads
do not. Nothing is limited outside a block. A `HangUp` ends the time early: whoever wanted the result has gone.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
from collections.abc import Callable, Iterator

from undercroft.core.errors import Unavailable

_limit: contextvars.ContextVar[float | None] = contextvars.ContextVar("undercroft_deadline", default=None)


class HangUp:
    """Ends the time of work from another thread, once.

    Attributes:
        fired: whether it has.
    """

    def __init__(self) -> None:
        self.fired = False
        self._lock = threading.Lock()
        self._calls: dict[object, Callable[[], None]] = {}

    def fire(self) -> None:
        """End the time, and call what waits for that."""
        with self._lock:
            self.fired = True
            calls, self._calls = list(self._calls.values()), {}
        for call in calls:
            call()

    @contextlib.contextmanager
    def calls(self, call: Callable[[], None]) -> Iterator[None]:
        """Call `call`, from another thread, when it fires within the block; at once when it has fired."""
        key = object()
        with self._lock:
            late = self.fired
            if not late:
                self._calls[key] = call
        if late:
            call()
        try:
            yield
        finally:
            with self._lock:
                self._calls.pop(key, None)


_hang_up: contextvars.ContextVar[HangUp | None] = contextvars.ContextVar("undercroft_hang_up", default=None)


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give the block `seconds`, or what an outer block has left when that is less."""
    mine = time.monotonic() + seconds
    outer = _limit.get()
    token = _limit.set(mine if outer is None else min(mine, outer))
    try:
        yield
    finally:
        _limit.reset(token)


@contextlib.contextmanager
def holding(lock: threading.Lock, seconds: float, late: Callable[[], Exception]) -> Iterator[None]:
    """Hold a lock in the block; to wait for it belongs to the block's `seconds`.

    Raises:
        Exception: what `late` gives: others have held it all the time.
    """
    with within(seconds):
        if not lock.acquire(timeout=remaining() or 0):
            raise late()
        try:
            yield
        finally:
            lock.release()


@contextlib.contextmanager
def until(hang_up: HangUp | None) -> Iterator[None]:
    """End the time of the block's work when `hang_up` fires; for work whose effect nobody needs, never for writing."""
    token = _hang_up.set(hang_up)
    try:
        yield
    finally:
        _hang_up.reset(token)


_wait: contextvars.ContextVar[HangUp | None] = contextvars.ContextVar("undercroft_wait", default=None)


@contextlib.contextmanager
def waiting(over: HangUp | None) -> Iterator[None]:
    """Let what waits in the block for something to happen give up when `over` fires; statements under way go on."""
    token = _wait.set(over)
    try:
        yield
    finally:
        _wait.reset(token)


def wait_over() -> HangUp | None:
    """What ends a wait for something to happen."""
    return _wait.get()


def hang_up() -> HangUp | None:
    """What may end the time of the work at hand early."""
    return _hang_up.get()


def remaining() -> float | None:
    """Seconds left, 0 when the time is over; None when there is no limit."""
    early = _hang_up.get()
    if early is not None and early.fired:
        return 0.0
    limit = _limit.get()
    return None if limit is None else max(0.0, limit - time.monotonic())


def check() -> None:
    """To be called between the steps of work of our own, which no engine cuts off.

    Raises:
        Unavailable: the time is over.
    """
    if remaining() == 0:
        raise Unavailable("the time for this request was over before it was done; ask for less at once, or try again")

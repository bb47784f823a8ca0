"""How long the work at hand may take: set once where a request comes in, asked wherever something is waited for.

The limit is a moment of the monotonic clock, kept in a context variable: what is called within the block sees it, other threads
do not. Nothing is limited outside a block.
"""

from __future__ import annotations

import contextlib
import contextvars
import time
from collections.abc import Iterator

from undercroft.core.errors import Unavailable

_limit: contextvars.ContextVar[float | None] = contextvars.ContextVar("undercroft_deadline", default=None)


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


def remaining() -> float | None:
    """Seconds left, 0 when the time is over; None when there is no limit."""
    limit = _limit.get()
    return None if limit is None else max(0.0, limit - time.monotonic())


def check() -> None:
    """To be called between the steps of work of our own, which no engine cuts off.

    Raises:
        Unavailable: the time is over.
    """
    if remaining() == 0:
        raise Unavailable("the time for this request was over before it was done; ask for less at once, or try again")

"""Deletions that are long, in parts that others need not wait for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# Seconds that a part may hold the write lock, and that it then leaves to others; rows of the first part, and of the largest.
_HELD, _FREE = 0.3, 0.02
_FIRST, _MOST = 500, 20_000
_pause = threading.Event()


def wait(seconds: float) -> None:
    """Leave the store to others for a time that they need."""
    _pause.wait(seconds)


def leave(took: float) -> None:
    """Let others have their turn after a transaction of so many seconds: they wait for its lock, and would seldom be faster."""
    _pause.wait(min(took, _FREE))


def delete(part: Callable[[int], int], count: int | None) -> int:
    """Delete in parts, each as large as keeps others waiting no longer than a part of a second.

    Args:
        part: deletes at most so many in a transaction; how many it found.
        count: the most that all parts together delete; None for no limit.

    Returns:
        how many were deleted.
    """
    deleted, size, took = 0, _FIRST, 0.0
    while count is None or deleted < count:
        leave(took)
        most = size if count is None else min(size, count - deleted)
        began = time.monotonic()
        found = part(most)
        deleted += found
        if found < most:
            break
        took = time.monotonic() - began
        size = max(1, min(_MOST, size * 2 if took < _HELD / 2 else size // 2 if took > _HELD else size))
    return deleted

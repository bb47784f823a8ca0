"""How many calls may wait."""

from __future__ import annotations

import collections
import contextlib
import threading
from collections.abc import Iterator


class Room:
    """A bounded number of seats.

    Args:
        most: how many calls may wait.
        share: how many of them may wait for the queues of one project.
    """

    def __init__(self, most: int, share: int) -> None:
        self.most = most
        self.share = share
        self._lock = threading.Lock()
        self._taken: collections.Counter[str] = collections.Counter()
        self._total = 0

    @property
    def taken(self) -> int:
        """How many wait."""
        return self._total

    @contextlib.contextmanager
    def seat(self, project: str) -> Iterator[bool]:
        """The block, with a seat: True; False where there is none left, or the project has its share."""
        with self._lock:
            has_seat = self._total < self.most and self._taken[project] < self.share
            if has_seat:
                self._total += 1
                self._taken[project] += 1
        try:
            yield has_seat
        finally:
            if has_seat:
                self._leave(project)

    def _leave(self, project: str) -> None:
        with self._lock:
            self._total -= 1
            self._taken[project] -= 1
            if not self._taken[project]:
                del self._taken[project]

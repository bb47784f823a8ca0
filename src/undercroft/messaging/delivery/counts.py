"""What a process has done for subscribers."""

from __future__ import annotations

import threading
from typing import NamedTuple


class Counts(NamedTuple):
    """Numbers of notifications.

    Attributes:
        handed: posts to lanes, one for each message and subscription.
        delivered: taken by their receivers.
        failed: not taken, and to be tried again.
        dropped: given up: the receiver refused them, or the retry policy is over.
        expired: over before they could be sent, or not agreed to.
    """

    handed: int = 0
    delivered: int = 0
    failed: int = 0
    dropped: int = 0
    expired: int = 0

    def since(self, before: Counts) -> Counts:
        """What has been added."""
        return Counts(*(now - then for now, then in zip(self, before, strict=True)))


class Tally:
    """Counts by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = Counts()

    def add(self, counts: Counts) -> None:
        """Add what was done."""
        with self._lock:
            self._counts = Counts(*(sum(pair) for pair in zip(self._counts, counts, strict=True)))

    @property
    def now(self) -> Counts:
        """What was done up to now."""
        return self._counts

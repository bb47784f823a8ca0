"""How many requests are worked on at once, and for how long: long ones have a small budget of their own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from undercroft.core import deadline
from undercroft.core.errors import Unavailable

# Seconds to wait for a turn; by then the client is better told to come again.
_PATIENCE = 0.5


class Busy(Unavailable):
    """So many requests are under way that this one was not begun."""


class Budget:
    """A bounded number of turns.

    Args:
        turns: how many requests may be under way.
        seconds: how long each may take.
        patience: how long to wait for a turn, in seconds.
    """

    def __init__(self, turns: int, seconds: float, patience: float = _PATIENCE) -> None:
        self.turns = turns
        self.seconds = seconds
        self.patience = patience
        self._free = threading.BoundedSemaphore(turns)

    def take(self) -> None:
        """Take a turn; `give` ends it.

        Raises:
            Busy: none is free.
        """
        if not self._free.acquire(timeout=self.patience):
            raise Busy(f"{self.turns} requests of this kind are under way; try again")

    def give(self) -> None:
        """End a turn."""
        self._free.release()

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """The block, within a turn and its deadline."""
        self.take()
        try:
            with deadline.within(self.seconds):
                yield
        finally:
            self.give()

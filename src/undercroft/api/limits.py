"""How many requests are worked on at once, and for how long: long ones have a small budget of their own."""

from __future__ import annotations

import collections
import contextlib
import threading
from collections.abc import Iterator

from undercroft.core import deadline
from undercroft.core.errors import Unavailable

# Seconds to wait for a turn; by then the client is better told to come again.
_PATIENCE = 0.5


class Busy(Unavailable):
    """So many requests are under way that this one was not begun."""

    _public = None


class SlowBody(Unavailable):
    """The body of a request did not come in time; nothing of it was used."""

    http = 408
    _public = None


class Turn:
    """A turn that was taken. It may be ended early, by whoever goes on to wait for others; to end it again does nothing."""

    def __init__(self, budget: Budget, owner: str | None) -> None:
        self._budget: Budget | None = budget
        self._owner = owner

    def end(self) -> None:
        """Let another request have it."""
        budget, self._budget = self._budget, None
        if budget is not None:
            budget.give(self._owner)


class Budget:
    """A bounded number of turns.

    Args:
        turns: how many requests may be under way.
        seconds: how long each may take.
        patience: how long to wait for a turn, in seconds.
        share: how many of the turns one owner may have; None for all.
    """

    def __init__(self, turns: int, seconds: float, patience: float = _PATIENCE, share: int | None = None) -> None:
        self.turns = turns
        self.seconds = seconds
        self.patience = patience
        self.share = share
        self._free = threading.BoundedSemaphore(turns)
        self._guard = threading.Lock()
        self._held: collections.Counter[str] = collections.Counter()

    def take(self, owner: str | None = None, patience: float | None = None) -> Turn:
        """Take a turn.

        Args:
            owner: whose it is, where shares are kept; None has no share to keep to.
            patience: how long to wait for it, in seconds; that of the budget when None.

        Raises:
            Busy: none is free, or the owner has as many as one may.
        """
        if not self._free.acquire(timeout=self.patience if patience is None else patience):
            raise Busy(f"{self.turns} requests of this kind are under way; try again")
        if self.share is not None and owner is not None:
            with self._guard:
                has_all = self._held[owner] >= self.share
                if not has_all:
                    self._held[owner] += 1
            if has_all:
                self._free.release()
                raise Busy(
                    f"{self.share} long requests of your project are under way, as many as one project may have; "
                    "end one of them, or try again when one has ended"
                )
        return Turn(self, owner)

    def give(self, owner: str | None = None) -> None:
        """End a turn."""
        if self.share is not None and owner is not None:
            with self._guard:
                self._held[owner] -= 1
                if not self._held[owner]:
                    del self._held[owner]
        self._free.release()

    @contextlib.contextmanager
    def turn(self, patience: float | None = None) -> Iterator[Turn]:
        """The block, within a turn and its deadline, which covers the wait for the turn."""
        with deadline.within(self.seconds):
            taken = self.take(patience=patience)
            try:
                yield taken
            finally:
                taken.end()

"""Connections outside the pool that go from one single statement to the next."""

from __future__ import annotations

import os
import threading

import sqlalchemy as sa


class AtHand:
    """Open connections without a transaction, the one that was used last first. Shared by threads.

    Args:
        most: how many are kept; more go back to the pool.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: list[sa.Connection] = []
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._is_closed = False

    def take(self) -> sa.Connection | None:
        """One of them, for the caller alone; None where there is none."""
        with self._lock:
            if self._process != os.getpid():
                # A forked process must not touch its parent's; they are the parent's to close.
                self._inherited, self._kept, self._process = self._kept, [], os.getpid()
            return self._kept.pop() if self._kept else None

    def give(self, connection: sa.Connection) -> None:
        """Keep a connection whose statement is done, or give it back to the pool."""
        with self._lock:
            if len(self._kept) < self._most and not self._is_closed:
                self._kept.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Give all back, and those that are in use when they come."""
        with self._lock:
            self._is_closed = True
            kept, self._kept = self._kept, []
        for connection in kept:
            connection.close()

"""Connections that are kept for the next request to the same place: a bounded number, for a bounded time."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

# Connections that are kept, all in all and of one place; and for how many seconds: unused, and at most.
_MOST, _MOST_EACH, _IDLE, _OLD = 256, 32, 15.0, 60.0


class Connection(Protocol):
    """What can be kept.

    Attributes:
        born: when it was made, by the monotonic clock.
        used: when it was used last.
    """

    born: float
    used: float

    def is_quiet(self) -> bool:
        """Whether it can still be used."""
        ...

    def shut(self) -> None:
        """End it."""
        ...


C = TypeVar("C", bound=Connection)


class Keeping(Generic[C]):
    """Connections that are not in use at the moment, by their place.

    Args:
        idle: seconds that one is kept without being used.
        old: seconds that one is kept at all, so that a new address of a name is found.
        most: how many are kept.
    """

    def __init__(self, idle: float = _IDLE, old: float = _OLD, most: int = _MOST) -> None:
        self._idle, self._old, self._most = idle, old, most
        self._turn = threading.Lock()
        self._kept: dict[Hashable, list[C]] = {}
        self._count = 0

    def take(self, place: Hashable) -> C | None:
        """One to the place, which belongs to the caller."""
        while True:
            with self._turn:
                kept = self._kept.get(place)
                if not kept:
                    return None
                found = kept.pop()
                self._count -= 1
                if not kept:
                    del self._kept[place]
            if self._is_fresh(found) and found.is_quiet():
                return found
            found.shut()

    def put(self, place: Hashable, connection: C) -> None:
        """Keep one, or end it where there are enough."""
        connection.used = time.monotonic()
        with self._turn:
            ended = self._stale() if self._count >= self._most else []
            if self._count < self._most and len(self._kept.get(place, ())) < _MOST_EACH and self._is_fresh(connection):
                self._kept.setdefault(place, []).append(connection)
                self._count += 1
            else:
                ended.append(connection)
        for each in ended:
            each.shut()

    def _is_fresh(self, connection: C) -> bool:
        now = time.monotonic()
        return now - connection.used < self._idle and now - connection.born < self._old

    def _stale(self) -> list[C]:
        """Those that were kept too long, which are kept no more."""
        ended: list[C] = []
        for place, kept in list(self._kept.items()):
            fresh: list[C] = []
            for each in kept:
                (fresh if self._is_fresh(each) else ended).append(each)
            self._kept[place] = fresh
            if not fresh:
                del self._kept[place]
        self._count -= len(ended)
        return ended

    def close(self) -> None:
        """End all."""
        with self._turn:
            kept, self._kept, self._count = self._kept, {}, 0
        for connection in (each for connections in kept.values() for each in connections):
            connection.shut()

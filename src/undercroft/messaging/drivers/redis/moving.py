"""Messages that go to another queue, in steps, since that may be on another server.

The source queue moves them to its outgoing hash, the target queue stores each of them once, and the source queue then deletes them.
Every claim and every cleaning sends outgoing messages again, so that a move continues after a process has died.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from undercroft.engines.redis import Redis
from undercroft.messaging.drivers.redis.script import load

REDRIVE, WAITING = load("redrive.lua", "move.lua"), load("waiting.lua", "move.lua")
RECEIVE, ARRIVED = load("receive.lua"), load("arrived.lua")
# Bytes and messages that are sent at once.
_ROOM, _AT_ONCE = 4 * 2**20, 1_000
# What a script gives of a message on its way: its place, the name of the queue that it goes to, what that takes.
_FIELDS = 3


class Sent(NamedTuple):
    """A message on its way."""

    place: bytes
    target: bytes
    packed: bytes


class Queues(Protocol):
    """What is asked of the store; see there."""

    redis: Redis

    def now(self) -> int: ...
    def base(self, project: str, name: str) -> str: ...
    def made(self, project: str, name: str) -> str: ...
    def enter(self, project: str, name: str, inc: bytes) -> None: ...


class Mover:
    """Moves messages between the queues of a project.

    Args:
        store: the store.
    """

    def __init__(self, store: Queues) -> None:
        self._store = store

    def send(self, queue: str, project: str, inc: bytes, found: Sequence[bytes]) -> None:
        """Bring what is on its way to where it goes; `found` is what a script gives of it."""
        sent = sorted(Sent(*found[first : first + _FIELDS]) for first in range(0, len(found), _FIELDS))
        base = self._store.base(project, queue)
        for part in _parts(sent):
            self._receive(part[0].target.decode(), project, [each.packed for each in part])
            self._store.redis.run(ARRIVED, base, inc, *(each.place for each in part))

    def receive(self, queue: str, project: str, packed: Sequence[bytes]) -> None:
        """Store messages that came from another store, each once."""
        for part in _parts([Sent(b"", queue.encode(), each) for each in packed]):
            self._receive(queue, project, [each.packed for each in part])

    def _receive(self, target: str, project: str, packed: Sequence[bytes]) -> None:
        base, now, run = self._store.base(project, target), self._store.now(), self._store.redis.run
        inc, listed = run(RECEIVE, base, now, b"", *packed) or run(RECEIVE, base, now, self._store.made(project, target), *packed)
        if not listed:
            self._store.enter(project, target, inc)

    def resend(self, queue: str, project: str) -> None:
        """Bring what another process has left on its way to where it goes."""
        while (found := self._store.redis.run(WAITING, self._store.base(project, queue))) is not None:
            self.send(queue, project, *found)

    def redrive(self, queue: str, target: str, project: str, limit: int) -> int:
        """Move the first messages that are free; how many."""
        base, moved = self._store.base(project, queue), 0
        while moved < limit:
            wanted = min(limit - moved, _AT_ONCE)
            found = self._store.redis.run(REDRIVE, base, self._store.now(), target, wanted, _ROOM)
            if found is None:
                return moved
            inc, count, more, waiting = found
            self.send(queue, project, inc, waiting)
            if not count and not more:
                return moved
            moved += count
        return moved


def _parts(sent: Sequence[Sent]) -> list[list[Sent]]:
    """The messages by their target, in their order, and not too large at once."""
    parts: list[list[Sent]] = []
    size = 0
    for each in sorted(sent, key=lambda one: one.target):
        if not parts or parts[-1][-1].target != each.target or size >= _ROOM or len(parts[-1]) >= _AT_ONCE:
            parts.append([])
            size = 0
        parts[-1].append(each)
        size += len(each.packed)
    return parts

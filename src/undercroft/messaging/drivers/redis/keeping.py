"""What goes over all queues: removing what has expired, telling how full they are, removing everything."""

from __future__ import annotations

import abc
import heapq
import threading
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from undercroft.engines.redis import Call, Script
from undercroft.messaging.drivers.redis import rows
from undercroft.messaging.drivers.redis.register import Entry, Register
from undercroft.messaging.drivers.redis.script import load
from undercroft.messaging.drivers.redis.store import Store
from undercroft.messaging.models import Depth, Depths

LOOK = Script.of(__package__, "look.lua", reads=True)
CLEAN, STATS = load("clean.lua", "move.lua"), load("stats.lua")
# Queues of one round trip, for which others wait: some milliseconds. Those that a call looks at, whatever it finds.
_AT_ONCE, _LOOKED = 100, 20_000
# Messages after which a call of `clean` ends; queues that are cleaned in one round trip, and how far each.
_ENOUGH, _TOGETHER, _PART = 1_000, 2, 1_000
# Messages after which `collect` ends.
_MOST = 100_000
# Milliseconds within which a queue is made after it was entered.
COMING = 600_000
# Queues that are counted exactly, as candidates for the fullest.
_CANDIDATES = 1_000


class Swept(NamedTuple):
    """What a part of a sweep did: messages that it removed, queues that it looked at."""

    removed: int
    looked: int


class Sweeper(abc.ABC):
    """Goes over the queues of a register, one part after the other: how far it has come is kept in the store.

    Args:
        store: the store.
        register: names the queues.
    """

    def __init__(self, store: Store, register: Register) -> None:
        self._store = store
        self._register = register
        self._cursor = f"{register.base}:cursor"

    def collect(self) -> None:
        """Remove what has expired from every queue, or as much of it as one call may."""
        removed = idle = 0
        while removed < _MOST:
            part = self.sweep()
            removed += part.removed
            idle = 0 if part.removed else idle + part.looked
            if idle >= self._register.count():
                return
            threading.Event().wait(0.001)

    def sweep(self) -> Swept:
        """Look at the queues behind those of the last call, all of them where they are few, and clean those that need it."""
        redis, base = self._store.redis, self._register.base
        left, looked, removed = min(self._register.count(), _LOOKED), 0, 0
        if not left:
            return Swept(0, 0)
        after = redis.command(base, "GET", self._cursor) or b""
        while looked < left and removed < _ENOUGH:
            page = self._register.page(after, min(_AT_ONCE, left - looked))
            if not page and not after:
                break
            gone = self._part(page, _ENOUGH - removed)
            removed += gone
            if removed < _ENOUGH:
                looked += len(page)
                after = page[-1].member if page else b""
        redis.command(base, "SET", self._cursor, after, writes=True)
        return Swept(removed, looked)

    @abc.abstractmethod
    def _part(self, page: Sequence[Entry], enough: int) -> int:
        """Clean a page of queues until enough is removed; how many messages went."""

    def _base(self, entry: Entry) -> str:
        return self._store.base(entry.project, entry.name)


class Keeper(Sweeper):
    """Cleans the queues of a store.

    Args:
        store: the store.
        register: names the queues.
    """

    def _part(self, page: Sequence[Entry], enough: int) -> int:
        found = self._store.redis.run_many([Call(LOOK, self._base(entry), (self._store.now(),)) for entry in page])
        due = []
        for entry, look in zip(page, found, strict=True):
            self._mend(entry, None if look is None else look[0])
            if look is not None and look[1]:
                due.append(entry)
        removed = 0
        while due and removed < enough:
            some, due = due[:_TOGETHER], due[_TOGETHER:]
            done = self._store.redis.run_many([Call(CLEAN, self._base(entry), (self._store.now(), _PART)) for entry in some])
            for entry, one in zip(some, done, strict=True):
                if one is None:
                    continue
                count, more, inc, waiting = one
                removed += count
                if waiting:
                    self._store.mover.send(entry.name, entry.project, inc, waiting)
                if more:
                    due.append(entry)
        return removed

    def _mend(self, entry: Entry, inc: bytes | None) -> None:
        """Let the register say what the queue says."""
        if inc is None:
            if entry.named < self._store.now() - COMING:
                self._register.remove(entry.project, entry.name, entry.inc, self._base(entry))
        elif inc != entry.inc:
            self._register.add(entry.project, entry.name, inc, self._base(entry), lives=True)


class Gauge:
    """Finds the fullest queues. Where there are more than a call looks at, it looks at others each time, and knows the fullest.

    Args:
        store: the store.
        register: names the queues.
    """

    def __init__(self, store: Store, register: Register) -> None:
        self._store = store
        self._register = register
        self._after = b""
        self._known: list[Entry] = []

    def depths(self, limit: int) -> Depths:
        """What is counted of at most `limit` queues, the fullest first."""
        if not limit:
            return Depths([], 0)
        entries = {entry.member: entry for entry in (*self._known, *self._next())}
        sizes = self._sizes(entries.values())
        self._known = heapq.nlargest(max(limit, _CANDIDATES), sizes, key=lambda entry: sizes[entry])
        found = sorted(self._counted(self._known), key=lambda depth: (-depth.free - depth.claimed, depth.project, depth.queue))
        gone = len(self._known) - len(found)
        return Depths(found[:limit], max(0, self._register.count() - gone - len(found[:limit])))

    def _next(self) -> list[Entry]:
        found: list[Entry] = []
        while len(found) < _LOOKED:
            page = self._register.page(self._after, _AT_ONCE)
            found += page
            self._after = page[-1].member if len(page) == _AT_ONCE else b""
            if not self._after:
                break
        return found

    def _sizes(self, entries: Iterable[Entry]) -> dict[Entry, int]:
        """How many messages each has, expired ones that are not removed yet among them."""
        found: dict[Entry, int] = {}
        for some in _parts(list(entries)):
            bases = [(self._store.base(entry.project, entry.name), entry.inc.decode()) for entry in some]
            counts = self._store.redis.commands([(base, ("ZCARD", f"{base}:{inc}:all")) for base, inc in bases])
            found |= zip(some, counts, strict=True)
        return found

    def _counted(self, entries: Sequence[Entry]) -> list[Depth]:
        found: list[Depth] = []
        for some in _parts(entries):
            now = self._store.now()
            calls = [Call(STATS, self._store.base(entry.project, entry.name), (now,)) for entry in some]
            for entry, count in zip(some, self._store.redis.run_many(calls), strict=True):
                if count is not None:
                    depth = self._store.stats(entry.project, entry.name) if count == 1 else rows.stats(count, now)
                    age = 0 if depth.oldest is None else depth.oldest.age
                    found.append(Depth(entry.project, entry.name, depth.free, depth.claimed, age))
        return found


def _parts(entries: Sequence[Entry]) -> list[Any]:
    return [entries[first : first + _AT_ONCE] for first in range(0, len(entries), _AT_ONCE)]


def drop(store: Store) -> None:
    """Remove every key of the namespace."""
    some: list[str] = []
    for key in store.redis.scan(f"{{{store.options.namespace}:*"):
        some.append(key.decode())
        if len(some) == _AT_ONCE:
            store.redis.unlink(some)
            some = []
    store.redis.unlink(some)

"""The outbox in Redis.

A message is entered by the script that stores it, in the slot of its queue, and so it is in a place that only who knows the queue
finds: a register has the queues that have subscriptions, each from before its first one is made. When subscriptions are due is kept
in the register's slot.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from undercroft.core.errors import Unavailable
from undercroft.engines.redis import Call, Script
from undercroft.engines.redis.script import Word
from undercroft.messaging import contract
from undercroft.messaging.drivers.redis import rows
from undercroft.messaging.drivers.redis.keeping import COMING, Gauge, Sweeper, Swept
from undercroft.messaging.drivers.redis.register import Entry
from undercroft.messaging.drivers.redis.script import load
from undercroft.messaging.drivers.redis.store import Store
from undercroft.messaging.drivers.redis.subscriptions import LIVES
from undercroft.messaging.models import Depths, Due, Posted, Subscribed

LOOK = load("outbox_look.lua", "entries.lua", reads=True)
TAKE, REMOVE, CLEAN = (load(f"outbox_{name}.lua", "entries.lua", "groups.lua") for name in ("take", "remove", "clean"))
COUNT = load("outbox_count.lua", "entries.lua", "groups.lua", reads=True)
DUE, WAKE, SETTLE, PASS_OVER = (Script.of(__package__, f"{name}.lua") for name in ("due", "wake", "settle", "pass_over"))
T = TypeVar("T")
# Queues that are looked at in one round trip; bytes that one of them gives at once.
_AT_ONCE, _ROOM = 500, 4 * 2**20
# Subscriptions, or messages, of one script.
_PART = 1_000
# Groups of messages that a script looks through for what has expired.
_GROUPS = 100
# What a script gives of a message: its group, its id, its value.
_FIELDS = 3


class Ticket(NamedTuple):
    """Names an entry: the group of messages that it was posted with, and its own id."""

    group: bytes
    id: bytes


class Looked(NamedTuple):
    """What is in the outbox of a queue.

    Attributes:
        free: groups that may be taken.
        messages: how many there are, those that were taken are among these.
        has_expired: messages have expired, and may be removed.
        is_idle: there is neither a message nor a live subscription.
    """

    free: int
    messages: int
    has_expired: int
    is_idle: int


class Outbox(contract.Outbox):
    """The outbox of a data driver."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._store: Store = driver.store
        self._gauge = Gauge(self._store, self._store.lanes)
        # Where the last call of `take` came to, so that no queue is always behind others.
        self._after = b""

    # -- entries ---------------------------------------------------------------------------------------------------

    def take(self, limit: int, seconds: int) -> Sequence[Posted]:
        found: list[Posted] = []
        for page in self._pages():
            full = deque((entry, each.messages) for entry, each in _looked(self._store, page) if each.free)
            while full and len(found) < limit:
                # Of as many queues as are needed.
                some, left = [], limit - len(found)
                while full and left > 0:
                    entry, count = full.popleft()
                    some.append((entry, left))
                    left -= count
                found += self._taken(some, seconds)
                self._after = some[-1][0].member
            if len(found) >= limit:
                break
        return found

    def _pages(self) -> Iterator[Sequence[Entry]]:
        """The queues that have subscriptions, those first that are behind the place where the last call ended."""
        register, start = self._store.subscribed, self._after
        first = register.page(b"", _AT_ONCE)
        if len(first) < _AT_ONCE:
            yield sorted(first, key=lambda entry: entry.member <= start)
            return
        yield from register.pages(_AT_ONCE, start)
        for page in register.pages(_AT_ONCE):
            before = [entry for entry in page if entry.member <= start]
            yield before
            if len(before) < len(page):
                return

    def _taken(self, queues: Sequence[tuple[Entry, int]], seconds: int) -> list[Posted]:
        now = self._store.now()
        ends = now + seconds * 1000
        calls = [Call(TAKE, _base(self._store, entry), (now, limit, _ROOM, ends)) for entry, limit in queues]
        found: list[Posted] = []
        # What one server has given is not to wait until its time is over since another one is away.
        for (entry, _), taken in _answered(queues, self._store.redis.run_each(calls)):
            for group, own, value in zip(*(taken[each::_FIELDS] for each in range(_FIELDS)), strict=True):
                ttl, expires, body = rows.entry(value)
                found.append(Posted(Ticket(group, own), entry.project, entry.name, own.decode(), ttl, expires, body))
        return found

    def remove(self, posted: Sequence[Posted]) -> None:
        queues: dict[tuple[str, str], list[Ticket]] = {}
        for each in posted:
            queues.setdefault((each.project, each.queue), []).append(each.ticket)
        calls = [
            Call(REMOVE, self._store.base(*queue), tuple(word for ticket in tickets[first : first + _PART] for word in ticket))
            for queue, tickets in queues.items()
            for first in range(0, len(tickets), _PART)
        ]
        self._store.redis.run_many(calls)

    def waiting(self) -> int:
        return sum(count for count, _ in counts(self._store))

    # -- subscriptions that are due --------------------------------------------------------------------------------

    def wake(self, subscribed: Sequence[Subscribed], at: int | None = None) -> None:
        now = self._store.now()
        for first in range(0, len(subscribed), _PART):
            part = [_member(each) for each in subscribed[first : first + _PART]]
            members = [each for each, lives in _living(self._store, part) if lives]
            if members:
                self._run(WAKE, now if at is None else at, *members)

    def due(self, limit: int, seconds: int) -> Sequence[Due]:
        now = self._store.now()
        found = self._run(DUE, now, limit, now + seconds * 1000)
        return [Due(_subscribed(each), ticket) for each, ticket in zip(found[::2], found[1::2], strict=True)]

    def settle(self, due: Due, at: int | None) -> bool:
        return bool(self._run(SETTLE, _member(due.subscribed), due.ticket, "" if at is None else at))

    def _run(self, script: Script, *arguments: Word) -> Any:
        return self._store.redis.run(script, self._store.subscribed.base, *arguments)

    def backlog(self, limit: int) -> Depths:
        return self._gauge.depths(limit)


class Outboxes(Sweeper):
    """Removes what has expired from outboxes, and what is kept of queues and subscriptions that have nothing to be looked for.

    Args:
        store: the store.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store, store.subscribed)
        self._passed = 0

    def sweep(self) -> Swept:
        redis, base, due = self._store.redis, self._register.base, f"{self._register.base}:due"
        # Most of them may live: others follow the next time.
        found = redis.command(base, "ZRANGE", due, self._passed, self._passed + _PART - 1)
        gone = [each for each, lives in _living(self._store, found) if not lives]
        if gone:
            redis.run(PASS_OVER, base, *gone)
        self._passed = self._passed + len(found) - len(gone) if len(found) == _PART else 0
        return super().sweep()

    def _part(self, page: Sequence[Entry], enough: int) -> int:
        removed, aged = 0, self._store.now() - COMING
        for entry, each in _looked(self._store, page):
            more = each.has_expired
            while more and removed < enough:
                count, more = self._store.redis.run(CLEAN, self._base(entry), self._store.now(), _GROUPS)
                removed += count
            # Its first subscription may be about to be made.
            if each.is_idle and entry.named < aged:
                self._register.strike(entry)
        return removed


def counts(store: Store) -> Iterator[tuple[int, int]]:
    """Messages of each outbox, and about when the first one was posted (0 for none)."""
    for page in store.subscribed.pages(_AT_ONCE):
        now = store.now()
        yield from store.redis.run_many([Call(COUNT, _base(store, entry), (now, _GROUPS)) for entry in page])


def _looked(store: Store, page: Sequence[Entry]) -> Iterator[tuple[Entry, Looked]]:
    """What is in the outboxes of queues; one round trip a server."""
    calls = [Call(LOOK, _base(store, entry), (store.now(),)) for entry in page]
    return ((entry, Looked(*found)) for entry, found in _answered(page, store.redis.run_each(calls)))


def _base(store: Store, entry: Entry) -> str:
    return store.base(entry.project, entry.name)


def _living(store: Store, members: Sequence[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Whether subscriptions are there, and have not expired; also those of a server that is away. One round trip a server."""
    now = store.now()
    calls = [
        Call(LIVES, store.base(project, queue), (now, subscription)) for project, queue, subscription in map(_subscribed, members)
    ]
    return zip(members, map(bool, store.redis.run_each(calls)), strict=True)


def _answered(asked: Sequence[T], answers: Sequence[Any]) -> Iterator[tuple[T, Any]]:
    """What was asked with its answer, without what is on servers that are away; raises where that is all."""
    away = [answer for answer in answers if isinstance(answer, Unavailable)]
    if away and len(away) == len(answers):
        raise away[0]
    return ((each, answer) for each, answer in zip(asked, answers, strict=True) if not isinstance(answer, Unavailable))


def _subscribed(member: bytes) -> Subscribed:
    return Subscribed(*member.decode().split("\0"))


def _member(subscribed: Subscribed) -> bytes:
    return "\0".join(subscribed).encode()

"""Examining what a store of messages holds."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from undercroft.core.findings import Finding, error, ok, warning
from undercroft.engines.redis import Call
from undercroft.messaging.drivers.redis.outbox import LOOK, Looked, counts
from undercroft.messaging.drivers.redis.register import Entry
from undercroft.messaging.drivers.redis.script import load
from undercroft.messaging.drivers.redis.store import Store

EXAMINE, VERIFY = load("examine.lua", reads=True), load("verify.lua", reads=True)
_REMOVE = "remove the keys: nothing reads them"
RESTORE = "restore a backup, or delete the queue and make it again"
# Messages that may have expired before somebody should see to it, and the age of the oldest, in milliseconds.
_MANY, _LATE = 10_000, 3_600_000
# Milliseconds that a message may wait to be handed out.
_STUCK = 600_000
# Queues of one round trip, and messages of one script.
_AT_ONCE = 500
# A key of a queue: the hash tag, then the incarnation where the key is of one.
_KEY = re.compile(rb"(\{[^}]*:q:[0-9a-f]{32}\}):(?:([0-9a-f]{16}):|(queue)$)")


# Those that tell that a queue has subscriptions, or something for them.
_SUBSCRIBED = frozenset({b"subs_ends", b"outbox"})


def queues(store: Store, *, verify: bool = False) -> Iterator[Finding]:
    """How many queues and messages there are, whether what has expired is removed, and whether each queue's sets agree."""
    made = messages = expired = moving = wrong = 0
    now = oldest = store.now()
    for page in itertools.chain(store.register.pages(_AT_ONCE), store.lanes.pages(_AT_ONCE)):
        calls = [Call(EXAMINE, store.base(entry.project, entry.name), (now,)) for entry in page]
        for entry, found in zip(page, store.redis.run_many(calls), strict=True):
            if found is None:
                continue
            has_metadata, total, over, first, out, agree = found
            made, messages, expired, moving = made + has_metadata, messages + total, expired + over, moving + out
            oldest = min(oldest, first or now)
            wrong += not agree or (verify and not _is_right(store, entry))
    shown = f"{messages:,} in {made:,} queues, expired ones that are not removed yet among them" if made or messages else "none"
    yield ok("messages", shown)
    yield _expired(expired, now - oldest)
    if moving:
        yield warning(
            "moved messages", f"{moving:,} are on their way to other queues", "run `undercroft worker`, which moves them on"
        )
    if wrong:
        yield error("statistics", f"{wrong:,} queues count their messages wrongly", RESTORE)
    else:
        yield ok("statistics", "every queue counts its messages rightly")


def _expired(count: int, late: int) -> Finding:
    shown = f"{count:,} are still to be removed"
    if count > _MANY or late > _LATE:
        return warning(
            "expired messages", shown, "run `undercroft worker`, or let the host's own collector do it: they take memory"
        )
    return ok("expired messages", shown)


def outbox(store: Store) -> Finding:
    """Whether what was posted is handed out to subscribers."""
    now = oldest = store.now()
    waiting = 0
    for count, first in counts(store):
        if count:
            waiting, oldest = waiting + count, min(oldest, first)
    if now - oldest > _STUCK:
        return warning(
            "notifications",
            f"{waiting:,} messages wait for their subscribers, the oldest for {(now - oldest) // 60_000:,} minutes",
            "run `undercroft queue notify` or `undercroft worker`, or set notify = false where the host notifies itself",
        )
    return ok("notifications", f"{waiting:,} messages wait for their subscribers")


def _is_right(store: Store, entry: Entry) -> bool:
    """Whether each message of a queue is in the sets where it belongs."""
    base, after = store.base(entry.project, entry.name), b""
    while True:
        found = store.redis.run(VERIFY, base, after, _AT_ONCE, store.now())
        if found is None or not found[0]:
            return True
        after, wrong = found
        if wrong:
            return False


def references(store: Store) -> Iterator[Finding]:
    """Whether every queue is in the register, and every key belongs to a queue."""
    # A key of each incarnation, by the base name of the queue's keys.
    lives: dict[bytes, dict[bytes, bytes]] = {}
    subscribed: set[bytes] = set()
    for key in store.redis.scan(f"{{{store.options.namespace}:q:*"):
        base, _, last = key.rpartition(b":")
        if last in _SUBSCRIBED:
            subscribed.add(base)
        elif (match := _KEY.match(key)) is not None:
            base, inc, _ = match.groups()
            lives.setdefault(base, {}).update({inc: key} if inc else {})
    unlisted, strays = _suspects(store, lives)
    # Queues come and go while this goes on: what is wrong stays wrong.
    unlisted, _ = _suspects(store, {base: lives[base] for base in unlisted})
    strays = [key for key, there in zip(strays, _asked(store, strays, "EXISTS"), strict=True) if there]
    yield _counted(
        "register", len(unlisted), "queues are not in the register", "post to them, or create them again", "every queue is in it"
    )
    unheard = _unheard(store, subscribed)
    yield _counted(
        "subscriptions",
        len(unheard),
        "queues are not looked at for their subscriptions",
        "make a subscription of each of them, or set the ttl of one anew",
        "every queue that has some is looked at",
    )
    yield _counted("references", len(strays), "queues that are gone have left keys", _REMOVE, "every key belongs to a queue")


def _unheard(store: Store, bases: set[bytes]) -> list[bytes]:
    """Those that have subscriptions, or something for them, and are in no register."""
    for page in store.subscribed.pages(_AT_ONCE):
        bases.difference_update(store.base(entry.project, entry.name).encode() for entry in page)
    suspects, now = sorted(bases), store.now()
    found = store.redis.run_many([Call(LOOK, base.decode(), (now,)) for base in suspects])
    return [base for base, each in zip(suspects, found, strict=True) if not Looked(*each).is_idle]


def _suspects(store: Store, lives: Mapping[bytes, Mapping[bytes, bytes]]) -> tuple[list[bytes], list[bytes]]:
    """The bases of queues that the register does not have, and keys of lives that are over."""
    unlisted, strays = [], []
    found = _asked(store, [base + b":queue" for base in lives], "HMGET", "inc", "listed")
    for (base, keys), (inc, listed) in zip(lives.items(), found, strict=True):
        if inc is not None and listed != inc:
            unlisted.append(base)
        strays += [key for one, key in keys.items() if one != inc]
    return unlisted, strays


def _asked(store: Store, keys: Sequence[bytes], command: str, *words: str) -> list[Any]:
    """The answers to a command about each of many keys."""
    found: list[Any] = []
    for some in (keys[first : first + _AT_ONCE] for first in range(0, len(keys), _AT_ONCE)):
        found += store.redis.commands([(key.decode(), (command, key, *words)) for key in some])
    return found


def _counted(check: str, count: int, text: str, advice: str, good: str) -> Finding:
    return error(check, f"{count:,} {text}", advice) if count else ok(check, good)

"""Processes that claim messages, and tell what they did and when; the same with a protection taken away."""

from __future__ import annotations

import contextlib
import functools
import json
import multiprocessing.connection
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import undercroft
from tests.chaos.messaging import means
from undercroft.core.errors import Unavailable
from undercroft.messaging import ClaimDoesNotExist, ClaimDoesNotMatch, DataDriverBase, MessageNotClaimed, MessageNotClaimedBy
from undercroft.messaging.models import Lease

QUEUE = "work"
# Seconds of a claim, and those that a worker forgets the time for.
TTL, STALL = 1, 1.3
GRACE = 60
_IDLE = 0.02
SECOND = 1_000_000_000
Event = dict[str, Any]
_REFUSALS = (ClaimDoesNotExist, ClaimDoesNotMatch, MessageNotClaimed, MessageNotClaimedBy)


class Worker:
    """Claims and finishes messages until none is left; `history` has one event for each message of each call."""

    def __init__(self, store: DataDriverBase, seed: int, number: int) -> None:
        self.store, self.number = store, number
        self.rng = random.Random(f"{seed}/{number}")
        self.history: list[Event] = []
        self.calls = 0

    def work(self) -> None:
        while True:
            if (taken := self.claim()) is not None:
                self._finish(*taken)
            elif self.store.message_controller.stats(QUEUE)["messages"]["total"] == 0:
                return
            else:
                threading.Event().wait(_IDLE)

    def claim(self) -> tuple[str, list[str]] | None:
        call = time.monotonic_ns()
        claim, found = _patiently(
            lambda: self.store.claim_controller.create(QUEUE, {"ttl": TTL, "grace": GRACE}, None, self.rng.randint(1, 5))
        )
        ids = [each["id"] for each in found]
        if claim is None:
            return None
        self._tell("claim", claim, ids, call)
        self.calls += 1
        return claim, ids

    def _finish(self, claim: str, ids: list[str]) -> None:
        messages, claims = self.store.message_controller, self.store.claim_controller
        match self.rng.choices(["delete", "bulk", "renew", "release", "stall"], [10, 3, 3, 2, 2])[0]:
            case "bulk":
                self._call("delete", claim, ids, lambda: messages.bulk_delete(QUEUE, ids, claim_ids=[claim]))
                return
            case "release":
                self._call("release", claim, ids, lambda: claims.delete(QUEUE, claim))
                return
            case "renew":
                self._call("renew", claim, ids, lambda: claims.update(QUEUE, claim, {"ttl": TTL, "grace": GRACE}))
            case "stall":
                threading.Event().wait(STALL)
        for each in ids:
            self._call("delete", claim, [each], functools.partial(messages.delete, QUEUE, each, None, claim))

    def _call(self, kind: str, claim: str, ids: list[str], work: Callable[[], Any]) -> None:
        call, done = time.monotonic_ns(), True
        try:
            _patiently(work)
        except _REFUSALS:
            done = False
        # A call on several that is refused does not say for which.
        if done or len(ids) == 1:
            self._tell(kind, claim, ids, call, done=done)

    def _tell(self, kind: str, claim: str, ids: Sequence[str], call: int, *, done: bool = True) -> None:
        now = time.monotonic_ns()
        for each in ids:
            self.history.append(
                {"client": self.number, "kind": kind, "message": each, "claim": claim, "call": call, "return": now,
                 "ttl": TTL * SECOND, "done": done}
            )  # fmt: skip


def _patiently(work: Callable[[], Any]) -> Any:
    """Call again what the store could not do now; it has done nothing then."""
    while True:
        with contextlib.suppress(Unavailable):
            return work()


def work(
    pipe: multiprocessing.connection.Connection, url: str, options: dict[str, Any], seed: int, number: int, twin: str | None
) -> None:
    """Be one of the workers, from the word go on; say what was done."""
    store: Any = undercroft.connect("messaging", url, **options)
    if twin:
        TWINS[twin](store)
    worker = Worker(store, seed, number)
    pipe.send("ready")
    pipe.recv()
    worker.work()
    pipe.send(json.dumps(worker.history))
    store.close()


def hold(
    pipe: multiprocessing.connection.Connection, url: str, options: dict[str, Any], limit: int, ttl: int, twin: str | None
) -> None:
    """Claim, and renew the claim until killed; say the moment before each of these calls, and the messages."""
    store: Any = undercroft.connect("messaging", url, **options)
    if twin:
        TWINS[twin](store)
    # What a process does at its first call is not measured: over pools, that is to reach one.
    list(next(store.message_controller.list(QUEUE)))
    pipe.send("ready")
    pipe.recv()
    claims, lease = store.claim_controller, {"ttl": ttl, "grace": GRACE}
    call = time.monotonic()
    claim, found = claims.create(QUEUE, lease, None, limit)
    ids = [each["id"] for each in found]
    pipe.send((call, ids))
    while True:
        threading.Event().wait(_IDLE)
        call = time.monotonic()
        # One that is over stays so, on a machine that is so busy.
        with contextlib.suppress(ClaimDoesNotExist):
            claims.update(QUEUE, claim, lease)
            pipe.send((call, ids))


# -- protections off -------------------------------------------------------------------------------------------------


def _lasting(seconds: int) -> Callable[[Any], None]:
    """Claims that last so much longer than they should."""

    def change(store: Any) -> None:
        claims = store.claim_controller
        create, update = claims._create, claims._update

        def longer(lease: Lease) -> Lease:
            return lease._replace(ttl=lease.ttl + seconds)

        claims._create = lambda queue, lease, project: create(queue, longer(lease), project)
        claims._update = lambda queue, claim, lease, project: update(queue, claim, longer(lease), project)

    return change


TWINS: dict[str, Callable[[Any], None]] = {
    "without lock": lambda store: means.of(store).claim_in_two_steps(store),
    "too short": _lasting(-2),
    "too long": _lasting(4),
}


# -- what a history says ---------------------------------------------------------------------------------------------

SLACK = SECOND // 10


def overlaps(history: Sequence[Event]) -> list[tuple[Event, Event]]:
    """Pairs of claims on one message of which the second was made before the first can have ended."""
    found = []
    for events in _by_message(history):
        before: Event | None = None
        until = 0
        # These claims were still valid after their call had returned.
        in_use = {event["claim"] for event in events if event["kind"] in ("renew", "delete") and event["done"]}
        for event in events:
            if event["kind"] == "claim":
                if before is not None and event["return"] + SLACK < until:
                    if event["claim"] not in in_use and _may_come_first(event, before):
                        continue
                    found.append((before, event))
                before, until = event, event["call"] + event["ttl"]
            elif before is not None and event["claim"] == before["claim"] and event["done"]:
                if event["kind"] == "renew":
                    until = event["call"] + event["ttl"]
                elif event["kind"] == "release":
                    before = None
    return found


def _may_come_first(event: Event, before: Event) -> bool:
    """Return whether a claim may have expired before an earlier one was made: on a busy machine, its call outlasts its TTL."""
    return bool(event["call"] + event["ttl"] <= before["return"] + SLACK)


def resurrected(history: Sequence[Event]) -> list[Event]:
    """Claims on messages that were gone."""
    found = []
    for events in _by_message(history):
        gone = [event["return"] for event in events if event["kind"] == "delete" and event["done"]]
        found += [event for event in events if event["kind"] == "claim" and gone and event["call"] > min(gone)]
    return found


def _by_message(history: Sequence[Event]) -> Iterator[list[Event]]:
    parts: dict[str, list[Event]] = {}
    # A release counts from its beginning: another claim may be told before the release is.
    for event in sorted(history, key=lambda event: event["call"] if event["kind"] == "release" else event["return"]):
        parts.setdefault(event["message"], []).append(event)
    yield from parts.values()

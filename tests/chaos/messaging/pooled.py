"""Processes that use a queue while it changes its pool, and those that move it, which die between any two steps."""

from __future__ import annotations

import multiprocessing.connection
import os
import random
import signal
import threading
import time
import uuid
from collections.abc import Sequence
from typing import Any

import undercroft
from undercroft.core.errors import UndercroftError
from undercroft.messaging.models import Stored
from undercroft.messaging.pooling import placement, tags
from undercroft.messaging.pooling.lookup import Route
from undercroft.messaging.pooling.moving import Mover
from undercroft.messaging.pooling.placement import Placement
from undercroft.messaging.pooling.pools import Pool

QUEUE = "q"
LIFE = 86_400
LEASE = {"ttl": 3_600, "grace": 60}
# How many of a mover's steps are its last: before something is received, and before that is deleted where it was.
_DEATHS = {"_receive": 0.25, "_bulk_delete": 0.5}


def hasten() -> None:
    """Let changes take less time; every process has to."""
    placement.LEASE, placement.MARGIN, placement.SKEW, placement.GRACE = 500, 700, 200, 400


def opened(url: str, options: dict[str, Any]) -> Any:
    """A store whose changes take less time."""
    hasten()
    return undercroft.connect("messaging", url, **options)


def state(store: Any) -> Placement:
    """Where the queue is."""
    return placement.decoded(store.control_driver.catalogue_controller._find("", QUEUE))


# -- movers ------------------------------------------------------------------------------------------------------------


def _maybe_die(step: str) -> None:
    if random.random() < _DEATHS.get(step, 0):
        os.kill(os.getpid(), signal.SIGKILL)


def as_it_is(self: Mover, route: Route, source: Pool, target: Pool, found: Sequence[Stored]) -> None:
    """The mover as it is."""
    _carry(self, route, source, target, found)


def deleting_first(self: Mover, route: Route, source: Pool, target: Pool, found: Sequence[Stored]) -> None:
    """A mover that deletes what it has read, and then stores it."""
    source.messages._bulk_delete(route.queue, [one.id for one in found], route.project, None, None)
    _maybe_die("_bulk_delete")
    _carry(self, route, source, target, found)


def without_memory(self: Mover, route: Route, source: Pool, target: Pool, found: Sequence[Stored]) -> None:
    """A mover whose target does not know what it has received."""
    moved = tags.moved
    tags.moved = lambda *_: f"{tags.MARK}1{tags.MARK}{uuid.uuid4().hex[:16]}{source.tag}"
    try:
        _carry(self, route, source, target, found)
    finally:
        tags.moved = moved


_carry = Mover.carry
WAYS = {"as it is": as_it_is, "deleting first": deleting_first, "without memory": without_memory}


def move(pipe: multiprocessing.connection.Connection, url: str, options: dict[str, Any], way: str, seed: int) -> None:
    """Take queues further to their pools, and die on the way."""
    random.seed(seed)
    store = opened(url, options)
    ask = Pool.call

    def dying(self: Pool, work: Any, *given: Any, **named: Any) -> Any:
        _maybe_die(getattr(work, "__name__", ""))
        return ask(self, work, *given, **named)

    Pool.call, Mover.carry = dying, WAYS[way]  # type: ignore[method-assign]
    pipe.send("begun")
    while True:
        store.rebalance()
        threading.Event().wait(0.01)


# -- users -------------------------------------------------------------------------------------------------------------


def post(pipe: multiprocessing.connection.Connection, url: str, options: dict[str, Any], number: int) -> None:
    """Post until told to end; say how many were posted."""
    store = opened(url, options)
    pipe.send("begun")
    count = 0
    while not pipe.poll():
        store.message_controller.post(QUEUE, [{"ttl": LIFE, "body": [number, count]}], None)
        count += 1
        threading.Event().wait(0.02)
    pipe.send(count)


def claim(pipe: multiprocessing.connection.Connection, url: str, options: dict[str, Any], _number: int) -> None:
    """Claim and delete until told that no more is posted, and nothing is left; say what there was."""
    store = opened(url, options)
    pipe.send("begun")
    taken: list[Any] = []
    idle_since = time.monotonic()
    while not (pipe.poll() and time.monotonic() - idle_since > 2):
        made, found = store.claim_controller.create(QUEUE, LEASE, None, 5)
        if made is None:
            threading.Event().wait(0.02)
            continue
        idle_since = time.monotonic()
        for one in found:
            taken.append(one["body"])
            _delete(store, one["id"], made)
    pipe.send(taken)


def _delete(store: Any, message: str, claim: str) -> None:
    while True:
        try:
            store.message_controller.delete(QUEUE, message, claim=claim)
        except UndercroftError as error:
            if not error.retryable:
                raise
        else:
            return

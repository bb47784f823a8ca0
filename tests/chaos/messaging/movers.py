"""A process that moves messages to and fro between queues, until it is killed; the same by hand."""

from __future__ import annotations

import multiprocessing.connection
import random
import threading
from typing import Any

import undercroft
from tests.chaos.workloads import COMMIT_SECONDS
from undercroft.core.errors import UndercroftError

QUEUES = ("a", "b")
# A queue whose messages become dead letters of the first one at once.
WORN = "worn"
LEASE = {"ttl": 600, "grace": 60}


def prepare(store: Any, bodies: range) -> None:
    """Make the queues, and post to the first one."""
    for queue in QUEUES:
        store.queue_controller.create(queue)
    store.queue_controller.create(WORN, {"_max_claim_count": 0, "_dead_letter_queue": QUEUES[0]})
    store.message_controller.post(QUEUES[0], [{"ttl": 86_400, "body": body} for body in bodies], None)


def redrive(store: Any, source: str, target: str, limit: int) -> None:
    """Move some from one queue to another."""
    store.message_controller.redrive(source, target, limit=limit)


def by_hand(store: Any, source: str, target: str, limit: int) -> None:
    """Post what was read, and delete it then."""
    found = list(next(store.message_controller.list(source, None, None, limit, echo=True)))
    if found:
        store.message_controller.post(target, [{"ttl": 86_400, "body": each["body"]} for each in found], None)
        # On a quick store, nothing would ever happen in between.
        threading.Event().wait(COMMIT_SECONDS)
        store.message_controller.bulk_delete(source, [each["id"] for each in found])


WAYS = {"redrive": redrive, "by hand": by_hand}


def move(pipe: multiprocessing.connection.Connection, url: str, options: dict[str, Any], way: str, seed: int) -> None:
    """Move without an end; say when it has begun."""
    store: Any = undercroft.connect("messaging", url, **options)
    rng = random.Random(seed)
    while True:
        source, target = rng.sample([*QUEUES, WORN], 2)
        try:
            WAYS[way](store, source, target, rng.randint(1, 20))
            # Everything in there is a dead letter.
            store.claim_controller.create(WORN, LEASE, None, rng.randint(1, 20))
        except UndercroftError as error:
            if not error.retryable:
                raise
        pipe.send(1)

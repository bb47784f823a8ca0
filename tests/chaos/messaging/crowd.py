"""Writers, takers and readers of one queue at the same time, each a process of its own; commits come late, and out of order."""

from __future__ import annotations

import functools
import itertools
import multiprocessing.connection
import random
import threading
from collections.abc import Callable
from typing import Any

import undercroft
from tests.chaos.messaging import means
from undercroft.core.errors import Unavailable
from undercroft.messaging import DataDriverBase

QUEUE = "crowd"
# Messages of a post, and seconds that a commit may take.
EACH, DELAY = 3, 0.03
_IDLE = 0.005


def insist(call: Callable[[], Any]) -> Any:
    """Repeat a call until it succeeds: SQLite gives some writers no turn before the deadline. Doing it twice would be noticed."""
    while True:
        try:
            return call()
        except Unavailable:
            continue


def write(
    pipe: multiprocessing.connection.Connection, url: str, options: dict[str, Any], seed: int, number: int, posts: int, twin: bool
) -> None:
    """Post so often. The first message of each post stays, the others may be taken."""
    rng = random.Random(f"{seed}/{number}")
    store: Any = undercroft.connect("messaging", url, **options)

    def wait() -> None:
        threading.Event().wait(rng.uniform(0, DELAY))

    # Where there are no means for it, posts are as late as they are.
    if (found := means.known(type(store))) is not None:
        found.late(store, wait)
        if twin:
            found.post_apart(store, wait)
    pipe.send("ready")
    pipe.recv()
    for n in range(posts):
        messages = [{"ttl": 3_600, "body": [number, n, k]} for k in range(EACH)]
        insist(functools.partial(store.message_controller.post, QUEUE, messages, None))
    pipe.send("done")
    store.close()


def take(pipe: multiprocessing.connection.Connection, url: str, options: dict[str, Any], seed: int) -> None:
    """Claim, delete what may be taken, and release the rest, until something is heard."""
    rng = random.Random(seed)
    store: Any = undercroft.connect("messaging", url, **options)
    pipe.send("ready")
    taken = 0
    while not pipe.poll():
        most = rng.randint(1, 20)
        claim, found = insist(functools.partial(store.claim_controller.create, QUEUE, {"ttl": 60, "grace": 60}, None, most))
        for each in found:
            if each["body"][2]:
                insist(functools.partial(store.message_controller.delete, QUEUE, each["id"], None, claim))
                taken += 1
        insist(functools.partial(store.claim_controller.delete, QUEUE, claim))
        threading.Event().wait(_IDLE)
    pipe.send(taken)
    store.close()


def read(pipe: multiprocessing.connection.Connection, url: str, options: dict[str, Any], limit: int, twin: bool) -> None:
    """Follow the markers until told that all is written, and nothing comes any more; say what was seen."""
    store: Any = undercroft.connect("messaging", url, **options)
    if twin:
        # Where no post is ever open, the twin is of the posts.
        means.of(store).blind(store)
    pipe.send("ready")
    seen: list[Any] = []
    marker: str | None = None
    for pages in itertools.count(1):
        is_over = pipe.poll()
        found, marker = page(store, marker, limit)
        seen += [each["body"] for each in found]
        if not found:
            if is_over:
                pipe.send((pages, seen))
                break
            threading.Event().wait(_IDLE)
    store.close()


def page(store: DataDriverBase, marker: str | None, limit: int) -> tuple[list[dict[str, Any]], str]:
    """A page with all that there is, and its marker."""
    pages = store.message_controller.list(QUEUE, None, marker, limit, echo=True, include_claimed=True)
    return list(next(pages)), next(pages)

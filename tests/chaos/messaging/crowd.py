"""Writers, takers and readers of one queue at the same time, each a process of its own; commits come late, and out of order."""

from __future__ import annotations

import functools
import itertools
import multiprocessing.connection
import random
import threading
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

import undercroft
from tests.chaos.messaging import scripted
from undercroft.core.errors import Unavailable
from undercroft.messaging import DataDriverBase

QUEUE = "crowd"
# Messages of a post, and seconds that a commit may take.
EACH, DELAY = 3, 0.03
_IDLE = 0.005


def late(store: Any, wait: Callable[[], object]) -> None:
    """Let every transaction of a store that writes wait before its commit; single statements are transactions then, too.

    Where there are none, a call waits before it.
    """
    if not hasattr(store, "plane"):
        run = store.message_controller._run

        def later(*arguments: Any) -> Any:
            wait()
            return run(*arguments)

        store.message_controller._run = later
        return
    store.db.write_alone = store.db.write
    sa.event.listen(store.db._writer, "commit", lambda _: wait())


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

    late(store, wait)
    if twin and not hasattr(store, "plane"):
        scripted.post_in_two_steps(store, wait)
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
        blind(store)
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


def blind(store: Any) -> None:
    """A reader that takes no notice of posts that are still open; where none ever is, the twin is of the posts."""
    if not hasattr(store, "plane"):
        return
    plane = store.plane
    if hasattr(plane, "_last_sure"):
        plane._last_sure = lambda _: 2**62
    else:
        plane._announced = lambda _: (2**62, {})

"""`undercroft queue notify` killed again and again while messages are posted: every confirmed subscriber has every message."""

from __future__ import annotations

import contextlib
import random
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chaos.messaging import notifiers
from tests.chaos.messaging.receivers import Receiver, receiving
from tests.chaos.processes import life
from undercroft.conformance.plugin import Opener
from undercroft.messaging.delivery import spans

pytestmark = [pytest.mark.promise("D2"), pytest.mark.timeout(1800)]
QUEUE, PROJECT = "posted", "p"
CONFIRMED = ("ok", "first")
# Seconds between two posts, and seconds that a process lives at most.
_PAUSE, _LIFE = 0.02, 1.5


class Poster(threading.Thread):
    """Posts numbers until it is told to stop.

    Attributes:
        posted: those whose post has returned.
    """

    def __init__(self, store: Any) -> None:
        super().__init__(daemon=True)
        self._store = store
        self._over = threading.Event()
        self.posted: list[int] = []

    def run(self) -> None:
        number = 0
        while not self._over.wait(_PAUSE):
            many = [{"ttl": 3_600, "body": each} for each in range(number, number + 2)]
            self._store.message_controller.post(QUEUE, many, None, PROJECT)
            self.posted += range(number, number + 2)
            number += 2

    def stop(self) -> None:
        self._over.set()
        self.join()


@contextlib.contextmanager
def posting(store: Any) -> Iterator[Poster]:
    """A poster that does not outlive the block."""
    poster = Poster(store)
    poster.start()
    try:
        yield poster
    finally:
        poster.stop()


def subscribed(store: Any, receiver: Receiver) -> None:
    """Two that have confirmed, of which one takes nothing the first time, and one that has not."""
    for name in (*CONFIRMED, "dead"):
        made = store.subscription_controller.create(QUEUE, receiver.url(name), 86_400, {}, PROJECT)
        if name in CONFIRMED:
            store.subscription_controller.confirm(QUEUE, made, PROJECT)


def killed(opener: Opener, receiver: Receiver, seed: int, kills: int, leases: int, twin: str | None = None) -> dict[str, Any]:
    """What was posted while processes were killed, and what the receivers have of it in the end."""
    store, rng = opener(), random.Random(seed)
    subscribed(store, receiver)
    where = (f"{opener.url}{'&' if '?' in opener.url else '?'}namespace={opener.namespace}", leases, twin)
    with posting(store) as poster:
        for _ in range(kills):
            with life(notifiers.notify, *where) as process:
                assert process.hear() == "ready"
                time.sleep(rng.uniform(0, _LIFE))
                process.kill()
    wanted = set(poster.posted)
    paths = [f"/{name}/a" for name in CONFIRMED]
    with life(notifiers.notify, *where) as process:
        assert process.hear() == "ready"
        # What the dead had is somebody else's when their leases are over.
        patience = 8 if twin else 2 * (leases or spans.LEASE) + 20
        receiver.wait(lambda: all(wanted <= set(receiver.taken[path]) for path in paths), patience)
        # A dead one may have sent what it could not delete any more: that is sent again.
        until = time.monotonic() + patience
        while waiting(store) and time.monotonic() < until:
            threading.Event().wait(0.1)
        process.signal(signal.SIGTERM)
        code = process.end()
    return {
        "kills": kills,
        "posted": len(wanted),
        "lost": sum(len(wanted - set(receiver.taken[path])) for path in paths),
        "sent_again": sum(len(receiver.taken[path]) - len(set(receiver.taken[path])) for path in paths),
        "without_consent": len(receiver.tried["/dead/a"]),
        "code": code,
        "waits": waiting(store),
    }


def waiting(store: Any) -> int:
    """What is still to be handed out, or sent."""
    lanes = store.outbox.backlog(100).queues
    return int(store.outbox.waiting() + sum(depth.free + depth.claimed for depth in lanes))


def test_every_confirmed_subscriber_has_every_message(opener: Opener, seed: int, record: Any, figure: Any):
    with receiving() as receiver:
        found = killed(opener, receiver, seed, figure(4, 25), figure(2, 0))
    record(**found)
    assert found["posted"] > 0
    assert (found["lost"], found["without_consent"], found["code"], found["waits"]) == (0, 0, 0, 0)


@pytest.mark.parametrize("twin", sorted(notifiers.TWINS))
def test_twin_is_caught(opener: Opener, seed: int, twin: str, record: Any):
    with receiving() as receiver:
        found = killed(opener, receiver, seed, 6, 2, twin)
    record(**found)
    assert found["lost"]

"""Sixteen threads of a process that send one post under one name, and die between its effect and its answer."""

from __future__ import annotations

import concurrent.futures
import multiprocessing.connection
import os
import random
import signal
import threading
from typing import Any

import undercroft
from tests.chaos.messaging import means
from undercroft.core.errors import Conflict, UndercroftError
from undercroft.core.receipt import Receipt

QUEUE = "once"
THREADS = 16
# Seconds that a process lives at most which dies at any moment.
LONGEST = 0.1


def send(store: Any, way: str, number: int) -> str:
    """Post the message of a number in one of the ways; its id."""
    message: dict[str, Any] = {"ttl": 3_600, "body": number}
    if way == "receipt":
        receipt = Receipt(f"key-{number}", "digest", b"")
        told: bytes = store.message_controller.post_once(
            QUEUE, [message], None, receipt=receipt, answer=lambda ids: ids[0].encode()
        )
        return told.decode()
    if way == "dedup":
        message["dedup_id"] = f"key-{number}"
    (found,) = store.message_controller.post(QUEUE, [message], None)
    return str(found)


def repeat(
    pipe: multiprocessing.connection.Connection, url: str, options: dict[str, Any], way: str, number: int, dies: bool
) -> None:
    """Send one post from all threads at once; say what they were told. One that dies does so when something is stored."""
    store: Any = undercroft.connect("messaging", url, **options)
    store.now()
    if dies:
        _die_after_writing(store)
    begin = threading.Barrier(THREADS)

    def one(_: int) -> str | None:
        begin.wait()
        try:
            return send(store, way, number)
        except Conflict:
            return None
        except UndercroftError as error:
            if not error.retryable:
                raise
            return None

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        pipe.send(sorted({told for told in pool.map(one, range(THREADS)) if told}))
    store.close()


def _die_after_writing(store: Any) -> None:
    """Let the process die when something is stored, and nobody has been told; at any moment where there are no means for that."""
    found = means.known(type(store))
    if found is None:
        threading.Timer(random.uniform(0, LONGEST), _die).start()
    else:
        found.after_writing(store, _die)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)

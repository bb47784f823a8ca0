"""The day's notifications as messages: posted to a queue, and claimed by three processes, one of which is killed in the middle."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from undercroft.core.errors import Unavailable
from undercroft.demo import happenings, relay_worker
from undercroft.messaging import DataDriverBase

WORKERS = 3
# The first process is killed after this many messages of its first claim.
DIES_AFTER = 6


class Relayed(NamedTuple):
    """What became of the messages.

    Attributes:
        posted: how many there were.
        claimed: how many the process that was killed had claimed.
        finished: how many were finished, by all processes.
        is_once: whether each message was finished, and finished once.
    """

    posted: int
    claimed: int
    finished: int
    is_once: bool


def run(store: DataDriverBase, url: str) -> Relayed:
    """Post the messages to an empty queue, and let the processes work until it is empty again.

    Args:
        store: the store of messages.
        url: its URL, for the processes.

    Raises:
        Unavailable: a process failed.
    """
    queue, project = relay_worker.QUEUE, relay_worker.PROJECT
    store.queue_controller.delete(queue, project)
    store.queue_controller.create(queue, {"from": "nova"}, project)
    messages = [{"ttl": 3600, "body": body} for body in happenings.notifications()]
    ids = store.message_controller.post(queue, messages, None, project)
    with contextlib.ExitStack() as stack:
        dying, *others = [stack.enter_context(_started(url, DIES_AFTER if not number else 0)) for number in range(WORKERS)]
        for process in (dying, *others):
            _expect(process, "ready")
        # The one that is killed claims first, so that it has something to lose.
        _go(dying)
        claimed = int(_expect(dying, "claimed"))
        for process in others:
            _go(process)
        finished = [id_ for process in (dying, *others) for word, id_ in _lines(process) if word == "finished"]
        if any(process.wait() for process in others):
            raise Unavailable("a process that claims messages has failed; what it wrote is above")
    return Relayed(len(ids), claimed, len(finished), sorted(finished) == sorted(ids))


@contextlib.contextmanager
def _started(url: str, dies_after: int) -> Iterator[subprocess.Popen[str]]:
    # Not on the command line, which others can read: a URL may have a password.
    environment = {**os.environ, relay_worker.URL: url}
    command = [sys.executable, "-m", relay_worker.__name__, str(dies_after)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as process:  # noqa: S603 - a module of ours, by our own interpreter
        try:
            yield process
        finally:
            process.kill()


def _go(process: subprocess.Popen[str]) -> None:
    if process.stdin is not None:
        process.stdin.write("go\n")
        process.stdin.flush()


def _expect(process: subprocess.Popen[str], word: str) -> str:
    """What follows the word on the next line.

    Raises:
        Unavailable: the process has ended instead.
    """
    for found, rest in _lines(process):
        if found == word:
            return rest
        break
    raise Unavailable("a process that claims messages has failed; what it wrote is above")


def _lines(process: subprocess.Popen[str]) -> Iterator[tuple[str, str]]:
    while process.stdout is not None and (line := process.stdout.readline()):
        word, _, rest = line.strip().partition(" ")
        yield word, rest

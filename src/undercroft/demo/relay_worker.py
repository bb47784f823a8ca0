"""A process that claims messages and finishes them, one after the other, until the queue is empty.

It writes on stdout what it does: `ready`, then, for each claim, `claimed COUNT` and a line `finished ID` for each message.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading

import undercroft
from undercroft.messaging import ClaimDoesNotExist, DataDriverBase, NotPermitted

QUEUE, PROJECT = "notifications", "demo"
# The environment variable with the store's URL.
URL = "UNDERCROFT_DEMO_MESSAGES"
AT_ONCE = 10
# Seconds: of a claim, of the work on one message, and between two looks at a queue whose messages are all claimed.
TTL, WORK, PAUSE = 2, 0.005, 0.1


def work(store: DataDriverBase, dies_after: int) -> None:
    """Claim and finish messages until the queue is empty.

    Args:
        store: the store.
        dies_after: how many messages this process finishes before it is killed, with the rest of its claim; 0 for all.
    """
    left, pause = dies_after, threading.Event()
    while True:
        claim, messages = store.claim_controller.create(QUEUE, {"ttl": TTL, "grace": TTL}, PROJECT, AT_ONCE)
        if claim is None:
            if not store.queue_controller.stats(QUEUE, PROJECT)["messages"]["total"]:
                return
            pause.wait(PAUSE)
            continue
        _say(f"claimed {len(messages)}")
        for message in messages:
            pause.wait(WORK)
            # A claim that has ended in the meantime leaves its messages to others.
            with contextlib.suppress(ClaimDoesNotExist, NotPermitted):
                store.message_controller.delete(QUEUE, message["id"], PROJECT, claim)
                _say(f"finished {message['id']}")
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    """Open the store that the environment names, wait for a line on stdin, and work."""
    with contextlib.closing(undercroft.connect("messaging", os.environ.pop(URL))) as store:
        store.is_alive()
        _say("ready")
        sys.stdin.readline()
        work(store, int(sys.argv[1]))


if __name__ == "__main__":
    main()

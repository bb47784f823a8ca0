"""A client of a queue whose clock somebody else sets: one command a line, one answer a line.

python -m tests.chaos.messaging.clocked URL NAMESPACE [blind]
"""

from __future__ import annotations

import json
import sys
from typing import Any

import undercroft
from tests.chaos.messaging import means

QUEUE = "clocked"


def claim(store: Any, ttl: int) -> list[str]:
    """The ids of all that can be claimed."""
    return [each["id"] for each in store.claim_controller.create(QUEUE, {"ttl": ttl, "grace": 60}, None, 100)[1]]


def post(store: Any, many: int) -> list[str]:
    """The ids of new messages."""
    ids: list[str] = store.message_controller.post(QUEUE, [{"ttl": 86_400, "body": n} for n in range(many)], None)
    return ids


def ages(store: Any, _: int) -> list[int]:
    """The ages of all messages in seconds."""
    pages = store.message_controller.list(QUEUE, None, None, 1_000, echo=True, include_claimed=True)
    return [each["age"] for each in next(pages)]


CALLS = {"claim": claim, "post": post, "ages": ages}


def main() -> None:
    """Do what standard input says."""
    store: Any = undercroft.connect("messaging", sys.argv[1], namespace=sys.argv[2])
    if sys.argv[3:]:
        # The twin.
        means.of(store).look_once_at_the_clock(store)
    for line in sys.stdin:
        name, number = json.loads(line)
        print(json.dumps(CALLS[name](store, number)), flush=True)
    store.close()


if __name__ == "__main__":
    main()

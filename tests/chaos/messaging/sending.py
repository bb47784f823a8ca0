"""What a sender of messages does, item by item."""

from __future__ import annotations

import uuid
from typing import Any

CLIENT = uuid.UUID(int=7)
_QUEUE = "sent"


def write(store: Any, number: int) -> None:
    """Store the item of a number."""
    store.message_controller.post(_QUEUE, [{"ttl": 86_400, "body": number, "dedup_id": f"s{number}"}], CLIENT, "p")


def count(store: Any) -> int:
    """How many items there are."""
    return sum(each.free for each in store.depths(100).queues)


def stores(url: str) -> dict[str, Any]:
    """Arguments of a service of this kind alone."""
    return {"url": None, "messaging": url}


def post(number: int) -> tuple[str, Any, int]:
    """Path and body of an item of a number, and the status when it is stored."""
    message = {"ttl": 86_400, "body": number, "dedup_id": f"c{number}"}
    return f"/messaging/v2/queues/{_QUEUE}/messages", {"messages": [message]}, 201


# Whether an answer is broken off where the store cannot now.
BREAKS_OFF = False
# A question about items, and what every request has beside.
QUESTION = f"/messaging/v2/queues/{_QUEUE}/messages"
HEADERS = {"Client-ID": str(CLIENT), "X-Project-Id": "p"}

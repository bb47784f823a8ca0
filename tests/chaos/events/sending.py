"""What a sender of events does, item by item."""

from __future__ import annotations

from typing import Any

from undercroft.conformance.events import data
from undercroft.events import EventFilter


def write(store: Any, number: int) -> None:
    """Store the item of a number."""
    store.record_events([data.event(f"e{number}", at=number)])


def count(store: Any) -> int:
    """How many items there are."""
    return len(list(store.get_events(EventFilter())))


def stores(url: str) -> dict[str, Any]:
    """Arguments of a service of this kind alone."""
    return {"url": None, "events": url}


def post(number: int) -> tuple[str, Any, int]:
    """Path and body as Ceilometer sends them, of an item of a number below 60, and the status when it is stored."""
    # Of the same day as those of `write`: another day may be another index.
    when = data.after(number).isoformat()
    event = {"message_id": f"c{number}", "event_type": "t", "generated": when, "traits": [], "raw": {}}
    return "/events/v1/ceilometer/events", event, 200


# Whether an answer is broken off where the store cannot now.
BREAKS_OFF = True
# A question about items.
QUESTION = "/events/v2/events"

"""What only the driver for MongoDB has: the server's own expiry. Runs on every server of the protocol that the run was given."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from undercroft.core import time
from undercroft.events import Event

DAY = 86_400
SCHEMES = ("mongodb:",)


def expiry(store: Any) -> float | None:
    """The seconds after which the server deletes by itself; None when it does not."""
    index: dict[str, Any] = store._events_in.index_information().get("event_ttl", {})
    return index.get("expireAfterSeconds")


def has_expiry(store: Any) -> bool:
    """Whether the server has such an index at all; FerretDB 1 refuses it."""
    before = expiry(store)
    store.clear_expired_data(DAY)
    return expiry(store) != before


def test_the_server_is_told_changed_and_told_no_more(store):
    now = time.now().replace(tzinfo=None)
    store.record_events([Event(f"m{days}", "t", now - dt.timedelta(days=days), [], {}) for days in range(5)])
    if not has_expiry(store):
        # What is old is gone in any case.
        assert [event.message_id for event in store.get_events(None)] == ["m0"]
        return
    assert expiry(store) == DAY
    assert store.clear_expired_data(DAY / 2) == 0
    assert expiry(store) == DAY / 2
    store.clear_expired_data(DAY, 5)
    assert expiry(store) == DAY / 2, "a part of a sweep says nothing of how long events are kept"
    store.update_ttl(0, "event_ttl", "timestamp", store._events_in)
    assert expiry(store) is None
    store.update_ttl(0, "event_ttl", "timestamp", store._events_in)
    assert [event.message_id for event in store.get_events(None)] == ["m0"]


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_not_the_servers_lets_it_delete_nothing(store, hours):
    """The server would go by its own clock, and delete what by ours is to be kept."""
    time.bind(lambda: time.wall() + dt.timedelta(hours=hours))
    try:
        store.clear_expired_data(DAY)
    finally:
        time.bind(None)
    assert expiry(store) is None

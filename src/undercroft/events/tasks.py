"""Periodic work on stores of events."""

from __future__ import annotations

from undercroft.core import expiry

# Events deleted between two looks at whether to stop.
AT_ONCE = 20_000

TASKS = (expiry.task("events", "events", lambda store, ttl: store.clear_expired_data(ttl, AT_ONCE)),)

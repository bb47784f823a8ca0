"""Periodic work on stores of events."""

from __future__ import annotations

from undercroft.core import expiry

TASKS = (expiry.task("events", "events", lambda store, ttl, most: store.clear_expired_data(ttl, most)),)

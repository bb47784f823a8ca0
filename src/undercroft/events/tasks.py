"""Periodic work on stores of events."""

from __future__ import annotations

import logging
import threading

from undercroft.core import settings
from undercroft.core.kinds import Task
from undercroft.events.contract import Store

LOG = logging.getLogger(__name__)
# Events deleted between two looks at whether to stop.
_AT_ONCE = 20_000


def expire(store: Store, stop: threading.Event) -> None:
    """Delete events that are older than they are kept for, in turns, until done or told to stop."""
    ttl = settings.get("events", "time_to_live")
    if ttl <= 0:
        LOG.info("everything is kept", extra={"job": "events.expire"})
        return
    deleted = 0
    while not stop.is_set() and (gone := store.clear_expired_data(ttl, _AT_ONCE)):
        deleted += gone
    LOG.info(
        "expired events are deleted" if not stop.is_set() else "stopped while deleting expired events",
        extra={"job": "events.expire", "events": deleted},
    )


TASKS = (Task("expire", expire, "expire_interval", "deletes events that are older than [events] time_to_live"),)

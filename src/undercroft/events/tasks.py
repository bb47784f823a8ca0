"""Periodic work on stores of events."""

from __future__ import annotations

import datetime as dt
import logging
import threading

from undercroft.core import settings, span
from undercroft.core.kinds import Task
from undercroft.events.contract import Store

LOG = logging.getLogger(__name__)
# Events deleted between two looks at whether to stop.
_AT_ONCE = 20_000


def expire(store: Store, stop: threading.Event) -> None:
    """Delete events that are older than they are kept for, in turns, until done or told to stop."""
    ttl = settings.get("events", "time_to_live")
    before = store.expiry(ttl)
    if before is None:
        LOG.info("everything is kept", extra={"job": "events.expire"})
        return
    # Nobody is asked: the operator wrote how long events are kept.
    LOG.info(
        "events that are older than [events] time_to_live are being deleted",
        extra={"job": "events.expire", "kept": span.words(dt.timedelta(seconds=ttl)), "before": before.isoformat()},
    )
    deleted = 0
    while not stop.is_set() and (gone := store.clear_expired_data(ttl, _AT_ONCE)):
        deleted += gone
    LOG.info(
        "expired events are deleted" if not stop.is_set() else "stopped while deleting expired events",
        extra={"job": "events.expire", "events": deleted},
    )


TASKS = (Task("expire", expire, "expire_interval", "deletes events that are older than [events] time_to_live, where that is set"),)

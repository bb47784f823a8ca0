"""The periodic task that deletes what is older than a time to live, in turns, until done or told to stop."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable
from typing import Any

from undercroft.core import settings, span
from undercroft.core.kinds import Task

LOG = logging.getLogger(__name__)


def task(kind: str, things: str, delete: Callable[[Any, float], int]) -> Task:
    """The task `expire` of a kind.

    Args:
        kind: the kind; its setting `[kind] time_to_live` says how long things are kept.
        things: what is deleted, in the plural.
        delete: deletes from a store a part of what is older than so many seconds, the oldest first; returns how many things, 0 when
            nothing is left.
    """
    job, setting = f"{kind}.expire", f"[{kind}] time_to_live"

    def expire(store: Any, stop: threading.Event) -> None:
        ttl = settings.get(kind, "time_to_live")
        before = store.expiry(ttl)
        if before is None:
            LOG.info("everything is kept", extra={"job": job})
            return
        # The worker does not ask: the operator wrote how long things are kept.
        LOG.info(
            "%s that are older than %s are being deleted",
            things,
            setting,
            extra={"job": job, "kept": span.words(dt.timedelta(seconds=ttl)), "before": before.isoformat()},
        )
        deleted = 0
        while not stop.is_set() and (gone := delete(store, ttl)):
            deleted += gone
        LOG.info(
            "expired %s are deleted" if not stop.is_set() else "stopped while deleting expired %s",
            things,
            extra={"job": job, things: deleted},
        )

    return Task("expire", expire, "expire_interval", f"deletes {things} that are older than {setting}, where that is set")

"""Periodic work on stores of rated usage."""

from __future__ import annotations

import logging
import threading

from undercroft.core.kinds import Task
from undercroft.rating.contract import BaseStorage

LOG = logging.getLogger(__name__)


def expire(store: BaseStorage, stop: threading.Event) -> None:
    """Delete what is older than the retention, until done or told to stop; what is left waits for the next run."""
    before = store.expiry()
    if before is None:
        LOG.info("everything is kept", extra={"job": "rating.expire"})
        return
    share = store.expired(before)
    if share.part:
        # Nobody is asked: the operator wrote the retention.
        LOG.log(
            logging.WARNING if share.is_large else logging.INFO,
            "usage that is older than [storage] retention_period is being deleted: %s points",
            share.words,
            extra={"job": "rating.expire", "before": before.isoformat()},
        )
    points = batches = 0
    for batch in store.expire_before(before):
        points, batches = points + batch.points, batches + 1
        if stop.is_set():
            break
    LOG.info(
        "expired usage is deleted" if not stop.is_set() else "stopped while deleting expired usage",
        extra={"job": "rating.expire", "points": points, "batches": batches, "before": before.isoformat()},
    )


def maintain(store: BaseStorage, _stop: threading.Event) -> None:
    """Do what the driver has put off, such as sums by series."""
    points = store.maintain()
    LOG.info("what was put off is done", extra={"job": "rating.maintain", "points": points})


TASKS = (
    Task("expire", expire, "expire_interval", "deletes usage that is older than [storage] retention_period, where that is set"),
    Task("maintain", maintain, "maintain_interval", "does what the driver puts off, such as sums by series"),
)

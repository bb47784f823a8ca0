"""Periodic work on stores of samples."""

from __future__ import annotations

import logging
import threading

from undercroft.core import expiry
from undercroft.core.kinds import Task
from undercroft.metering.contract import Store

LOG = logging.getLogger(__name__)


def maintain(store: Store, _stop: threading.Event) -> None:
    """Update the pre-aggregates of hours that are over."""
    samples = store.maintain()
    LOG.info("pre-aggregates are up to date", extra={"job": "metering.maintain", "samples": samples})


TASKS = (
    expiry.task("metering", "samples", lambda store, ttl: store.expire_part(ttl)),
    Task("maintain", maintain, "maintain_interval", "updates the pre-aggregates that statistics are read from"),
)

"""Periodic work on stores of messages."""

from __future__ import annotations

import logging
import threading
from typing import Any

from undercroft.core.kinds import Task

LOG = logging.getLogger(__name__)


def _clean(store: Any, stop: threading.Event) -> None:
    removed = 0
    while not stop.is_set() and (gone := store.clean()):
        removed += gone
    if removed:
        LOG.info("what had expired is removed", extra={"job": "messaging.clean", "messages": removed})


TASKS = (Task("clean", _clean, "clean_interval", "removes messages that have expired, and those of deleted queues"),)

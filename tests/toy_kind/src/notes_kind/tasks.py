"""Periodic work on notes."""

from __future__ import annotations

import logging
import threading

from notes_kind.driver import Store
from undercroft.core import settings
from undercroft.core.kinds import Task

LOG = logging.getLogger("undercroft.notes")


def expire(store: Store, _stop: threading.Event) -> None:
    gone = store.keep(settings.get("notes", "most"))
    LOG.info("notes beyond the limit are deleted", extra={"job": "notes.expire", "notes": gone})


TASKS = (Task("expire", expire, "expire_interval", "deletes all but [notes] most notes"),)

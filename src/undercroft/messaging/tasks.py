"""Periodic work on stores of messages."""

from __future__ import annotations

import functools
import logging
import pkgutil
import threading
from collections.abc import Callable
from typing import Any

from undercroft.core.errors import ConfigInvalid
from undercroft.core.kinds import Task

LOG = logging.getLogger(__name__)


def _clean(store: Any, stop: threading.Event) -> None:
    removed = 0
    while not stop.is_set() and (gone := store.clean()):
        removed += gone
    if removed:
        LOG.info("what had expired is removed", extra={"job": "messaging.clean", "messages": removed})


def _move(store: Any, stop: threading.Event) -> None:
    if not stop.is_set() and (moved := store.rebalance()):
        LOG.info("queues went on to their pools", extra={"job": "messaging.move", "queues": moved})


def _notify(store: Any, stop: threading.Event) -> None:
    if (run := _job()) is not None:
        run(store, stop)


@functools.cache
def _job() -> Callable[[Any, threading.Event], None] | None:
    """What sends, imported when it is needed; None where the installation lacks its libraries, which is told once."""
    try:
        found: Callable[[Any, threading.Event], None] = pkgutil.resolve_name("undercroft.messaging.delivery.job:run")
    except ConfigInvalid as error:
        LOG.warning("no notifications are sent: %s", error, extra={"job": "messaging.notify"})
        return None
    return found


TASKS = (
    Task("clean", _clean, "clean_interval", "removes messages that have expired, and those of deleted queues"),
    Task("move", _move, "move_interval", "takes queues further that change their pools"),
    Task("notify", _notify, "notify_interval", "sends what was posted to the subscribers of its queue"),
)

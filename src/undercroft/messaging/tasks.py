"""Periodic work on stores of messages."""

from __future__ import annotations

import contextlib
import logging
import threading
import weakref
from typing import Any, NamedTuple

from undercroft.core import settings
from undercroft.core.errors import Unsupported
from undercroft.core.kinds import Task
from undercroft.messaging.delivery.receivers import Receivers
from undercroft.messaging.delivery.senders import Senders
from undercroft.messaging.delivery.worker import worker_of

LOG = logging.getLogger(__name__)
# Seconds of a run, so that another worker may take over.
_TURN = 8.0


def _clean(store: Any, stop: threading.Event) -> None:
    removed = 0
    while not stop.is_set() and (gone := store.clean()):
        removed += gone
    if removed:
        LOG.info("what had expired is removed", extra={"job": "messaging.clean", "messages": removed})


class _Kept(NamedTuple):
    """What is of use in the next run: connections to receivers, and what is known of them."""

    sender: Senders
    receivers: Receivers


_kept: weakref.WeakKeyDictionary[Any, _Kept] = weakref.WeakKeyDictionary()


def _notify(store: Any, stop: threading.Event) -> None:
    conf = settings.current()
    kept = _kept.get(store)
    if kept is None:
        kept = _kept[store] = _Kept(Senders(conf), Receivers())
    # One that has no outbox has nothing to send.
    with contextlib.suppress(Unsupported):
        worker_of(store, kept.sender, conf, kept.receivers).run(stop, seconds=_TURN, until_idle=True)


TASKS = (
    Task("clean", _clean, "clean_interval", "removes messages that have expired, and those of deleted queues"),
    Task("notify", _notify, "notify_interval", "sends what was posted to the subscribers of its queue"),
)

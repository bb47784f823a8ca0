"""The periodic job: a run sends what is due, and ends."""

from __future__ import annotations

import contextlib
import threading
import weakref
from typing import Any, NamedTuple

from undercroft.core import settings
from undercroft.core.errors import Unsupported
from undercroft.messaging.delivery.receivers import Receivers
from undercroft.messaging.delivery.senders import Senders
from undercroft.messaging.delivery.worker import worker_of

# Seconds of a run, so that another worker may take over.
_TURN = 8.0


class _Kept(NamedTuple):
    """What is of use in the next run: connections to receivers, and what is known of them."""

    sender: Senders
    receivers: Receivers


_kept: weakref.WeakKeyDictionary[Any, _Kept] = weakref.WeakKeyDictionary()


def run(store: Any, stop: threading.Event) -> None:
    """Send what is due now."""
    conf = settings.current()
    kept = _kept.get(store)
    if kept is None:
        kept = _kept[store] = _Kept(Senders(conf), Receivers())
        weakref.finalize(store, kept.sender.close)
    # A store without an outbox has nothing to send.
    with contextlib.suppress(Unsupported):
        worker_of(store, kept.sender, conf, kept.receivers).run(stop, seconds=_TURN, until_idle=True)

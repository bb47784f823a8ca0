"""SIGTERM and SIGINT end the worker: a transaction that is under way is finished, everything else is dropped."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from undercroft.export.storing import Storing

# Seconds. A transaction that takes longer is cut off; its rows come again with the next start. The process ends within 10 s.
PATIENCE = 8.0
# What else is under way, such as freeing the lock, takes longer only where the target does not answer.
_CLEARING = 1.0


class Stopped(BaseException):
    """A signal came while nothing was being stored."""


@contextlib.contextmanager
def stopping(storing: Storing, stop: threading.Event) -> Iterator[None]:
    """The block, which the first of these signals ends; a second one ends the process at once, as it would have without us.

    `storing.hang_up` fires some seconds later: what the caller does within `deadline.until` of it does not wait for a target that
    is silent.
    """
    before: dict[signal.Signals, Any] = {}

    def restore() -> None:
        for each, handler in before.items():
            signal.signal(each, handler)

    def told(*_: object) -> None:
        restore()
        stop.set()
        timer = threading.Timer(PATIENCE if storing.is_under_way else _CLEARING, storing.hang_up.fire)
        timer.daemon = True
        timer.start()
        if not storing.is_under_way:
            raise Stopped

    for each in (signal.SIGTERM, signal.SIGINT):
        before[each] = signal.signal(each, told)
    try:
        with contextlib.suppress(Stopped):
            yield
    finally:
        restore()

"""SIGTERM and SIGINT end the worker: a transaction that is under way is finished, everything else is dropped."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from undercroft.core.deadline import HangUp

# Seconds. A transaction that takes longer is cut off; its rows come again with the next start. The process ends within 10 s.
PATIENCE = 8.0
# What else is under way, such as freeing the lock, takes longer only where the target does not answer.
_CLEARING = 1.0


class Stopped(BaseException):
    """A signal came while nothing was being stored."""


@contextlib.contextmanager
def stopping(stop: threading.Event, hang_up: HangUp, is_storing: Callable[[], bool]) -> Iterator[None]:
    """The block, which the first of these signals ends; a second one ends the process at once, as it would have without us.

    Args:
        stop: set by the signal.
        hang_up: fires some seconds later: what the caller does within `deadline.until` of it does not wait for a target that is
            silent.
        is_storing: whether a transaction is under way, which the signal does not break off.
    """
    before: dict[signal.Signals, Any] = {}

    def restore() -> None:
        for each, handler in before.items():
            signal.signal(each, handler)

    def told(*_: object) -> None:
        restore()
        stop.set()
        finishes = is_storing()
        timer = threading.Timer(PATIENCE if finishes else _CLEARING, hang_up.fire)
        timer.daemon = True
        timer.start()
        if not finishes:
            # A question to the target that is broken off leaves its connection in the middle, which its library would log.
            logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
            raise Stopped

    for each in (signal.SIGTERM, signal.SIGINT):
        before[each] = signal.signal(each, told)
    try:
        with contextlib.suppress(Stopped):
            yield
    finally:
        restore()

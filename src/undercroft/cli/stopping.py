"""SIGTERM and SIGINT, for commands that run until one of them comes."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def until_signal() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set; a second one of them ends the process at once, as it would have without us."""
    stop = threading.Event()
    before: dict[signal.Signals, Any] = {}

    def told(*_: object) -> None:
        stop.set()
        restore()

    def restore() -> None:
        for each, handler in before.items():
            signal.signal(each, handler)

    for each in (signal.SIGTERM, signal.SIGINT):
        before[each] = signal.signal(each, told)
    try:
        yield stop
    finally:
        restore()

"""A clock that a test sets."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator

from undercroft.core import time


@contextlib.contextmanager
def now(moment: dt.datetime) -> Iterator[None]:
    """Let it be that moment, for us and for the engines."""
    time.bind(lambda: moment)
    try:
        yield
    finally:
        time.bind(None)

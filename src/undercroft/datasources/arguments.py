"""Times that callers pass, as questions have them. What cannot be used is logged, and replaced."""

from __future__ import annotations

import datetime as dt
import logging
import math

from undercroft.core import time
from undercroft.datasources.question import Window

LOG = logging.getLogger(__name__)

_SECOND = 1_000_000
_DEFAULT_PERIOD = 300.0
# Where the bounds of a series are left out, in seconds.
_SERIES = 3_600


def window(period: object) -> Window:
    """The last so many seconds: a number, or numeric text."""
    until = time.to_micros(time.now())
    seconds = _positive(period)
    if seconds is None:
        LOG.warning("period %.64r is not a number of seconds: %g is taken", period, _DEFAULT_PERIOD)
        seconds = _DEFAULT_PERIOD
    return Window(max(time.FIRST, until - round(min(seconds, 1e12) * _SECOND)), until)


def bounds(start: dt.datetime | None, end: dt.datetime | None) -> Window:
    """The window of a series, whose start belongs to it; an empty one where it begins after its end."""
    until = time.to_micros(time.now() if end is None else end, "end_time")
    first = until - _SERIES * _SECOND if start is None else time.to_micros(start, "start_time")
    return Window(min(first - 1, until), until)


def granularity(given: object) -> int | None:
    """Whole seconds, 1 at least; None for the finest."""
    if given is None:
        return None
    seconds = _positive(given)
    if seconds is None:
        LOG.warning("granularity %.64r is not a number of seconds: the finest is taken", given)
        return None
    return max(1, round(min(seconds, 1e12)))


def _positive(given: object) -> float | None:
    """A number of seconds above 0, from a number or numeric text."""
    if isinstance(given, bool) or not isinstance(given, (int, float, str)):
        return None
    try:
        seconds = float(given)
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) and seconds > 0 else None

"""Days, ISO weeks and months as parts of the names of indices: `2026-01-31`, `2026-w05`, `2026-01`."""

from __future__ import annotations

import calendar
import datetime as dt
from typing import Literal

from undercroft.core import time
from undercroft.events import query

Period = Literal["day", "week", "month"]
_DAY = 86_400_000_000


def name_of(micros: int, period: Period) -> str:
    """The name of the period in which a moment lies."""
    date = query.moment(micros).date()
    if period == "month":
        return f"{date.year:04}-{date.month:02}"
    if period == "week":
        year, week, _ = date.isocalendar()
        return f"{year:04}-w{week:02}"
    return date.isoformat()


def bounds(name: str) -> tuple[int, int]:
    """The first microsecond of the period with that name, and the first behind it.

    Raises:
        ValueError: no period has such a name.
    """
    if "w" in name:
        first, days = dt.date.fromisoformat(name.upper()), 7
    elif name.count("-") == 1:
        first = dt.date.fromisoformat(f"{name}-01")
        days = calendar.monthrange(first.year, first.month)[1]
    else:
        first, days = dt.date.fromisoformat(name), 1
    start = (first - time.EPOCH.date()).days * _DAY
    return start, start + days * _DAY

"""Calendar attributes that collectors add to every point, and days that spell themselves out.

A *day key* is an integer `YYYYMMWWDDD` (year, month, week of the year, day of the year) of a local date. It sorts like the date,
and every calendar attribute follows from it by integer division, on any engine, without a table. A *month key* is `YYYYMM`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from undercroft.core.time import FIRST, LAST, UTC, from_micros, to_micros

DAY_OF_THE_YEAR = "day_of_the_year"
WEEK_OF_THE_YEAR = "week_of_the_year"
MONTH = "month"
YEAR = "year"


class Part(NamedTuple):
    """How one attribute follows from a day key: `key // divisor % modulus`, written with `width` digits at least."""

    bit: int
    divisor: int
    modulus: int
    width: int

    def of(self, key: int) -> str:
        """The attribute's text for a day key."""
        return str(key // self.divisor % self.modulus).zfill(self.width)


# Forms as the collectors write them (contract, section 2): "2024", "1".."12", "00".."53" (weeks from Sunday), "1".."366".
PARTS: dict[str, Part] = {
    YEAR: Part(1, 10_000_000, 10_000, 1),
    MONTH: Part(2, 100_000, 100, 1),
    WEEK_OF_THE_YEAR: Part(4, 1_000, 100, 2),
    DAY_OF_THE_YEAR: Part(8, 1, 1_000, 1),
}
MONTH_OF_DAY = 100_000
# Every month key is below every day key.
LAST_MONTH = 999_912


def day_key(date: dt.date) -> int:
    """`YYYYMMWWDDD` of a date; weeks count from the year's first Sunday."""
    ordinal = date.timetuple().tm_yday
    week = (ordinal + 6 - date.isoweekday() % 7) // 7
    return ((date.year * 100 + date.month) * 100 + week) * 1000 + ordinal


def day_of(micros: int, zone: dt.tzinfo) -> int:
    """Day key of the local date at an instant."""
    moment = from_micros(micros)
    try:
        return day_key(moment.astimezone(zone).date())
    except OverflowError:
        # Within hours of the years 1 and 9999 a zone's date may not exist; UTC's does.
        return day_key(moment.date())


def attributes(key: int) -> dict[str, str]:
    """The four calendar attributes of a day."""
    return {name: part.of(key) for name, part in PARTS.items()}


def days(first: int, last: int) -> Iterator[int]:
    """Every day key from `first` to `last`, both included."""
    date, end = _date(first), _date(last)
    while date <= end:
        yield day_key(date)
        if date == dt.date.max:
            return
        date += dt.timedelta(days=1)


def in_order(counts: Iterable[tuple[int, int]], zone: dt.tzinfo) -> Iterator[tuple[tuple[int, int], int]]:
    """Counts by day as counts by ranges of days, bounds included, that follow each other in time as well.

    Where clocks go back over midnight, two dates have instants in turn: such days make one range.
    """
    bounds: tuple[int, int] | None = None
    total = 0
    for day, count in counts:
        if bounds is not None and len(set(_midnights(_date(day), zone))) == 1:
            yield bounds, total
            bounds, total = None, 0
        bounds, total = (day if bounds is None else bounds[0], day), total + count
    if bounds is not None:
        yield bounds, total


def _date(key: int) -> dt.date:
    return dt.date(key // 10_000_000, 1, 1) + dt.timedelta(days=key % 1_000 - 1)


class Coverage(NamedTuple):
    """A time range split at its whole local days.

    `first_day` and `last_day` are the day keys of the first and the last day that lie in the range as a whole; `first_month` and
    `last_month` the keys of the months that do. What is left over are the range's two edges; `has_edges` is False when there are
    none.
    """

    first_day: int
    last_day: int
    first_month: int | None
    last_month: int | None
    has_edges: bool

    def buckets(self) -> int:
        """How many months and days of months in part there are."""
        months_ = 0
        if self.first_month is not None and self.last_month is not None:
            months_ = _month_number(self.last_month) - _month_number(self.first_month) + 1
        return months_ + sum((_date(last) - _date(first)).days + 1 for first, last in self.day_ranges())

    def day_ranges(self) -> list[tuple[int, int]]:
        """The whole days that are in no whole month: up to two ranges of day keys, bounds included."""
        if self.first_month is None or self.last_month is None:
            return [(self.first_day, self.last_day)]
        start, end = _month_bounds(self.first_month)[0], _month_bounds(self.last_month)[1]
        found = []
        if self.first_day < day_key(start):
            found.append((self.first_day, day_key(start - dt.timedelta(days=1))))
        if self.last_day > day_key(end):
            found.append((day_key(end + dt.timedelta(days=1)), self.last_day))
        return found


def coverage(begin: int | None, end: int | None, zone: dt.tzinfo) -> Coverage | None:
    """The whole days and months within `[begin, end)`; an open bound covers everything on its side; None when there is none."""
    first = dt.date.min if begin is None else _first_whole_day(begin, zone)
    last = dt.date.max if end is None else _last_whole_day(end, zone)
    if first is None or last is None or first > last:
        return None
    first_month = first.replace(day=1) if first.day == 1 else _next_month(first)
    last_month = last.replace(day=1) if _is_month_end(last) else _previous_month(last)
    edges = (begin is not None and _starts(first, zone) != begin) or (end is not None and _ends(last, zone) != end)
    if first_month is None or last_month is None or first_month > last_month:
        return Coverage(day_key(first), day_key(last), None, None, edges)
    return Coverage(day_key(first), day_key(last), _month_key(first_month), _month_key(last_month), edges)


def _first_whole_day(begin: int, zone: dt.tzinfo) -> dt.date | None:
    """The first date none of whose instants lies before `begin`."""
    date = _date(day_of(begin, zone))
    date -= min(dt.timedelta(days=1), date - dt.date.min)
    try:
        while _starts(date, zone) < begin:
            date += dt.timedelta(days=1)
    except OverflowError:
        return None
    return date


def _last_whole_day(end: int, zone: dt.tzinfo) -> dt.date | None:
    """The last date all of whose instants lie before `end`."""
    date = _date(day_of(end, zone))
    date += min(dt.timedelta(days=1), dt.date.max - date)
    try:
        while _ends(date, zone) > end:
            date -= dt.timedelta(days=1)
    except OverflowError:
        return None
    return date


def _starts(date: dt.date, zone: dt.tzinfo) -> int:
    """An instant at or before the first one that has the local `date`."""
    return FIRST if date == dt.date.min else min(_midnights(date, zone))


def _ends(date: dt.date, zone: dt.tzinfo) -> int:
    """An instant at or after the end of the last one that has the local `date`."""
    # No frame begins at the last moment of all: it could not end.
    return LAST if date == dt.date.max else max(_midnights(date + dt.timedelta(days=1), zone))


def bounds(first: int, last: int, zone: dt.tzinfo) -> tuple[int, int]:
    """Instants between which every moment lies whose day key is in `first` to `last`, both included."""
    return _starts(_date(first), zone), _ends(_date(last), zone)


def _midnights(date: dt.date, zone: dt.tzinfo) -> tuple[int, int]:
    """Both readings of local midnight. They differ where a clock change makes it happen twice or not at all."""
    midnight = dt.datetime(date.year, date.month, date.day, tzinfo=zone)
    early, late = (to_micros(midnight.replace(fold=fold).astimezone(UTC)) for fold in (0, 1))
    return early, late


def _is_month_end(date: dt.date) -> bool:
    return date == dt.date.max or (date + dt.timedelta(days=1)).day == 1


def _next_month(date: dt.date) -> dt.date | None:
    if (date.year, date.month) == (9999, 12):
        return None
    return dt.date(date.year + date.month // 12, date.month % 12 + 1, 1)


def _previous_month(date: dt.date) -> dt.date | None:
    first = date.replace(day=1)
    return None if first == dt.date.min else (first - dt.timedelta(days=1)).replace(day=1)


def _month_key(date: dt.date) -> int:
    return date.year * 100 + date.month


def _month_bounds(key: int) -> tuple[dt.date, dt.date]:
    """First and last date of a month."""
    first = dt.date(key // 100, key % 100, 1)
    following = _next_month(first)
    return first, dt.date.max if following is None else following - dt.timedelta(days=1)


def months(first: int, last: int) -> Iterator[int]:
    """Every month key from `first` to `last`, both included."""
    for month in range(_month_number(first), _month_number(last) + 1):
        yield month // 12 * 100 + month % 12 + 1


def _month_number(key: int) -> int:
    """A number for each month that is one larger than that of the month before."""
    return key // 100 * 12 + key % 100 - 1

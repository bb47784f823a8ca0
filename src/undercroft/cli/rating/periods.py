"""Groups by calendar year, month and day: the year belongs to each of them, which `time-m` and the like leave out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from undercroft.core import time
from undercroft.core.errors import InvalidInput
from undercroft.rating.calendar import DAY_OF_THE_YEAR, MONTH, YEAR
from undercroft.rating.query import TIME_COMMANDS

Row = Mapping[str, Any]
# What a store is asked for in the place of a name.
_ASKED = {"year": ("time-y",), "month": ("time-y", "time-m"), "day": ("time-y", "time-d")}
# Time groups that add up the same part of different years, and what groups by the year, too.
WITHOUT_YEAR = {"time-m": "month", "time-w": "time-y,time-w", "time-d": "day"}
_PARTS = {"time-m": "month", "time-w": "week", "time-d": "day"}


class Periods:
    """The names of `--by`, as a store knows them, and its rows with our names again.

    Args:
        names: what was asked for, in this order.

    Raises:
        InvalidInput: two names stand for columns of the same name.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(dict.fromkeys(names))
        self.has_calendar = any(name in _ASKED for name in self.names)
        for name, other in (("month", "time-m"), ("year", "time-y")):
            if name in self.names and other in self.names:
                raise InvalidInput("--by", f"{name} and {other} are two columns called {name}; leave one of them out")

    @property
    def asked(self) -> list[str]:
        """The names for the store."""
        return list(dict.fromkeys(part for name in self.names for part in _ASKED.get(name, (name,))))

    def notes(self, begin: dt.datetime, end: dt.datetime, zone: dt.tzinfo | None) -> Iterator[str]:
        """What to tell of names that add up the same part of different years, when the period has several of these."""
        if {"time-y", "year", "month", "day"} & {*self.names}:
            return
        try:
            first, last = (time.as_utc(moment).astimezone(zone) for moment in (begin, end - time.MICROSECOND))
        except OverflowError:
            # The first or the last hours that there are have no local time everywhere.
            first, last = time.as_utc(begin), time.as_utc(end)
        for name, better in WITHOUT_YEAR.items():
            if name in self.names and first.year < last.year:
                yield f"{name} adds up the same {_PARTS[name]} of {first.year} to {last.year}; --by {better} tells the years apart"

    @property
    def columns(self) -> list[str]:
        """The names of the columns that the groups have in our rows."""
        own = (name if name in _ASKED else TIME_COMMANDS.get(name.removeprefix("time-"), name) for name in self.names)
        return [column for column in own if column != "time"]

    def rows(self, found: Iterable[Row], before: Sequence[str]) -> list[dict[str, Any]]:
        """All rows of a store as ours, in the order of the groups' values as text.

        Args:
            found: the store's rows.
            before: names of the columns before those of the groups.
        """
        made = [
            {**{name: row[name] for name in before}, **{name: self._value(name, row) for name in self.columns}} for row in found
        ]
        return sorted(made, key=lambda row: [str(row[name]) for name in self.columns])

    def _value(self, column: str, row: Row) -> Any:
        return _MADE[column](row) if column in _MADE and column in self.names else row[column]


def _month(row: Row) -> str:
    return f"{row[YEAR]}-{str(row[MONTH]).zfill(2)}"


def _day(row: Row) -> str:
    try:
        return (dt.date(int(row[YEAR]), 1, 1) + dt.timedelta(days=int(row[DAY_OF_THE_YEAR]) - 1)).isoformat()
    except (ValueError, OverflowError):
        # Points may bring calendar attributes of their own, which may be anything.
        return f"{row[YEAR]}, day {row[DAY_OF_THE_YEAR]}"


# `time-m` has a column `month` without a year; the two are never asked for together.
_MADE: dict[str, Callable[[Row], Any]] = {"month": _month, "day": _day}

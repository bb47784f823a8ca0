"""An exact model of the rating contract, to compare drivers with.

Written from the contract's page alone: it shares no code with the product's queries, calendar or numbers. It keeps every point in
a list and looks at all of them for every answer.
"""

from __future__ import annotations

import datetime as dt
import decimal
import zoneinfo
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

EXACT = decimal.Context(prec=2000, rounding=decimal.ROUND_HALF_EVEN)
PLACE_38 = Decimal("1E-38")
LETTERS = {"d": "day_of_the_year", "w": "week_of_the_year", "m": "month", "y": "year"}


class Stored(NamedTuple):
    """A point with its frame's bounds."""

    start: dt.datetime
    end: dt.datetime
    type: str
    unit: str
    qty: Decimal
    price: Decimal
    groupby: dict[str, Any]
    metadata: dict[str, Any]


class KeyTaken(Exception):
    """`on_conflict=error`, and the series key is there."""


def utc(moment: dt.datetime) -> dt.datetime:
    """A datetime without a zone is UTC."""
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)


def identity(value: Any) -> Any:
    """Equal exactly for the same value of the same type; may be a dict's key."""
    if isinstance(value, Mapping):
        return "dict", tuple(sorted((key, identity(item)) for key, item in value.items()))
    if isinstance(value, (list, tuple)):
        return "list", tuple(identity(item) for item in value)
    return type(value).__name__, value


def add(numbers: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    total = Decimal(0)
    for number in numbers:
        total = EXACT.add(total, number)
    return total


SUMS: dict[str, Callable[[list[Stored]], Any]] = {
    "qty": lambda points: add(point.qty for point in points),
    "rate": lambda points: add(point.price for point in points),
}


class Oracle:
    """What a store must answer. The arguments are the options of the same names."""

    def __init__(
        self,
        timezone: str = "UTC",
        on_conflict: str = "replace",
        scope_key: str = "project_id",
        resource_keys: tuple[str, ...] = ("id", "resource_id"),
    ) -> None:
        self.zone = zoneinfo.ZoneInfo(timezone)
        self.on_conflict = on_conflict
        self.scope_key = scope_key
        self.resource_keys = resource_keys
        self.points: list[Stored] = []

    # -- writing ---------------------------------------------------------------------------------------------------

    def push(self, frames: Iterable[Any]) -> None:
        """Store the frames' points; equal keys within the call are several points, keys from before are replaced."""
        fresh = [
            Stored(
                utc(frame.start), utc(frame.end), type_, point.unit or "undefined", kept(point.qty), kept(point.price),
                dict(point.groupby), dict(point.metadata),
            )
            for frame in frames
            for type_, point in frame.iterpoints()
        ]  # fmt: skip
        keys = {series(point) for point in fresh}
        if self.on_conflict == "error" and any(series(point) in keys for point in self.points):
            raise KeyTaken
        if self.on_conflict == "replace":
            self.points = [point for point in self.points if series(point) not in keys]
        self.points += fresh

    def delete(
        self, begin: dt.datetime | None = None, end: dt.datetime | None = None, filters: Mapping[str, Any] | None = None
    ) -> int:
        """Delete what lies in [begin, end) and matches; tell how many."""
        gone = {id(point) for point in self._select(begin, end, filters)}
        self.points = [point for point in self.points if id(point) not in gone]
        return len(gone)

    def replace(self, begin: Any, end: Any, filters: Any, frames: Iterable[Any]) -> None:
        """Delete, then push; or neither."""
        before = self.points
        self.delete(begin, end, filters)
        try:
            self.push(frames)
        except KeyTaken:
            self.points = before
            raise

    # -- reading ---------------------------------------------------------------------------------------------------

    def retrieve(
        self, begin: Any = None, end: Any = None, filters: Any = None, metric_types: Any = None, resource: Any = None
    ) -> list[Stored]:
        """All matching points, by start, end and type."""
        found = self._select(begin, end, filters, metric_types, resource)
        return sorted(found, key=lambda point: point[:3])

    def total(
        self,
        groupby: list[str] | None = None,
        begin: Any = None,
        end: Any = None,
        metric_types: Any = None,
        filters: Any = None,
        resource: Any = None,
        fields: Mapping[str, Callable[[list[Stored]], Any]] = SUMS,
    ) -> list[dict[str, Any]]:
        """All rows, sorted by their groups' values as text; `fields` compute what a row tells of its points."""
        groups: dict[Any, tuple[list[Any], list[Stored]]] = {}
        names = list(dict.fromkeys(groupby or []))
        for point in self._select(begin, end, filters, metric_types, resource):
            values = [self._value(point, name) for name in names]
            groups.setdefault(identity(values), (values, []))[1].append(point)
        rows = []
        for values, points in sorted(groups.values(), key=lambda group: [order(value) for value in group[0]]):
            period = (points[0].start, points[0].end) if "time" in names else (begin and utc(begin), end and utc(end))
            row = {"begin": period[0], "end": period[1]} | {name: field(points) for name, field in fields.items()}
            row |= {column(name): value for name, value in zip(names, values, strict=True) if name != "time"}
            rows.append(row)
        return rows

    def tenants(self, begin: Any = None, end: Any = None) -> list[str]:
        """Scopes that have points in [begin, end)."""
        return sorted({str(p.groupby.get(self.scope_key, "")) for p in self._select(begin, end)} - {""})

    def _select(self, begin: Any, end: Any, filters: Any = None, metric_types: Any = None, resource: Any = None) -> list[Stored]:
        types = [metric_types] if isinstance(metric_types, str) else metric_types
        found = []
        for point in self.points:
            inside = (begin is None or utc(begin) <= point.start) and (end is None or point.start < utc(end))
            if not inside or (types and point.type not in types):
                continue
            if not all(matches(point, [name], wanted) for name, wanted in (filters or {}).items()):
                continue
            if resource is None or matches(point, self.resource_keys, resource):
                found.append(point)
        return found

    def _value(self, point: Stored, name: str) -> Any:
        """What the point is grouped by under one groupby name."""
        if name == "type":
            return point.type
        if name == "time":
            return point.start, point.end
        if name.startswith("time-") and column(name) not in point.groupby:
            return self._calendar(point.start, name)
        return point.groupby.get(column(name), "")

    def _calendar(self, start: dt.datetime, name: str) -> str:
        """The attribute that the collector would have stored, in the store's zone; in UTC where the zone has no such date."""
        try:
            local = start.astimezone(self.zone)
        except OverflowError:
            local = start
        if name == "time-w":
            return local.strftime("%U")
        return str({"time-d": local.timetuple().tm_yday, "time-m": local.month, "time-y": local.year}[name])


def series(point: Stored) -> Any:
    """The series key: frame start, frame end, type, groupby."""
    return point.start, point.end, point.type, identity(point.groupby)


def kept(number: Any) -> Decimal:
    """A number as a store keeps it: no more than 38 places, half-even."""
    exact = number if isinstance(number, Decimal) else Decimal(str(number))
    return EXACT.quantize(exact, PLACE_38)


def matches(point: Stored, names: Iterable[str], wanted: Any) -> bool:
    """True when any of the names, in groupby or in metadata, has any of the wanted values as text."""
    texts = {str(value) for value in wanted} if isinstance(wanted, (list, tuple, set)) else {str(wanted)}
    if "type" in names:
        return point.type in texts
    return any(str(place[name]) in texts for name in names for place in (point.groupby, point.metadata) if name in place)


def column(name: str) -> str:
    """The key in the rows of a groupby name."""
    return LETTERS[name[-1]] if name.startswith("time-") and name[5:] in LETTERS else name


def order(value: Any) -> Any:
    """Groups are sorted by text, periods by start and end."""
    return value if isinstance(value, tuple) else str(value)

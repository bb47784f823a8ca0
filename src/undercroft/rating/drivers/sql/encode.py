"""From frames to rows: checks every value, folds attribute sets into dictionary entries, numbers equal points."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from undercroft.core.errors import InvalidInput
from undercroft.rating import calendar
from undercroft.rating.drivers.sql.schema import DETAIL, SCOPE, SCOPE_TYPE, SERIES, TYPE
from undercroft.rating.models import DataPoint, canonical, checked, metric_type, period
from undercroft.rating.numbers import storable, units

_PARTS = tuple((name, part.bit) for name, part in calendar.PARTS.items())
_json = msgspec.json.Encoder(order="sorted")
# In the order of insertion: equal bytes still mean equal attributes.
_raw = msgspec.json.Encoder().encode
_KNOWN = 65_536
# Kinds of entries whose label is a metric type, which is an attribute as well, of the kind given here.
TYPED = {SERIES: TYPE, SCOPE: SCOPE_TYPE}


class SlotKey(NamedTuple):
    """What identifies a slot: frame bounds in microseconds, metric type in UTF-8."""

    begin: int
    end: int
    type: bytes


class Entry:
    """A dictionary entry; `label` is a series' or scope's metric type or a detail's unit, in UTF-8.

    Attributes:
        scope: a series' scope.
        number: its id, once that is known to be committed.
    """

    __slots__ = ("body", "calendar", "kind", "label", "number", "scope")

    def __init__(self, kind: int, calendar: int, label: bytes, body: bytes, scope: Entry | None = None) -> None:
        self.kind = kind
        self.calendar = calendar
        self.label = label
        self.body = body
        self.scope = scope
        self.number: int | None = None

    @property
    def digest(self) -> str:
        """Equal digests mean equal entries."""
        head = b"%d|%d|%d|" % (self.kind, self.calendar, len(self.label))
        return hashlib.blake2b(head + self.label + self.body, digest_size=16).hexdigest()

    def attributes(self) -> Iterator[tuple[int, bytes, int, bytes, bytes | None]]:
        """Rows of the table `attribute`, less the entry's id: kind, name, text key, text, JSON."""
        if self.kind in TYPED:
            yield TYPED[self.kind], b"", text_key(self.label), self.label, None
        for name, value in msgspec.json.decode(self.body).items():
            text = str(value).encode()
            form = None if isinstance(value, str) else _json.encode(value)
            yield self.kind, name.encode(), text_key(text), text, form


class Numbers(NamedTuple):
    """Quantities or prices.

    Attributes:
        exact: the numbers.
        units: the same in units of 10^-12, where all of them are so short (see `numbers.units`); nearly always.
    """

    exact: Sequence[Decimal]
    units: Sequence[int] | None


class Column(NamedTuple):
    """The points of one slot, in order of appearance, attribute by attribute."""

    slot: SlotKey
    series: Sequence[Entry]
    details: Sequence[Entry]
    qtys: Numbers
    prices: Numbers


class Batch(NamedTuple):
    """One push, checked and ready to be written.

    Attributes:
        columns: one a slot.
        days: day key of every slot.
        points: how many there are.
        rounded: how many numbers lost places beyond the 38th.
        first_rounded: where the first of them stands.
    """

    columns: list[Column]
    days: dict[SlotKey, int]
    points: int
    rounded: int
    first_rounded: str


def text_key(text: bytes) -> int:
    """A 63-bit hash for indexes on text of any length."""
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) >> 1


class Encoder:
    """Makes batches, and keeps the dictionary entries that it has made: the same few come every hour. Shared by threads."""

    def __init__(self) -> None:
        self._series: dict[tuple[int, bytes], dict[bytes, Entry]] = {}
        self._details: dict[tuple[str, bytes], Entry] = {}
        self._entries: dict[tuple[int, int, bytes, bytes], Entry] = {}
        self._known = 0

    def forget(self) -> None:
        """Drop the known entries, and what is known about their ids."""
        self._series = {}
        self._details = {}
        self._entries = {}
        self._known = 0

    def encode(self, frames: Sequence[Any], zone: dt.tzinfo, scope_key: str) -> Batch:
        """Check every frame and point; `scope_key` is the attribute that makes a series' scope.

        Raises:
            InvalidInput: a wrong value; the error says in which frame and point.
        """
        if self._known > _KNOWN:
            self.forget()
        points: dict[SlotKey, list[Any]] = {}
        for position, frame in enumerate(frames):
            try:
                bounds = period(frame.start, frame.end)
                for type_, found in frame.itertypes():
                    name = metric_type(type_).encode()
                    if found:
                        points.setdefault(SlotKey(*bounds, name), []).extend(found)
            except InvalidInput as error:
                raise error.within(f"dataframes[{position}]") from None
        days = dict(zip(points, _days([slot.begin for slot in points], zone), strict=True))
        lost = 0
        columns = []
        try:
            for slot, found in points.items():
                column, rounded = self._column(slot, days[slot], found, scope_key)
                columns.append(column)
                lost += rounded
        except InvalidInput:
            for _ in _roundings(frames):
                """Raises the same error, and says where."""
            raise
        first = next(_roundings(frames)) if lost else ""
        return Batch(columns, days, sum(map(len, points.values())), lost, first)

    def _column(self, slot: SlotKey, day: int, points: Sequence[Any], scope_key: str) -> tuple[Column, int]:
        """The points of a slot, and how many of their numbers were rounded."""
        if set(map(type, points)) != {DataPoint}:
            points = [_ours(point) for point in points]
        labels, qtys, prices, groupbys, metadata, _ = zip(*points, strict=True)
        # Prices, too: `set_price` does not convert.
        exact_qtys, lost_qtys = _storable(qtys, "qty")
        exact_prices, lost_prices = _storable(prices, "price")
        try:
            series = self._of_series(slot.type, day, groupbys, scope_key)
            details = self._of_details(labels, metadata)
        except (TypeError, ValueError) as error:
            raise InvalidInput("groupby, metadata or unit", str(error)) from None
        return Column(slot, series, details, exact_qtys, exact_prices), lost_qtys + lost_prices

    def _of_series(self, type_: bytes, day: int, groupbys: Sequence[Mapping[str, Any]], scope_key: str) -> list[Entry]:
        known = self._series.setdefault((day, type_), {})
        raw = list(map(_raw, groupbys))
        found: list[Any] = list(map(known.get, raw))
        if None in found:
            attributes = calendar.attributes(day)
            for position, entry in enumerate(found):
                if entry is None:
                    bits, kept = _without_calendar(groupbys[position], attributes)
                    mine = {scope_key: kept[scope_key]} if scope_key in kept else {}
                    scope = self._entry(SCOPE, 0, type_, canonical(mine))
                    found[position] = known[raw[position]] = self._entry(SERIES, bits, type_, canonical(kept), scope)
        return found

    def _of_details(self, labels: Sequence[str], metadata: Sequence[Mapping[str, Any]]) -> list[Entry]:
        known = self._details
        keys = list(zip(labels, map(_raw, metadata), strict=True))
        found: list[Any] = list(map(known.get, keys))
        if None in found:
            for position, entry in enumerate(found):
                if entry is None:
                    label = labels[position].encode()
                    found[position] = known[keys[position]] = self._entry(DETAIL, 0, label, canonical(metadata[position]))
        return found

    def _entry(self, kind: int, bits: int, label: bytes, body: bytes, scope: Entry | None = None) -> Entry:
        """One object an entry, however its attributes were ordered and whatever the day."""
        self._known += 1
        key = kind, bits, label, body
        return self._entries.get(key) or self._entries.setdefault(key, Entry(*key, scope))


def _days(begins: Sequence[int], zone: dt.tzinfo) -> list[int]:
    known = {begin: calendar.day_of(begin, zone) for begin in set(begins)}
    return [known[begin] for begin in begins]


def _ours(point: Any) -> DataPoint:
    return point if type(point) is DataPoint else checked(point)


def _storable(values: Sequence[Any], field: str) -> tuple[Numbers, int]:
    """The numbers as they are stored, and how many of them that changed."""
    short = units(values)
    if short is not None:
        return Numbers(values, short), 0
    found = [storable(value, field) for value in values]
    return Numbers([value for value, _ in found], None), sum(lost for _, lost in found)


def _without_calendar(groupby: Mapping[str, Any], attributes: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
    """Bits of the calendar attributes that follow from the day, and the attributes less those."""
    bits = 0
    for name, bit in _PARTS:
        if groupby.get(name) == attributes[name]:
            bits |= bit
    if not bits:
        return 0, groupby
    return bits, {name: value for name, value in groupby.items() if name not in attributes or value != attributes[name]}


def _roundings(frames: Sequence[Any]) -> Iterator[str]:
    """Where numbers lose places, point by point.

    Raises:
        InvalidInput: a wrong value, and where it stands.
    """
    for position, frame in enumerate(frames):
        for type_, points in frame.itertypes():
            for number, point in enumerate(points):
                place = f"dataframes[{position}].usage[{type_!r}][{number}]"
                try:
                    known = _ours(point)
                    lost = [field for field in ("qty", "price") if storable(getattr(known, field), field)[1]]
                    _checked_attributes(known)
                except InvalidInput as error:
                    raise error.within(place) from None
                yield from (f"{place}.{field}" for field in lost)


def largest(frames: Sequence[Any]) -> str:
    """Where the point with the longest groupby or metadata stands."""
    found, most = "dataframes", -1
    for position, frame in enumerate(frames):
        for type_, points in frame.itertypes():
            for number, point in enumerate(points):
                size = max(len(canonical(point.groupby)), len(canonical(point.metadata)))
                if size > most:
                    found, most = f"dataframes[{position}].usage[{type_!r}][{number}]", size
    return found


def _checked_attributes(point: DataPoint) -> None:
    try:
        point.unit.encode()
        canonical(point.groupby)
        canonical(point.metadata)
    except (TypeError, ValueError) as error:
        raise InvalidInput("groupby, metadata or unit", str(error)) from None

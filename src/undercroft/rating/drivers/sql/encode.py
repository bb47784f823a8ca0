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
from undercroft.rating.drivers.sql.schema import DETAIL, SERIES, TYPE
from undercroft.rating.models import DataPoint, canonical, checked, metric_type, period
from undercroft.rating.numbers import storable

_PARTS = tuple((name, part.bit) for name, part in calendar.PARTS.items())
_ALL_PARTS = sum(bit for _, bit in _PARTS)
_json = msgspec.json.Encoder(order="sorted")


class SlotKey(NamedTuple):
    """What identifies a slot: frame bounds in microseconds, metric type in UTF-8."""

    begin: int
    end: int
    type: bytes


class Entry(NamedTuple):
    """A dictionary entry to be; `label` is a series' metric type or a detail's unit, in UTF-8."""

    kind: int
    calendar: int
    label: bytes
    body: bytes

    @property
    def digest(self) -> str:
        """Equal digests mean equal entries."""
        head = b"%d|%d|%d|" % (self.kind, self.calendar, len(self.label))
        return hashlib.blake2b(head + self.label + self.body, digest_size=16).hexdigest()

    def attributes(self) -> Iterator[tuple[int, bytes, int, bytes, bytes | None]]:
        """Rows of the table `attribute`, less the entry's id: kind, name, text key, text, JSON."""
        if self.kind == SERIES:
            yield TYPE, b"", text_key(self.label), self.label, None
        for name, value in msgspec.json.decode(self.body).items():
            text = str(value).encode()
            form = None if isinstance(value, str) else _json.encode(value)
            yield self.kind, name.encode(), text_key(text), text, form


class Encoded(NamedTuple):
    """A checked point; `series` and `detail` are keys of `Batch.entries`."""

    slot: SlotKey
    series: Entry
    detail: Entry
    qty: Decimal
    price: Decimal


class Batch(NamedTuple):
    """One push, checked and ready to be written.

    Attributes:
        points: in order of appearance.
        days: day key of every slot.
        rounded: how many numbers lost places beyond the 38th.
        first_rounded: where the first of them stands.
    """

    points: list[Encoded]
    days: dict[SlotKey, int]
    rounded: int
    first_rounded: str


def text_key(text: bytes) -> int:
    """A 63-bit hash for indexes on text of any length."""
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) >> 1


def encode(frames: Sequence[Any], zone: dt.tzinfo) -> Batch:
    """Check every frame and point.

    Raises:
        InvalidInput: a wrong value; the error says in which frame and point.
    """
    points: list[Encoded] = []
    days: dict[SlotKey, int] = {}
    rounded: list[str] = []
    calendars: dict[int, dict[str, str]] = {}
    for position, frame in enumerate(frames):
        place = f"dataframes[{position}]"
        try:
            begin, end = period(frame.start, frame.end)
            usage = list(frame.itertypes())
            for type_, _ in usage:
                metric_type(type_)
        except InvalidInput as error:
            raise error.within(place) from None
        day = calendar.day_of(begin, zone)
        attributes = calendars.get(day)
        if attributes is None:
            attributes = calendars[day] = calendar.attributes(day)
        for type_, found in usage:
            slot = SlotKey(begin, end, type_.encode())
            if found:
                days[slot] = day
            for number, point in enumerate(found):
                try:
                    points.append(_point(point, slot, attributes, rounded))
                except InvalidInput as error:
                    raise error.within(f"{place}.usage[{type_!r}][{number}]") from None
                if rounded and rounded[-1] in ("qty", "price"):
                    rounded[-1] = f"{place}.usage[{type_!r}][{number}].{rounded[-1]}"
    return Batch(points, days, len(rounded), rounded[0] if rounded else "")


def _point(point: Any, slot: SlotKey, calendars: Mapping[str, str], rounded: list[str]) -> Encoded:
    if type(point) is not DataPoint:
        point = checked(point)
    qty, lost = storable(point.qty, "qty")
    if lost:
        rounded.append("qty")
    # `set_price` does not convert.
    price, lost = storable(point.price, "price")
    if lost:
        rounded.append("price")
    groupby = point.groupby
    bits = 0
    for name, bit in _PARTS:
        if groupby.get(name) == calendars[name]:
            bits |= bit
    if bits == _ALL_PARTS:
        groupby = {name: value for name, value in groupby.items() if name not in calendars}
    elif bits:
        groupby = {name: value for name, value in groupby.items() if name not in calendars or value != calendars[name]}
    try:
        series = Entry(SERIES, bits, slot.type, canonical(groupby))
        detail = Entry(DETAIL, 0, point.unit.encode(), canonical(point.metadata))
    except (TypeError, ValueError) as error:
        raise InvalidInput("groupby, metadata or unit", str(error)) from None
    return Encoded(slot, series, detail, qty, price)

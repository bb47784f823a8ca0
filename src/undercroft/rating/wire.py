"""Rated usage as JSON: a frame, with the usage of one period by metric type.

    {"period": {"begin": "2026-01-01T00:00:00Z", "end": "2026-01-01T01:00:00Z"},
     "usage": {"cpu": [{"vol": {"unit": "h", "qty": 1}, "rating": {"price": 0.5}, "groupby": {...}, "metadata": {...}}]}}

No number passes through a float, but in attributes, where a number with a point is one.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from undercroft.core import time
from undercroft.core.errors import InvalidInput
from undercroft.rating.models import DataFrame, DataPoint

Moment = Annotated[str, Meta(description="ISO 8601; UTC where no zone is given.", max_length=64)]
# JSON numbers or text; no digit is lost.
AnyNumber = Annotated[Decimal, Meta(extra_json_schema={"type": ["number", "string"], "format": "decimal"})]


class Vol(Struct, forbid_unknown_fields=True):
    """A quantity of a unit."""

    unit: str | None
    qty: AnyNumber


class Rating(Struct, forbid_unknown_fields=True):
    """What it costs."""

    price: AnyNumber = Decimal(0)


class Point(Struct, forbid_unknown_fields=True):
    """One rated quantity of one thing."""

    vol: Vol
    groupby: dict[str, Any]
    metadata: dict[str, Any]
    rating: Rating = field(default_factory=Rating)


class Period(Struct, forbid_unknown_fields=True):
    """From begin, included, to end."""

    begin: Moment
    end: Moment


class Frame(Struct, forbid_unknown_fields=True):
    """The usage of one period, by metric type."""

    period: Period
    usage: dict[str, list[Point]]


_typed = msgspec.json.Decoder(Frame)
_untyped = msgspec.json.Decoder(float_hook=Decimal)


def parse(line: bytes) -> DataFrame:
    """The frame that JSON text holds.

    Raises:
        InvalidInput: the error says where.
    """
    try:
        try:
            return frame(_typed.decode(line))
        except (msgspec.ValidationError, InvalidInput):
            # Once more, slowly: the model checks the plain objects and names the place.
            return DataFrame.from_dict(_plain(line))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput("line", f"is not JSON ({error})") from None
    except RecursionError:
        raise InvalidInput("line", "is nested too deep") from None


def frame(given: Frame) -> DataFrame:
    """The frame that a decoded one stands for.

    Raises:
        InvalidInput: the error says where.
    """
    made = DataFrame(time.parse(given.period.begin, "period.begin"), time.parse(given.period.end, "period.end"))
    for type_, points in given.usage.items():
        try:
            made.add_points([_point(each) for each in points], type_)
        except InvalidInput:
            _find(points, type_)
            raise
    return made


def _point(given: Point) -> DataPoint:
    return DataPoint(given.vol.unit, given.vol.qty, given.rating.price, given.groupby, given.metadata)


def _find(points: list[Point], type_: str) -> None:
    """Raise the error of the first point that has one, with its place."""
    for position, point in enumerate(points):
        try:
            _point(point)
        except InvalidInput as error:
            raise error.within(f"usage[{type_!r}][{position}]") from None


def _plain(line: bytes) -> Any:
    """The line's objects with numbers as Decimals, but in attributes, where a number with a point is a float."""
    given = _untyped.decode(line)
    usage = given.get("usage") if isinstance(given, dict) else None
    for points in usage.values() if isinstance(usage, dict) else ():
        for point in points if isinstance(points, list) else ():
            if isinstance(point, dict):
                point.update({key: _floats(point[key]) for key in ("groupby", "metadata") if key in point})
    return given


def _floats(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [_floats(item) for item in value]
    if isinstance(value, dict):
        return {key: _floats(item) for key, item in value.items()}
    return value

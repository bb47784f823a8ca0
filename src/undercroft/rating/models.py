"""The shapes of rated usage: `DataPoint` and `DataFrame` (contract, section 2), parsed and checked here only."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn, Self

import msgspec

from undercroft.core import time
from undercroft.core.errors import InvalidInput, WrongType
from undercroft.core.names import check_keys
from undercroft.rating.numbers import ZERO, exact

NAME_LENGTH = 255
UNDEFINED_UNIT = "undefined"
_encoder = msgspec.json.Encoder(decimal_format="number")
_canonical = msgspec.json.Encoder(order="sorted")
_SCALARS = (str, int, float, bool, type(None))


class FrozenDict(dict[str, Any]):
    """A dict that refuses to change. Equal to a dict with the same items, and to its JSON round trip."""

    __slots__ = ()

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("groupby and metadata of a DataPoint are immutable; build a new point")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset((key, repr(value)) for key, value in self.items()))

    def __reduce__(self) -> tuple[type[FrozenDict], tuple[dict[str, Any]]]:
        return FrozenDict, (dict(self),)

    def copy(self) -> dict[str, Any]:
        """A plain dict with the same items, which may be changed."""
        return dict(self)


class _Point(NamedTuple):
    unit: str
    qty: Decimal
    price: Decimal
    groupby: FrozenDict
    metadata: FrozenDict
    description: str | None = None


class DataPoint(_Point):
    """One rated quantity of one thing in one period. Immutable.

    Args:
        unit: text; empty or None becomes `'undefined'`.
        qty: a number (Decimal, int, text, or float by its shortest text); kept exactly.
        price: the same.
        groupby: what may be grouped on; keys are text, values anything that JSON can hold.
        metadata: the rest, of the same form.
        description: text or None; not stored.

    Raises:
        InvalidInput: NaN, an infinity, 10^20 or more, more than 38 significant digits; the error names the field.
        WrongType: a value of another type.
    """

    __slots__ = ()

    def __new__(  # noqa: D102 - the class tells
        cls,
        unit: str | None,
        qty: Any,
        price: Any,
        groupby: Mapping[str, Any],
        metadata: Mapping[str, Any],
        description: str | None = None,
    ) -> Self:
        return super().__new__(
            cls,
            _unit(unit),
            exact(qty, "qty"),
            exact(price, "price"),
            _attributes(groupby, "groupby"),
            _attributes(metadata, "metadata"),
            description,
        )

    def set_price(self, price: Any) -> Self:
        """A new point with `price`, which is not converted."""
        return self._replace(price=price)

    @property
    def desc(self) -> FrozenDict:
        """Metadata overlaid by groupby."""
        return FrozenDict({**self.metadata, **self.groupby})

    def as_dict(self, legacy: bool = False, mutable: bool = False) -> dict[str, Any]:
        """The point as nested dicts: `vol` (unit, qty), `rating` (price), `groupby` and `metadata`.

        Args:
            legacy: one `desc` in the place of `groupby` and `metadata`.
            mutable: plain dicts that may be changed; immutable ones otherwise.
        """
        make: type[dict[str, Any]] = dict if mutable else FrozenDict
        out: dict[str, Any] = {
            "vol": make({"unit": self.unit, "qty": self.qty}),
            "rating": make({"price": self.price}),
        }
        if legacy:
            out["desc"] = make(self.desc)
        else:
            out["groupby"] = make(self.groupby)
            out["metadata"] = make(self.metadata)
        return make(out)

    def json(self, legacy: bool = False) -> str:
        """`as_dict` as JSON text; numbers with every digit."""
        return _encoder.encode(self.as_dict(legacy=legacy, mutable=True)).decode()

    @classmethod
    def from_dict(cls, dict_: Mapping[str, Any], legacy: bool = False) -> Self:
        """The point of a dict as `as_dict` gives it; `rating` and its `price` default to 0.

        Raises:
            InvalidInput: a key is missing or unknown, or a value is wrong.
        """
        wanted = {"vol", "desc"} if legacy else {"vol", "groupby", "metadata"}
        _keys(dict_, wanted, {"rating"}, "point")
        vol = _keys(dict_["vol"], {"unit", "qty"}, set(), "vol")
        rating = _keys(dict_.get("rating", {}), set(), {"price"}, "rating")
        if not isinstance(vol["unit"], str):
            raise WrongType("vol.unit", f"expected text, got {type(vol['unit']).__name__}")
        return cls(
            vol["unit"],
            exact(vol["qty"], "vol.qty"),
            exact(rating.get("price", ZERO), "rating.price"),
            dict_["desc"] if legacy else dict_["groupby"],
            {} if legacy else dict_["metadata"],
        )


class DataFrame:
    """The rated usage of one period: points by metric type.

    Args:
        start: begin of the period, included.
        end: its end.
        usage: points by metric type; added in the order of the types' names.

    Raises:
        WrongType: `start` or `end` is no datetime.
        InvalidInput: `start` lies after `end`.
    """

    __slots__ = ("_usage", "end", "start")

    def __init__(self, start: dt.datetime, end: dt.datetime, usage: Mapping[str, Iterable[DataPoint]] | None = None) -> None:
        period(start, end)
        self.start = start
        self.end = end
        self._usage: dict[str, list[DataPoint]] = {}
        if usage is not None:
            if not isinstance(usage, Mapping):
                raise WrongType("usage", f"expected a dict of lists of points, got {type(usage).__name__}")
            for type_ in sorted(usage):
                self.add_points(usage[type_], type_)

    def add_point(self, point: DataPoint, type_: str) -> None:
        """Add one point of metric `type_`."""
        self.add_points([point], type_)

    def add_points(self, points: Iterable[DataPoint], type_: str) -> None:
        """Add points of metric `type_`."""
        self._usage.setdefault(metric_type(type_), []).extend(points)

    def iterpoints(self) -> Iterator[tuple[str, DataPoint]]:
        """Yield `(metric type, point)`."""
        for type_, points in self._usage.items():
            for point in points:
                yield type_, point

    def itertypes(self) -> Iterator[tuple[str, list[DataPoint]]]:
        """Yield `(metric type, its points)`."""
        yield from self._usage.items()

    def as_dict(self, legacy: bool = False, mutable: bool = False) -> dict[str, Any]:
        """`{'period': {'begin', 'end'}, 'usage': {type: [point dicts]}}`."""
        make: type[dict[str, Any]] = dict if mutable else FrozenDict
        usage = {
            type_: [point.as_dict(legacy=legacy, mutable=mutable) for point in points] for type_, points in self._usage.items()
        }
        return make({"period": make({"begin": self.start, "end": self.end}), "usage": make(usage)})

    def json(self, legacy: bool = False) -> str:
        """`as_dict` as JSON text; times in ISO 8601, numbers with every digit."""
        return _encoder.encode(self.as_dict(legacy=legacy, mutable=True)).decode()

    @classmethod
    def from_dict(cls, dict_: Mapping[str, Any], legacy: bool = False) -> Self:
        """The frame of a dict as `as_dict` gives it; times may be ISO 8601 text.

        Raises:
            InvalidInput: a key is missing or unknown, or a value is wrong; the error says where.
        """
        _keys(dict_, {"period", "usage"}, set(), "frame")
        bounds = _keys(dict_["period"], {"begin", "end"}, set(), "period")
        moments = [
            time.parse(value, f"period.{name}") if isinstance(value, str) else value
            for name, value in (("begin", bounds["begin"]), ("end", bounds["end"]))
        ]
        frame = cls(moments[0], moments[1])
        if not isinstance(dict_["usage"], Mapping):
            raise WrongType("usage", f"expected an object of lists, got {type(dict_['usage']).__name__}")
        for type_, points in dict_["usage"].items():
            if not isinstance(points, (list, tuple)):
                raise WrongType(f"usage[{type_!r}]", f"expected a list of points, got {type(points).__name__}")
            for position, point in enumerate(points):
                try:
                    frame.add_point(DataPoint.from_dict(point, legacy=legacy), type_)
                except InvalidInput as error:
                    raise error.within(f"usage[{type_!r}][{position}]") from None
        return frame

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DataFrame):
            return NotImplemented
        mine, theirs = ((time.as_utc(f.start), time.as_utc(f.end), f._usage) for f in (self, other))
        return mine == theirs

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        usage = ", ".join(f"{type_}: {len(points)}" for type_, points in self._usage.items())
        return f"<DataFrame {self.start.isoformat()}..{self.end.isoformat()} {{{usage}}}>"


def period(start: Any, end: Any) -> tuple[int, int]:
    """A frame's bounds in microseconds, checked."""
    begin, finish = time.to_micros(start, "start"), time.to_micros(end, "end")
    if begin > finish:
        raise InvalidInput("start", f"{start.isoformat()} lies after the end, {end.isoformat()}")
    return begin, finish


def metric_type(value: Any) -> str:
    """A metric type's name, checked: text of 1 to 255 characters."""
    return name(value, "type")


def name(value: Any, field: str) -> str:
    """A name, checked: text of at most 255 characters that UTF-8 can hold."""
    if not isinstance(value, str):
        raise WrongType(field, f"expected text, got {type(value).__name__}")
    if len(value) > NAME_LENGTH:
        raise InvalidInput(field, f"{value[:32]!r}... is longer than {NAME_LENGTH} characters")
    return _unicode(value, field)


def _unicode(value: str, field: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInput(field, f"{value[:32]!r} holds half of a surrogate pair, which is no character") from None
    return value


def _unit(unit: Any) -> str:
    if unit is None or unit == "":
        return UNDEFINED_UNIT
    if not isinstance(unit, str):
        raise WrongType("unit", f"expected text, got {type(unit).__name__}")
    return _unicode(unit, "unit")


def _attributes(value: Any, field: str) -> FrozenDict:
    if type(value) is FrozenDict:
        return value
    if not isinstance(value, Mapping):
        raise WrongType(field, f"expected a dict, got {type(value).__name__}")
    for key, item in value.items():
        name(key, f"{field} key")
        if type(item) is str:
            if not item.isascii():
                _unicode(item, f"{field}[{key!r}]")
            continue
        _json_value(item, f"{field}[{key!r}]")
    return FrozenDict(value)


def _json_value(value: Any, field: str, depth: int = 0) -> None:
    """Refuse what would not come back from JSON with the same type and value."""
    if depth > 32:
        raise InvalidInput(field, "is nested more than 32 levels deep")
    if isinstance(value, str):
        _unicode(value, field)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidInput(field, f"{value} is not a finite number")
    elif isinstance(value, int) and not isinstance(value, bool):
        if value.bit_length() > 1024:
            raise InvalidInput(field, "the integer has more than 1024 bits")
    elif isinstance(value, (list, tuple)):
        for position, item in enumerate(value):
            _json_value(item, f"{field}[{position}]", depth + 1)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise WrongType(f"{field} key", f"expected text, got {type(key).__name__}")
            _unicode(key, f"{field} key")
            _json_value(item, f"{field}[{key!r}]", depth + 1)
    elif not isinstance(value, _SCALARS):
        raise WrongType(field, f"expected text, a number, a bool, None, a list or a dict, got {type(value).__name__}")


def _keys(value: Any, needed: set[str], optional: set[str], field: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise WrongType(field, f"expected an object, got {type(value).__name__}")
    # First, because a misspelt key is also a missing one.
    check_keys(value, needed | optional, field)
    missing = sorted(needed - value.keys())
    if missing:
        raise InvalidInput(field, f"misses {', '.join(missing)}")
    return value


def checked(point: Any) -> DataPoint:
    """Any object with a DataPoint's fields (CloudKitty's own class, say) as one of ours, checked."""
    try:
        return DataPoint(point.unit, point.qty, point.price, point.groupby, point.metadata)
    except AttributeError as error:
        raise WrongType("point", f"{type(point).__name__} has no {error.name}") from None


def canonical(attributes: Mapping[str, Any]) -> bytes:
    """Attributes as JSON with sorted keys: equal bytes mean equal keys, values and types of values."""
    return _canonical.encode(attributes)

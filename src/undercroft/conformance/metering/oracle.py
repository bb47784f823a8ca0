"""An exact model of the contract of samples, to compare drivers with.

Written from the contract's page alone: it shares no code with the product's parsing,
queries or arithmetic. It keeps every sample in
a dict, looks at all of them for every answer, and adds up fractions.
"""

from __future__ import annotations

import datetime as dt
import decimal
import functools
import json
import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

Number = int | float
SECOND = dt.timedelta(seconds=1)
# Characters of a name, and the integers that are too large.
LONGEST, GREATEST = 255, 10**100
TOO_LARGE, SMALLEST = 2**1024, Fraction(1, 2**1074)
GROUPS = ("user_id", "project_id", "resource_id", "source", "resource_metadata.instance_type")
STANDARD = ("min", "max", "avg", "sum", "count")
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt,
    "<=": operator.le, "=<": operator.le, ">=": operator.ge, "=>": operator.ge,
}  # fmt: skip
SYNONYMS = {
    "user": "user_id", "project": "project_id", "resource": "resource_id", "meter": "counter_name", "type": "counter_type",
    "unit": "counter_unit", "volume": "counter_volume",
}  # fmt: skip


class Refused(Exception):
    """The sample cannot be stored."""


class Stored(NamedTuple):
    """A sample as it comes back, but for the moment of its arrival; metadata is JSON, with sorted keys."""

    message_id: str
    counter_name: str
    counter_type: str
    counter_unit: str
    counter_volume: Number
    user_id: str | None
    project_id: str | None
    resource_id: str
    source: str | None
    timestamp: dt.datetime
    resource_metadata: str
    message_signature: str | None

    @property
    def metadata(self) -> dict[str, Any]:
        """Values by their keys, those of nested dicts joined with dots."""
        return flat(self.resource_metadata)


class Row(NamedTuple):
    """Statistics of one unit, group and period; sums and means are exact fractions."""

    unit: str
    period: float
    period_start: dt.datetime
    period_end: dt.datetime
    duration: float
    duration_start: dt.datetime
    duration_end: dt.datetime
    groupby: dict[str, Any] | None
    values: dict[str, Any]


def canonical(metadata: Any) -> str:
    """Metadata in a form that compares by value and type."""
    return json.dumps(metadata, sort_keys=True, ensure_ascii=False)


@functools.cache
def flat(text: str) -> dict[str, Any]:
    """The values of metadata by their keys, those of nested dicts joined with dots."""
    return dict(_joined(json.loads(text)))


def _joined(nested: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in nested.items():
        if isinstance(value, dict):
            yield from _joined(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are of one type, and equal."""
    return type(one) is type(other) and bool(one == other)


def utc(moment: Any) -> dt.datetime:
    """A naive datetime in UTC."""
    if isinstance(moment, str):
        moment = dt.datetime.fromisoformat(moment)
    if not isinstance(moment, dt.datetime):
        raise Refused
    return moment if moment.tzinfo is None else moment.astimezone(dt.UTC).replace(tzinfo=None)


def stored(data: Mapping[str, Any]) -> Stored:
    """A sample as a store keeps it."""
    volume = data["counter_volume"]
    if isinstance(volume, bool) or not isinstance(volume, (int, float)):
        raise Refused
    if not -GREATEST < volume < GREATEST if isinstance(volume, int) else volume - volume != 0:
        raise Refused
    if data["counter_type"] not in {"gauge", "delta", "cumulative"}:
        raise Refused
    metadata = data.get("resource_metadata")
    return Stored(
        _text(data["message_id"]),
        _text(data["counter_name"]),
        data["counter_type"],
        _text(data["counter_unit"], is_empty=True),
        volume,
        _optional(data.get("user_id")),
        _optional(data.get("project_id")),
        _text(data["resource_id"]),
        _optional(data.get("source")),
        utc(data["timestamp"]),
        canonical({} if metadata is None else metadata),
        _optional(data.get("message_signature")),
    )


def _optional(text: Any) -> str | None:
    return None if text is None else _text(text, is_empty=True)


def _text(text: Any, *, is_empty: bool = False) -> str:
    if not isinstance(text, str) or any(0xD800 <= ord(character) < 0xE000 for character in text):
        raise Refused
    found = text.replace("\0", "")
    if len(found) > LONGEST or not (found or is_empty):
        raise Refused
    return found


class Oracle:
    """What a store must answer."""

    def __init__(self) -> None:
        self.samples: dict[str, Stored] = {}

    # -- writes ----------------------------------------------------------------------------------------------------

    def record(self, samples: Iterable[Mapping[str, Any]]) -> None:
        """Store samples; the first of a message id stays. Raises Refused, after the others, when one cannot be stored."""
        refused = False
        for data in samples:
            try:
                fresh = stored(data)
            except Refused:
                refused = True
                continue
            self.samples.setdefault(fresh.message_id, fresh)
        if refused:
            raise Refused

    def expire(self, before: dt.datetime, count: int | None = None) -> int:
        """Delete what was measured before that moment, the oldest first; tell how many."""
        old = [sample for sample in reversed(self.newest(self.samples.values())) if sample.timestamp < before]
        for sample in old[:count]:
            del self.samples[sample.message_id]
        return len(old[:count])

    # -- questions -------------------------------------------------------------------------------------------------

    @staticmethod
    def newest(samples: Iterable[Stored]) -> list[Stored]:
        """Samples in the order of time, the newest first; of one moment, in the order of message ids."""
        found = sorted(samples, key=lambda sample: sample.message_id)
        return sorted(found, key=lambda sample: sample.timestamp, reverse=True)

    def select(self, **given: Any) -> list[Stored]:
        """Samples that pass a filter, given as the keyword arguments of `SampleFilter`, the newest first."""
        return self.newest(sample for sample in self.samples.values() if passes(sample, given))

    def query(self, expression: Any = None, orderby: Sequence[Mapping[str, str]] | None = None) -> list[Stored]:
        """Samples for which an expression holds, in order."""
        found = self.newest(sample for sample in self.samples.values() if not expression or holds(sample, expression))
        for each in reversed(orderby or []):
            ((field, direction),) = each.items()
            found.sort(key=lambda sample: _order(_field(sample, field)), reverse=direction.lower() == "desc")
        return found

    def meters(self, **given: Any) -> dict[Any, list[Stored]]:
        """The latest samples of each meter of each resource: more than one where their moment is the same."""
        return _latest(self.select(**given), lambda sample: (sample.counter_name, sample.resource_id))

    def meter_names(self, **given: Any) -> dict[Any, list[Stored]]:
        """The latest samples of each meter, by its name."""
        return _latest(self.select(**given), lambda sample: sample.counter_name)

    def resources(self, **given: Any) -> dict[Any, list[Stored]]:
        """The latest samples of each resource, by its id."""
        return _latest(self.select(**given), lambda sample: sample.resource_id)

    def span(self, **given: Any) -> tuple[dt.datetime, dt.datetime]:
        """The moments of the first and of the last sample that pass a filter."""
        found = [sample.timestamp for sample in self.select(**given)]
        return min(found), max(found)

    def statistics(
        self,
        given: Mapping[str, Any],
        period: float | None = None,
        groupby: Sequence[str] | None = None,
        aggregate: Sequence[tuple[str, str | None]] | None = None,
    ) -> list[Row]:
        """Statistics of the samples that pass a filter, by period, unit and group."""
        chosen = self.select(**given)
        if not chosen:
            return []
        start = utc(given["start_timestamp"]) if given.get("start_timestamp") else chosen[-1].timestamp
        sets: dict[tuple[Any, ...], list[Stored]] = {}
        for sample in chosen:
            number = (sample.timestamp - start) // (period * SECOND) if period else 0
            group = tuple(_group(sample, field) for field in groupby or ())
            sets.setdefault((number, sample.counter_unit, group), []).append(sample)
        found = []
        for (number, unit, group), samples in sets.items():
            first, last = samples[-1].timestamp, samples[0].timestamp
            begin, end = (_later(start, period * number), _later(start, period * (number + 1))) if period else (first, last)
            values = measures(samples, aggregate)
            by = dict(zip(groupby, group, strict=True)) if groupby else None
            found.append(Row(unit, period or 0, begin, end, (last - first) / SECOND, first, last, by, values))
        return found


def _later(moment: dt.datetime, seconds: float) -> dt.datetime:
    """The moment that many seconds later, or the last one of all."""
    try:
        return moment + seconds * SECOND
    except OverflowError:
        return dt.datetime.max


def _latest(samples: Iterable[Stored], key: Callable[[Stored], Any]) -> dict[Any, list[Stored]]:
    """By key, all that are of the latest moment of those; the samples are given newest first."""
    found: dict[Any, list[Stored]] = {}
    for sample in samples:
        kept = found.setdefault(key(sample), [sample])
        if kept[0] is not sample and kept[0].timestamp == sample.timestamp:
            kept.append(sample)
    return found


def _group(sample: Stored, field: str) -> Any:
    if not field.startswith("resource_metadata."):
        return getattr(sample, field)
    value = sample.metadata.get(field.partition(".")[2])
    return None if value is None else str(value)


# -- filters -----------------------------------------------------------------------------------------------------------


def passes(sample: Stored, given: Mapping[str, Any]) -> bool:
    """True when the sample passes all parts of the filter."""
    if start := given.get("start_timestamp"):
        is_within = sample.timestamp > utc(start) if given.get("start_timestamp_op") == "gt" else sample.timestamp >= utc(start)
        if not is_within:
            return False
    if end := given.get("end_timestamp"):
        is_within = sample.timestamp <= utc(end) if given.get("end_timestamp_op") == "le" else sample.timestamp < utc(end)
        if not is_within:
            return False
    for name, field in (("resource", "resource_id"), ("meter", "counter_name"), ("source", "source"), ("message_id", "message_id")):
        wanted = given.get(name)
        if wanted is not None and getattr(sample, field) != wanted:
            return False
    for name in ("user", "project"):
        wanted = given.get(name)
        if wanted is not None and getattr(sample, f"{name}_id") != (None if wanted == "None" else wanted):
            return False
    for key, value in (given.get("metaquery") or {}).items():
        name = key.partition(".")[2]
        if name not in sample.metadata or not is_same(sample.metadata[name], value):
            return False
    return True


_ABSENT = object()


def _field(sample: Stored, field: str) -> Any:
    if "metadata." in field:
        return sample.metadata.get(field.partition("metadata.")[2], _ABSENT)
    return getattr(sample, SYNONYMS.get(field, field))


def _order(value: Any) -> tuple[bool, Any]:
    """Sorts what is null first."""
    return (False, 0) if value is None or value is _ABSENT else (True, value)


def holds(sample: Stored, expression: Mapping[str, Any]) -> bool:
    """Whether an expression holds for a sample. What is absent compares with nothing, not even as different."""
    ((name, inner),) = expression.items()
    match name.lower():
        case "and":
            return all(holds(sample, each) for each in inner)
        case "or":
            return any(holds(sample, each) for each in inner)
        case "not":
            return not holds(sample, inner)
    ((field, wanted),) = inner.items()
    value = _field(sample, field)
    if value is None or value is _ABSENT:
        return False
    is_metadata, is_moment = "metadata." in field, field == "timestamp"
    match name.lower():
        case "in":
            return value in ([utc(each) for each in wanted] if is_moment else wanted)
        case "=~":
            return isinstance(value, str) and re.search(wanted, value) is not None
        case operation:
            if is_metadata and operation in {"=", "!="}:
                return is_same(value, wanted) == (operation == "=")
            if is_metadata and not (_are(str, value, wanted) or _are((int, float), value, wanted)):
                return False
            return bool(COMPARE[operation](value, utc(wanted) if is_moment else wanted))


def _are(kind: Any, *values: Any) -> bool:
    """Whether all values are of that kind; truth values are of none."""
    return all(isinstance(value, kind) and not isinstance(value, bool) for value in values)


# -- arithmetic --------------------------------------------------------------------------------------------------------


class Exact:
    """Volumes as integers of a common denominator: binary fractions all have one."""

    def __init__(self, volumes: Sequence[Number]) -> None:
        ratios = [volume.as_integer_ratio() for volume in volumes]
        self.scale = max(below for _, below in ratios)
        self.scaled = [above * (self.scale // below) for above, below in ratios]
        self.total = sum(self.scaled)

    @property
    def sum(self) -> Fraction:
        """The sum."""
        return Fraction(self.total, self.scale)

    @property
    def deviation(self) -> Fraction:
        """The deviation of a whole population, to 40 places."""
        count = len(self.scaled)
        # The mean of the squared distances is (n * sum of squares - square of sum) / n**2.
        above = count * sum(each * each for each in self.scaled) - self.total**2
        with decimal.localcontext(prec=40, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN):
            return Fraction(decimal.Decimal(above).sqrt()) / (count * self.scale)


def measures(samples: Sequence[Stored], aggregate: Sequence[tuple[str, str | None]] | None) -> dict[str, Any]:
    """What is asked for of some samples, exactly; without a choice, what is always told."""
    volumes = [sample.counter_volume for sample in samples]
    exact = Exact(volumes)
    is_whole = all(isinstance(volume, int) for volume in volumes)
    found: dict[str, Any] = {}
    for func, param in aggregate if aggregate is not None else [(name, None) for name in STANDARD]:
        match func:
            case "min":
                value: Any = min(volumes)
            case "max":
                value = max(volumes)
            case "sum":
                value = exact.total if is_whole else exact.sum
            case "count":
                value = len(volumes)
            case "avg":
                value = exact.sum / len(volumes)
            case "stddev":
                value = exact.deviation
            case "cardinality":
                value = len({getattr(sample, str(param)) for sample in samples} - {None})
            case _:
                raise LookupError(func)
        found[f"{func}/{param}" if param else func] = value
    return found


def is_close(found: Any, wanted: Fraction | Number, relative: float) -> bool:
    """Whether a number is right to that part of it; nothing else is right for zero.

    What is larger than all floats may be told as infinity, or as the integer that it is; what is smaller than all,
    as its neighbour.
    """
    if not isinstance(found, (int, float)):
        return False
    exact = Fraction(wanted)
    if isinstance(found, float) and math.isinf(found):
        return abs(exact) >= TOO_LARGE and (found > 0) == (exact > 0)
    return abs(Fraction(found) - exact) <= (max(Fraction(relative) * abs(exact), SMALLEST) if exact else 0)

"""Samples on their way into a store: checked, and in the form that every driver keeps."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from undercroft.core import document, names, time, words
from undercroft.core.errors import InvalidInput, WrongType
from undercroft.metering.models import TYPES

FIELDS = (
    "counter_name", "counter_type", "counter_unit", "counter_volume", "user_id", "project_id", "resource_id", "timestamp",
    "resource_metadata", "source", "message_id", "message_signature",
)  # fmt: skip
# Of one volume: an integer of more digits is a mistake, and would be slow to add up.
MOST_DIGITS = 100
_GREATEST = 10**MOST_DIGITS
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - the host's datetimes are naive
# What hosts add, and the store sets itself.
_IGNORED = frozenset(("recorded_at", "monotonic_time", "event_type"))
_KNOWN = frozenset(FIELDS) | _IGNORED


class Series(NamedTuple):
    """What the samples of one meter at one resource have in common, but for what changes hands or is measured otherwise.

    Attributes:
        meter, type, unit: what was measured; the type is one of TYPES.
        resource, user, project, source: of what, and whose it is; None where nobody said.
    """

    meter: str
    type: str
    unit: str
    resource: str
    user: str | None
    project: str | None
    source: str | None


class Record(msgspec.Struct, frozen=True, gc=False):
    """A sample as it is kept. Text has at most 255 characters, and no U+0000.

    Attributes:
        message_id: unique id.
        series: what it has in common with others.
        volume: an integer of at most 100 digits, or a finite float.
        timestamp: microseconds since 1970, UTC.
        metadata: a JSON object, its keys sorted.
        signature: as it came, None where there was none.
    """

    message_id: str
    series: Series
    volume: int | float
    timestamp: int
    metadata: str
    signature: str | None


def weight(record: Record) -> int:
    """How many characters a sample has, roughly."""
    return len(record.metadata) + 512


def record(data: Mapping[str, Any]) -> Record:
    """Check a sample in the form of `record_metering_data`.

    Args:
        data: keys of FIELDS; user, project, source, metadata and signature may be missing or None. A timestamp is a datetime, or
            ISO 8601 text, in UTC where it names no zone.

    Raises:
        InvalidInput: something in it cannot be stored; its field is the key.
    """
    if not _is_mapping(data):
        raise WrongType("sample", f"expected a dict, got {type(data).__name__}")
    if not _KNOWN.issuperset(data):
        names.check_keys(data, _KNOWN, "sample")
    get = data.get
    given = (
        get("counter_name"), get("counter_type"), get("counter_unit"), get("resource_id"), get("user_id"), get("project_id"),
        get("source"),
    )  # fmt: skip
    try:
        series = _checked.get(given)
    except TypeError:
        series = None
    moment, signature = get("timestamp"), get("message_signature")
    return Record(
        _needed(words.name(get("message_id"), "message_id"), "message_id"),
        series or _series(*given),
        volume(get("counter_volume")),
        _micros(time.parse(moment, "timestamp") if isinstance(moment, str) else moment),
        _metadata(get("resource_metadata")),
        None if signature is None else words.name(signature, "message_signature"),
    )


# Series that have been checked: each comes with many samples.
_checked: dict[tuple[Any, ...], Series] = {}
_REMEMBERED = 65_536


def _series(meter: Any, kind: Any, unit: Any, resource: Any, user: Any, project: Any, source: Any) -> Series:
    if kind not in TYPES:
        raise InvalidInput("counter_type", f"{str(kind)[:32]!r} is not one of {', '.join(TYPES)}")
    found = Series(
        _needed(words.name(meter, "counter_name"), "counter_name"),
        kind,
        words.name(unit, "counter_unit"),
        _needed(words.name(resource, "resource_id"), "resource_id"),
        _optional(user, "user_id"),
        _optional(project, "project_id"),
        _optional(source, "source"),
    )
    if len(_checked) >= _REMEMBERED:
        _checked.clear()
    # By what it is after the check: what is equal to that is the same text.
    _checked[tuple(found)] = found
    return found


def _is_mapping(value: Any) -> bool:
    # Asking the abstract class takes as long as the rest of the check of a field.
    return value.__class__ is dict or isinstance(value, Mapping)


def _needed(name: str, key: str) -> str:
    if not name:
        raise InvalidInput(key, "is empty")
    return name


def _optional(value: Any, key: str) -> str | None:
    return None if value is None else words.name(value, key)


def _micros(moment: Any) -> int:
    if moment.__class__ is dt.datetime and moment.tzinfo is None:
        # UTC already.
        return (moment - _EPOCH) // time.MICROSECOND
    return time.to_micros(moment, "timestamp")


def volume(given: Any) -> int | float:
    """A volume as it is kept.

    Raises:
        InvalidInput: it is no number, not finite, or an integer of more than 100 digits.
    """
    if given.__class__ is float or isinstance(given, float):
        if not math.isfinite(given):
            raise InvalidInput("counter_volume", f"{given!r} is not a finite number")
        return float(given)
    if isinstance(given, bool) or not isinstance(given, int):
        raise WrongType("counter_volume", f"expected a number, got {type(given).__name__}")
    if not -_GREATEST < given < _GREATEST:
        raise InvalidInput("counter_volume", f"the integer has more than {MOST_DIGITS} digits")
    return int(given)


def _metadata(given: Any) -> str:
    if given is None:
        return "{}"
    if not _is_mapping(given):
        raise WrongType("resource_metadata", f"expected a dict, got {type(given).__name__}")
    return document.encoded(given, "resource_metadata", in_order=False)

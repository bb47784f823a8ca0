"""Samples on their way into a store: checked, and in the form that every driver keeps."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

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


class Record(NamedTuple):
    """A sample as it is kept. Text has at most 255 characters, and no U+0000.

    Attributes:
        message_id: unique id.
        meter, type, unit: what was measured; the type is one of TYPES.
        volume: an integer of at most 100 digits, or a finite float.
        user, project, resource, source: whose it is, and of what; None where nobody said.
        timestamp: microseconds since 1970, UTC.
        metadata: a JSON object, its keys sorted.
        signature: as it came, None where there was none.
    """

    message_id: str
    meter: str
    type: str
    unit: str
    volume: int | float
    user: str | None
    project: str | None
    resource: str
    source: str | None
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
    if not isinstance(data, Mapping):
        raise WrongType("sample", f"expected a dict, got {type(data).__name__}")
    if not data.keys() <= _KNOWN:
        names.check_keys(data, _KNOWN, "sample")
    kind = data.get("counter_type")
    if kind not in TYPES:
        raise InvalidInput("counter_type", f"{str(kind)[:32]!r} is not one of {', '.join(TYPES)}")
    moment = data.get("timestamp")
    return Record(
        message_id=_needed(words.name(data.get("message_id"), "message_id"), "message_id"),
        meter=_needed(_name(data.get("counter_name"), "counter_name"), "counter_name"),
        type=kind,
        unit=_name(data.get("counter_unit"), "counter_unit"),
        volume=volume(data.get("counter_volume")),
        user=_optional(data.get("user_id"), "user_id"),
        project=_optional(data.get("project_id"), "project_id"),
        resource=_needed(_name(data.get("resource_id"), "resource_id"), "resource_id"),
        source=_optional(data.get("source"), "source"),
        timestamp=_micros(time.parse(moment, "timestamp") if isinstance(moment, str) else moment),
        metadata=_metadata(data.get("resource_metadata")),
        signature=_optional(data.get("message_signature"), "message_signature"),
    )


# Names and ids that have been checked: each comes with many samples.
_checked: set[str] = set()
_REMEMBERED = 65_536


def _name(value: Any, key: str) -> str:
    if value.__class__ is str and value in _checked:
        return value
    found = words.name(value, key)
    if found == value:
        if len(_checked) >= _REMEMBERED:
            _checked.clear()
        _checked.add(found)
    return found


def _needed(name: str, key: str) -> str:
    if not name:
        raise InvalidInput(key, "is empty")
    return name


def _optional(value: Any, key: str) -> str | None:
    return None if value is None else _name(value, key)


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
    if not given and (given is None or isinstance(given, Mapping)):
        return "{}"
    if not isinstance(given, Mapping):
        raise WrongType("resource_metadata", f"expected a dict, got {type(given).__name__}")
    return words.text(document.encoded(given, "resource_metadata", in_order=False), "resource_metadata")

"""Events as JSON, in the form that Ceilometer sends and that our own files have.

    {"message_id": ..., "event_type": ..., "generated": "2026-01-01T12:00:00.5", "traits": [["size", 2, 2048], ...], "raw": ...}

A trait may also be an object `{"name": ..., "type": "integer", "value": ...}`. Moments are ISO 8601, UTC where no zone is named.
Infinite floats, which JSON does not have, are the texts `inf` and `-inf`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import msgspec

from undercroft.core import time
from undercroft.core.errors import InvalidInput
from undercroft.core.names import check_keys
from undercroft.events import query
from undercroft.events.models import Event, Trait, naive_utc, serialize_dt

RAW = "raw"
# Levels of what an envelope holds.
DEPTH = 64
_TOO_DEEP = f"is nested more than {DEPTH} levels deep"
_EVENT_KEYS = ("message_id", "event_type", "generated", "traits", "raw")
_TRAIT_KEYS = ("name", "type", "value")
_ENVELOPE = {"oslo.version", "oslo.message"}
_CONVERTED = (Trait.INT_TYPE, Trait.FLOAT_TYPE, Trait.DATETIME_TYPE)
_TYPES = {**query.TYPES, "none": Trait.NONE_TYPE}
_numbers = frozenset(_TYPES.values())
_canonical = msgspec.json.Encoder(order="sorted")


def serialize(event: Event) -> dict[str, Any]:
    """An event in JSON's types; `parse` makes the same event of it."""
    return {
        "message_id": event.message_id,
        "event_type": event.event_type,
        "generated": serialize_dt(event.generated),
        "traits": [(trait.name, trait.dtype, _written(trait.value)) for trait in event.traits or ()],
        "raw": event.raw,
    }


def _written(value: Any) -> Any:
    return str(value) if isinstance(value, float) and math.isinf(value) else serialize_dt(value)


def unwrapped(given: Any) -> Any:
    """What an envelope of oslo.messaging holds; anything else as it is.

    Raises:
        InvalidInput: the envelope is of another version, or does not hold JSON.
    """
    if not isinstance(given, Mapping) or not given.keys() >= _ENVELOPE:
        return given
    version, text = given["oslo.version"], given["oslo.message"]
    if not isinstance(version, str) or not version.startswith("2."):
        raise InvalidInput("oslo.version", f"{str(version)[:32]!r} is not a version of the envelope that is known: 2.0")
    if not isinstance(text, str):
        raise InvalidInput("oslo.message", f"expected JSON text, got {type(text).__name__}")
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InvalidInput("oslo.message", f"is not JSON: {error}") from None
    except RecursionError:
        raise InvalidInput("oslo.message", _TOO_DEEP) from None
    if _is_deep(found):
        raise InvalidInput("oslo.message", _TOO_DEEP)
    return found


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEPTH):
        level = [
            inner
            for each in level
            if isinstance(each, (dict, list))
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return any(isinstance(each, (dict, list)) for each in level)


def raw(given: Any) -> Event:
    """The event of type `raw` that keeps any object: now, with a hash of the object as its id; without an envelope.

    Raises:
        InvalidInput: this is not an object.
    """
    given = unwrapped(given)
    if not isinstance(given, Mapping):
        raise InvalidInput("raw", f"expected an object, got {type(given).__name__}")
    digest = hashlib.sha256(_canonical.encode(given)).hexdigest()
    return Event(f"raw-{digest}", RAW, time.now().replace(tzinfo=None), [], given)


def parse_or_raw(given: Any) -> Event:
    """An event that was sent to us, see `parse`.

    An object without message id and event type is a notification's bare payload, as Ceilometer's publisher sends it with
    `raw_only`: it is kept by `raw`.

    Raises:
        InvalidInput: this is not an event.
    """
    given = unwrapped(given)
    return raw(given) if _is_bare(given) else parse(given)


def _is_bare(given: Any) -> bool:
    return isinstance(given, Mapping) and "message_id" not in given and "event_type" not in given


def parse(given: Any) -> Event:
    """An event that came as JSON; the envelope of oslo.messaging is taken off.

    Raises:
        InvalidInput: this is not an event.
    """
    given = unwrapped(given)
    if not isinstance(given, Mapping):
        raise InvalidInput("event", f"expected an object, got {type(given).__name__}")
    if _is_bare(given):
        raise InvalidInput("event", "the object has no message_id and no event_type; with `--from raw` any object is kept as it is")
    for name in ("message_id", "event_type", "generated"):
        if not isinstance(given.get(name), str) or not given[name]:
            hint = "; it looks like a notification, which is imported with `--from notifications`" if "payload" in given else ""
            raise InvalidInput(name, f"is missing, or is not text{hint}")
    check_keys(given, _EVENT_KEYS, "event")
    traits = given.get("traits")
    if not isinstance(traits, (list, type(None))):
        raise InvalidInput("traits", f"expected a list, got {type(traits).__name__}")
    return Event(
        given["message_id"],
        given["event_type"],
        _moment(given["generated"], "generated"),
        [_trait(each, place) for place, each in enumerate(traits or ())],
        given.get("raw", {}),
    )


def _trait(given: Any, place: int) -> Trait:
    if given.__class__ is list and len(given) == 3:
        # The form of nearly every trait: text needs no conversion.
        name, dtype, value = given
        if name.__class__ is str and dtype.__class__ is int and dtype == Trait.TEXT_TYPE:
            return Trait(name, dtype, value)
    field = f"traits[{place}]"
    if isinstance(given, Mapping):
        check_keys(given, _TRAIT_KEYS, field)
        name, dtype, value = given.get("name"), given.get("type", "string"), given.get("value")
    elif isinstance(given, (list, tuple)) and len(given) == 3:
        name, dtype, value = given
    else:
        raise InvalidInput(field, "expected [name, type, value]")
    number = _TYPES.get(dtype) if isinstance(dtype, str) else dtype
    if not isinstance(name, str) or number.__class__ is not int or number not in _numbers:
        raise InvalidInput(field, "has no name, or a type that there is not")
    return Trait(name, number, _value(number, value, field))


def _value(dtype: int, value: Any, field: str) -> Any:
    if dtype == Trait.DATETIME_TYPE and not isinstance(value, str):
        raise InvalidInput(field, f"expected ISO 8601 text, got {type(value).__name__}")
    if dtype in _CONVERTED and isinstance(value, (str, int, float)):
        try:
            return Trait.convert_value(dtype, value)
        except (ValueError, OverflowError):
            raise InvalidInput(field, f"{str(value)[:64]!r} is not of type {Trait.get_name_by_type(dtype)}") from None
    return value


def _moment(value: Any, field: str) -> Any:
    if not isinstance(value, str):
        raise InvalidInput(field, f"expected ISO 8601 text, got {type(value).__name__}")
    try:
        return naive_utc(value)
    except ValueError:
        raise InvalidInput(field, f"{value[:64]!r} is not an ISO 8601 timestamp") from None

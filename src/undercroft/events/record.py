"""Events on their way into a store: checked, and in the form that every driver keeps."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any, NamedTuple

import msgspec

from undercroft.core import document, time, words
from undercroft.core.errors import InvalidInput, WrongType
from undercroft.core.words import LONGEST
from undercroft.events import query
from undercroft.events.models import Trait

_TEXT, _INT, _FLOAT, _DATETIME = Trait.TEXT_TYPE, Trait.INT_TYPE, Trait.FLOAT_TYPE, Trait.DATETIME_TYPE
_json = msgspec.json.Encoder()


class Record(NamedTuple):
    """An event as it is kept.

    Attributes:
        message_id, event_type: at most 255 characters, no U+0000.
        generated: microseconds since 1970, UTC.
        traits: (name, type, value), by name and type, each pair once. Text, an integer of 64 bits, a float that is a number, or
            microseconds; NONE_TYPE has become text.
        raw: JSON.
    """

    message_id: str
    event_type: str
    generated: int
    traits: list[tuple[str, int, Any]]
    raw: str


# Of a trait: its name and its text at most.
_TRAIT = 512


def weight(record: Record) -> int:
    """How many characters an event has, roughly."""
    return len(record.raw) + _TRAIT * len(record.traits)


def size(record: Record) -> int:
    """How many bytes an event has, as JSON."""
    return len(record.raw.encode()) + len(_json.encode(record[:4]))


def record(event: Any) -> Record:
    """Take an event of ours, or any object of that form.

    Raises:
        InvalidInput: something in it cannot be stored.
        AttributeError: the object lacks one of an event's attributes.
    """
    traits: dict[tuple[str, int], Any] = {}
    for trait in event.traits or ():
        name, dtype = trait.name, trait.dtype or _TEXT
        if name.__class__ is not str or name not in _names:
            name = _name(name)
        convert = _CONVERSIONS.get(dtype)
        if convert is None:
            raise InvalidInput(f"traits[{name[:64]!r}].dtype", f"{str(dtype)[:32]!r} is no type of a trait")
        traits[name, dtype] = convert(trait.value, name)
    return Record(
        words.name(event.message_id, "message_id"),
        words.name(event.event_type, "event_type"),
        time.to_micros(event.generated, "generated"),
        [(name, dtype, traits[name, dtype]) for name, dtype in sorted(traits)],
        document.encoded(event.raw, "raw"),
    )


def stored_value(value: Any, dtype: int, name: str) -> Any:
    """The value of a trait as it is kept.

    Args:
        value: of the Python type that the trait's type has.
        dtype: a type of `Trait`, not NONE_TYPE.
        name: of the trait, for errors.

    Raises:
        InvalidInput: it cannot be stored.
    """
    return _CONVERSIONS[dtype](value, name)


# Names that have been checked: there are few, and each comes with most events.
_names: set[str] = set()
_REMEMBERED = 4_096


def _name(given: Any) -> str:
    name = words.name(given, "trait.name")
    if name == given:
        if len(_names) >= _REMEMBERED:
            _names.clear()
        _names.add(name)
    return name


def _text(value: Any, name: str) -> str:
    if value.__class__ is str and value.isascii() and "\0" not in value:
        return value[:LONGEST]
    if value is None:
        raise WrongType(f"traits[{name[:64]!r}].value", "expected text, got None")
    converted = value if isinstance(value, str) else Trait.convert_value(_TEXT, value)
    return words.text(converted, f"traits[{name[:64]!r}].value")[:LONGEST]


def _integer(value: Any, name: str) -> int:
    if not isinstance(value, int):
        raise WrongType(f"traits[{name[:64]!r}].value", f"expected an integer, got {type(value).__name__}")
    if not query.SMALLEST <= value <= query.GREATEST:
        raise InvalidInput(f"traits[{name[:64]!r}].value", "the integer does not fit in 64 bits")
    return int(value)


def _float(value: Any, name: str) -> float:
    if not isinstance(value, (float, int)):
        raise WrongType(f"traits[{name[:64]!r}].value", f"expected a float, got {type(value).__name__}")
    try:
        found = float(value)
    except OverflowError:
        raise InvalidInput(f"traits[{name[:64]!r}].value", "the number does not fit in a float") from None
    if math.isnan(found):
        raise InvalidInput(f"traits[{name[:64]!r}].value", "NaN is no number")
    return found


def _moment(value: Any, name: str) -> int:
    if value.__class__ is dt.datetime and value.tzinfo is None:
        # UTC already, as events of ours are.
        return (value - query.EPOCH) // time.MICROSECOND
    return time.to_micros(value, f"traits[{name[:64]!r}].value")


_CONVERSIONS = {_TEXT: _text, _INT: _integer, _FLOAT: _float, _DATETIME: _moment}

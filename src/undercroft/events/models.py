"""The models of seed 001: events, their traits, and the filter that selects them."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, ClassVar

from undercroft.core import time
from undercroft.core.model import Model
from undercroft.core.words import LONGEST

_MONTH = re.compile("([0-9]{4})(?:-([0-9]{2}))?")


class Event(Model):
    """Something that happened.

    Args:
        message_id: unique id, at most 255 characters.
        event_type: what kind of thing, at most 255 characters.
        generated: when, in UTC; microseconds are kept.
        traits: list of `Trait`; None and [] say the same.
        raw: any JSON value, kept as it is.
    """

    DUPLICATE = 1
    UNKNOWN_PROBLEM = 2
    INCOMPATIBLE_TRAIT = 3
    SUPPORT_DIRS = ("asc", "desc")
    SUPPORT_SORT_KEYS = ("message_id", "generated")
    DEFAULT_DIR = "asc"
    DEFAULT_SORT: ClassVar[list[tuple[str, str]]] = [("generated", "asc"), ("message_id", "asc")]
    PRIMARY_KEY = "message_id"

    # On the class, as events and traits are made by the thousand.
    fields = ("message_id", "event_type", "generated", "traits", "raw")

    def __init__(self, message_id: Any, event_type: Any, generated: Any, traits: Any, raw: Any) -> None:
        self.message_id: str = message_id
        self.event_type: str = event_type
        self.generated: dt.datetime = generated
        self.traits: list[Trait] | None = traits
        self.raw = raw

    def append_trait(self, trait_model: Trait) -> None:
        """Add a trait."""
        self.traits = [*(self.traits or ()), trait_model]

    def __repr__(self) -> str:
        traits = " ".join(repr(trait) for trait in self.traits or ())
        return f"<Event: {self.message_id}, {self.event_type}, {self.generated}, {traits}>"

    def serialize(self) -> dict[str, Any]:
        """The event in JSON's types."""
        return {
            "message_id": self.message_id,
            "event_type": self.event_type,
            "generated": serialize_dt(self.generated),
            "traits": [trait.serialize() for trait in self.traits or ()],
            "raw": self.raw,
        }


class Trait(Model):
    """A named, typed value of an event.

    Args:
        name: at most 255 characters.
        dtype: one of the constants below; whatever is false becomes NONE_TYPE.
        value: a str, int, float or datetime, as the type says.
    """

    NONE_TYPE = 0
    TEXT_TYPE = 1
    INT_TYPE = 2
    FLOAT_TYPE = 3
    DATETIME_TYPE = 4
    type_names: ClassVar[dict[int, str]] = {
        NONE_TYPE: "none",
        TEXT_TYPE: "string",
        INT_TYPE: "integer",
        FLOAT_TYPE: "float",
        DATETIME_TYPE: "datetime",
    }

    fields = ("name", "dtype", "value")

    def __init__(self, name: Any, dtype: Any, value: Any) -> None:
        self.name: str = name
        self.dtype: int = dtype or 0
        self.value = value

    def __repr__(self) -> str:
        return f"<Trait: {self.name} {self.dtype} {self.value}>"

    def serialize(self) -> tuple[str, int, Any]:
        """Name, type and value; a moment as ISO 8601 text."""
        return self.name, self.dtype, serialize_dt(self.value)

    def get_type_name(self) -> str:
        """The name of this trait's type."""
        return self.get_name_by_type(self.dtype)

    @classmethod
    def get_type_by_name(cls, type_name: str) -> int | None:
        """The constant called `<TYPE_NAME>_TYPE`: for text, int, float, datetime, none; None for others, `string` among them."""
        found = getattr(cls, f"{type_name.upper()}_TYPE", None)
        return found if isinstance(found, int) else None

    @classmethod
    def get_type_names(cls) -> Any:
        """The names of all types."""
        return cls.type_names.values()

    @classmethod
    def get_name_by_type(cls, type_id: int) -> str:
        """The name of a type; `none` when there is no such type."""
        return cls.type_names.get(type_id, "none")

    @classmethod
    def convert_value(cls, trait_type: int, value: Any) -> Any:
        """A value as its type wants it; a year, or a year and a month, is the first moment of it.

        Raises:
            ValueError: it cannot be read as that type.
        """
        if trait_type == cls.INT_TYPE:
            return int(value)
        if trait_type == cls.FLOAT_TYPE:
            return float(value)
        if trait_type == cls.DATETIME_TYPE:
            return _of_year_or_month(value) or naive_utc(value)
        text = value.decode() if isinstance(value, bytes) else str(value)
        return text[:LONGEST]


class EventFilter:
    """Which events are meant; what is None or empty is no restriction.

    Args:
        start_timestamp, end_timestamp: bounds of `generated`, both included; ISO 8601 text is read, UTC where it names no zone.
        event_type: exactly this type.
        message_id: exactly this event.
        traits_filter: list of `{'key': name, 'op': 'eq', 'string': value}`; op is one of eq, ne, lt, le, gt, ge (eq when left
            out), the value stands under `string`, `integer`, `float` or `datetime`. All must hold.
        admin_proj: events of this project, and those of no project.

    Raises:
        ValueError: a bound is no moment.
    """

    def __init__(
        self,
        start_timestamp: Any = None,
        end_timestamp: Any = None,
        event_type: str | None = None,
        message_id: str | None = None,
        traits_filter: list[dict[str, Any]] | None = None,
        admin_proj: str | None = None,
    ) -> None:
        self.start_timestamp = naive_utc(start_timestamp) if start_timestamp else start_timestamp
        self.end_timestamp = naive_utc(end_timestamp) if end_timestamp else end_timestamp
        self.event_type = event_type
        self.message_id = message_id
        self.traits_filter = traits_filter or []
        self.admin_proj = admin_proj

    def __repr__(self) -> str:
        return (
            f"<EventFilter(start_timestamp: {self.start_timestamp}, end_timestamp: {self.end_timestamp}, "
            f"event_type: {self.event_type}, traits: {self.traits_filter})>"
        )


def serialize_dt(value: Any) -> Any:
    """A moment as ISO 8601 text; anything else as it is."""
    return value.isoformat() if hasattr(value, "isoformat") else value


def naive_utc(value: Any) -> dt.datetime:
    """A moment, or ISO 8601 text, as a UTC datetime without a zone.

    Raises:
        InvalidInput: it is no moment, or lies outside the years 1 to 9999 in UTC.
    """
    return (time.parse(value) if isinstance(value, str) else time.as_utc(value)).replace(tzinfo=None)


def _of_year_or_month(value: Any) -> dt.datetime | None:
    """The first moment of `2016`, or of `2016-10`; None for what is neither."""
    match = _MONTH.fullmatch(value) if isinstance(value, str) else None
    return match and dt.datetime(int(match[1]), int(match[2] or 1), 1)  # noqa: DTZ001 - the seed's datetimes are naive

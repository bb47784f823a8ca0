"""An exact model of the events contract, to compare drivers with.

Written from the contract's page alone: it shares no code with the product's parsing or queries. It keeps every event in a dict and
looks at all of them for every answer.
"""

from __future__ import annotations

import datetime as dt
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

TEXT, INT, FLOAT, MOMENT = 1, 2, 3, 4
KINDS = {"string": TEXT, "integer": INT, "float": FLOAT, "datetime": MOMENT}
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
}  # fmt: skip


class Refused(Exception):
    """The event cannot be stored."""


class Unknown(Exception):
    """The marker names no event."""


class Stored(NamedTuple):
    """An event as it comes back: traits are (name, type, value), by name, then type."""

    message_id: str
    event_type: str
    generated: dt.datetime
    traits: tuple[tuple[str, int, Any], ...]
    raw: Any


def utc(moment: Any) -> dt.datetime:
    """A naive datetime in UTC."""
    if isinstance(moment, str):
        moment = dt.datetime.fromisoformat(moment)
    if not isinstance(moment, dt.datetime):
        raise Refused
    return moment if moment.tzinfo is None else moment.astimezone(dt.UTC).replace(tzinfo=None)


def stored(event: Any) -> Stored:
    """An event as a store keeps it."""
    traits = {}
    for trait in event.traits or []:
        dtype = trait.dtype or TEXT
        traits[_name(trait.name), dtype] = _value(dtype, trait.value)
    ordered = tuple((*key, traits[key]) for key in sorted(traits))
    return Stored(_name(event.message_id), _name(event.event_type), utc(event.generated), ordered, event.raw)


def _name(text: str) -> str:
    found = _text(text)
    if len(found) > 255:
        raise Refused
    return found


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Refused from None
    return text.replace("\0", "")


def _value(dtype: int, value: Any) -> Any:
    if dtype == TEXT:
        return _text(value)[:255]
    if dtype == INT and not -(2**63) <= value < 2**63:
        raise Refused
    if dtype == FLOAT and math.isnan(value):
        raise Refused
    return utc(value) if dtype == MOMENT else value


class Oracle:
    """What a store must answer."""

    def __init__(self) -> None:
        self.events: dict[str, Stored] = {}

    def record(self, events: Iterable[Any]) -> None:
        """Store events; the first of a message id stays. Raises Refused, after the others, when one cannot be stored."""
        refused = False
        for event in events:
            try:
                fresh = stored(event)
            except Refused:
                refused = True
                continue
            self.events.setdefault(fresh.message_id, fresh)
        if refused:
            raise Refused

    def expire(self, before: dt.datetime, count: int | None = None) -> int:
        """Delete what was generated before that moment, the oldest first; tell how many."""
        old = sorted(
            (event for event in self.events.values() if event.generated < before), key=lambda e: (e.generated, e.message_id)
        )
        for event in old[:count]:
            del self.events[event.message_id]
        return len(old[:count])

    def select(self, given: Mapping[str, Any]) -> list[Stored]:
        """Events that pass a filter, given as the keyword arguments of `EventFilter`, in the order of time."""
        found = [event for event in self.events.values() if passes(event, given)]
        return sorted(found, key=lambda event: (event.generated, event.message_id))

    def page(self, given: Mapping[str, Any], pagination: Mapping[str, Any] | None = None) -> list[Stored]:
        """A page of them."""
        page = pagination or {}
        found = self.select(given)
        sort = list(page.get("sort") or [("generated", "asc"), ("message_id", "asc")])
        if "message_id" not in [key for key, _ in sort]:
            sort.append(("message_id", "asc"))
        order = Order(sort)
        found = order.sorted(found)
        marker = page.get("marker")
        if marker:
            if marker not in self.events:
                raise Unknown
            found = [event for event in found if order.is_behind(event, self.events[marker])]
        limit = page.get("limit")
        return found if limit is None else found[:limit]

    def event_types(self) -> list[str]:
        """Types of the events."""
        return sorted({event.event_type for event in self.events.values()})

    def trait_types(self, event_type: str) -> set[tuple[str, int]]:
        """Names and types of the traits of a type's events."""
        return {trait[:2] for event in self.events.values() if event.event_type == event_type for trait in event.traits}

    def traits(self, event_type: str, name: str | None = None) -> list[tuple[str, int, Any]]:
        """The traits of a type's events, by type and name."""
        found = [trait for event in self.events.values() if event.event_type == event_type for trait in event.traits]
        return sorted((trait for trait in found if name in (None, trait[0])), key=lambda trait: (trait[1], trait[0]))


class Order:
    """An order by several keys, each upwards or downwards."""

    def __init__(self, sort: list[tuple[str, str]]) -> None:
        self.keys = sort

    def sorted(self, events: Iterable[Stored]) -> list[Stored]:
        """The events in this order: stable sorts, from the last key to the first."""
        found = list(events)
        for key, direction in reversed(self.keys):
            found.sort(key=operator.attrgetter(key), reverse=direction == "desc")
        return found

    def is_behind(self, event: Stored, marker: Stored) -> bool:
        """True when `event` comes after `marker`."""
        for key, direction in self.keys:
            one, other = getattr(event, key), getattr(marker, key)
            if one != other:
                return bool(one < other if direction == "desc" else one > other)
        return False


def passes(event: Stored, given: Mapping[str, Any]) -> bool:
    """True when the event passes all parts of the filter."""
    start, end, project = given.get("start_timestamp"), given.get("end_timestamp"), given.get("admin_proj")
    if start and event.generated < utc(start):
        return False
    if end and event.generated > utc(end):
        return False
    for name in ("event_type", "message_id"):
        if given.get(name) and getattr(event, name) != given[name].replace("\0", ""):
            return False
    if project and {value for name, dtype, value in event.traits if (name, dtype) == ("project_id", TEXT)} - {project}:
        return False
    return all(_has(event, test) for test in given.get("traits_filter") or [])


def _has(event: Stored, test: Mapping[str, Any]) -> bool:
    """True when the event has a trait that passes the test."""
    kinds = [kind for kind in KINDS if test.get(kind) is not None]
    key = test["key"].replace("\0", "")
    if not kinds:
        return any(name == key for name, _, _ in event.traits)
    compare = COMPARE[test.get("op") or "eq"]
    for kind in kinds:
        wanted = test[kind]
        if kind == "datetime":
            wanted = utc(wanted)
        elif kind == "string":
            wanted = wanted.replace("\0", "")[:255]
        if not any((name, dtype) == (key, KINDS[kind]) and compare(value, wanted) for name, dtype, value in event.traits):
            return False
    return True

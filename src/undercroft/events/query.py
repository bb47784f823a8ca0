"""What is asked of a store, parsed: filters, orders and pages. User input ends here; drivers get checked values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sized
from typing import Any, NamedTuple

from undercroft.core import time, words
from undercroft.core.bounds import check_count, counted
from undercroft.core.errors import InvalidInput, WrongType
from undercroft.core.names import check_keys
from undercroft.core.paging import LARGEST
from undercroft.core.words import LONGEST
from undercroft.events.models import Event, Trait

SMALLEST, GREATEST = -(2**63), 2**63 - 1
# Bounds of one query: tests, those of the filter and of `where` together; names that `count_events` groups by.
MOST_TESTS, MOST_NAMES = 64, 32
EQ, NE, LT, LE, GT, GE, HAS, PREFIX = "eq", "ne", "lt", "le", "gt", "ge", "has", "prefix"
OPERATORS = (EQ, NE, LT, LE, GT, GE)
TYPES = {"string": Trait.TEXT_TYPE, "integer": Trait.INT_TYPE, "float": Trait.FLOAT_TYPE, "datetime": Trait.DATETIME_TYPE}
# Keys of the mappings that callers give; others are refused, because one that is ignored matches everything.
_FILTER_KEYS = ("key", "op", *TYPES)
_PAGE_KEYS = ("limit", "marker", "sort")
GENERATED, MESSAGE_ID, EVENT_TYPE = "generated", "message_id", "event_type"


class Test(NamedTuple):
    """What a trait must be.

    Attributes:
        name: the trait's name.
        dtype: its type; None with `has`, for any type.
        op: one of OPERATORS; `has`: the trait is there, whatever its value; `prefix`: it is text that begins so.
        value: text, an integer of 64 bits, a float that is a number, or microseconds since 1970; None with `has`.
    """

    name: str
    dtype: int | None
    op: str
    value: Any = None


class Field(NamedTuple):
    """What an event's own field must be.

    Attributes:
        name: `event_type`, `message_id` or `generated`.
        op: one of OPERATORS, or `prefix`.
        value: text, or microseconds since 1970.
    """

    name: str
    op: str
    value: Any


class Every(NamedTuple):
    """All parts must hold."""

    parts: tuple[Clause, ...]


class Either(NamedTuple):
    """One part must hold at least; without parts, nothing passes."""

    parts: tuple[Clause, ...]


class Except(NamedTuple):
    """The part must not hold."""

    part: Clause


Clause = Test | Field | Every | Either | Except


class Selection(NamedTuple):
    """Which events are meant: all that is set must hold.

    Attributes:
        start, end: bounds of `generated` in microseconds, both included.
        event_type, message_id: exactly these.
        tests: of traits.
        project: of this project (text trait `project_id`), or without that trait.
        nothing: True when no event can match.
        where: further clauses, of an expression.
    """

    start: int | None = None
    end: int | None = None
    event_type: str | None = None
    message_id: str | None = None
    tests: tuple[Test, ...] = ()
    project: str | None = None
    nothing: bool = False
    where: tuple[Clause, ...] = ()


class Page(NamedTuple):
    """In which order, after which event, how many.

    Attributes:
        order: pairs of key and whether it descends, `generated` or `message_id`; message_id, which is unique, comes last.
        marker: message id of the event to start after.
        limit: at most so many; None for all.
    """

    order: tuple[tuple[str, bool], ...] = ((GENERATED, False), (MESSAGE_ID, False))
    marker: str | None = None
    limit: int | None = None


class Grouping(NamedTuple):
    """By what events are counted.

    Attributes:
        names: `event_type`, or names of text traits.
        interval: microseconds; also by the time in which they were generated, cut into such pieces from 1970 on.
    """

    names: tuple[str, ...] = ()
    interval: int | None = None


class Group(NamedTuple):
    """A group of events.

    Attributes:
        values: of the names; None where events have no such trait.
        start: of the interval, in microseconds.
        events: how many there are.
    """

    values: tuple[str | None, ...]
    start: int | None
    events: int


def grouping(names: Iterable[str], interval: Any) -> Grouping:
    """By what to count.

    Args:
        names: `event_type`, or names of text traits.
        interval: seconds, or a timedelta; from a millisecond to a thousand years.

    Raises:
        InvalidInput: it is not valid.
    """
    wanted = tuple(dict.fromkeys(words.name(each, "groupby") for each in counted("groupby", names, MOST_NAMES, "names")))
    if interval is None:
        return Grouping(wanted)
    try:
        span = interval if isinstance(interval, dt.timedelta) else dt.timedelta(seconds=interval)
    except (TypeError, ValueError, OverflowError):
        raise InvalidInput("interval", f"{str(interval)[:32]!r} is no number of seconds") from None
    if not dt.timedelta(milliseconds=1) <= span <= dt.timedelta(days=366_000):
        raise InvalidInput("interval", "is not between a millisecond and a thousand years")
    return Grouping(wanted, span // time.MICROSECOND)


def micros(value: Any, field: str) -> int:
    """A datetime, or ISO 8601 text, in microseconds."""
    return time.to_micros(time.parse(value, field) if isinstance(value, str) else value, field)


def selection(event_filter: Any) -> Selection:
    """The parsed form of an `EventFilter`, which is not changed; None means every event.

    Raises:
        InvalidInput: the filter is invalid, or has a key that is unknown.
    """
    if event_filter is None:
        return Selection()
    if isinstance(event_filter, Mapping):
        raise WrongType("event_filter", "expected an EventFilter, got a dict; write EventFilter(**it)")
    start, end = event_filter.start_timestamp, event_filter.end_timestamp
    tests: list[Test | None] = []
    for position, given in enumerate(counted("traits_filter", event_filter.traits_filter or (), MOST_TESTS, "tests")):
        tests += _tests(given, f"traits_filter[{position}]")
        check_count("traits_filter", len(tests), MOST_TESTS, "tests")
    project = event_filter.admin_proj
    return Selection(
        start=micros(start, "start_timestamp") if start else None,
        end=micros(end, "end_timestamp") if end else None,
        event_type=words.text(event_filter.event_type, "event_type") if event_filter.event_type else None,
        message_id=words.text(event_filter.message_id, "message_id") if event_filter.message_id else None,
        tests=tuple(test for test in dict.fromkeys(tests) if test is not None),
        project=words.text(project, "admin_proj")[:LONGEST] if project else None,
        nothing=None in tests,
    )


def _tests(given: Any, field: str) -> Iterable[Test | None]:
    """The tests of one dict of `traits_filter`; None for one that nothing can pass."""
    if not isinstance(given, Mapping):
        raise WrongType(field, f"expected a dict, got {type(given).__name__}")
    check_keys(given, _FILTER_KEYS, field)
    if given.get("key") is None:
        raise InvalidInput(field, "has no key")
    trait = words.text(given["key"], f"{field}.key")
    op = given.get("op") or EQ
    if op not in OPERATORS:
        raise InvalidInput(f"{field}.op", f"{str(op)[:32]!r} is not one of {', '.join(OPERATORS)}")
    values = [(kind, given[kind]) for kind in TYPES if given.get(kind) is not None]
    if not values:
        return [Test(trait, None, HAS)]
    return [trait_test(trait, TYPES[kind], op, value, f"{field}.{kind}") for kind, value in values]


def trait_test(trait: str, dtype: int, op: str, value: Any, field: str) -> Test | None:
    """The test that a trait's value compares so; None when no value does."""
    if dtype == Trait.TEXT_TYPE:
        return Test(trait, dtype, op, words.text(value, field)[:LONGEST])
    if dtype == Trait.DATETIME_TYPE:
        return Test(trait, dtype, op, value if isinstance(value, int) else micros(value, field))
    try:
        number = Trait.convert_value(dtype, value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidInput(field, f"{str(value)[:64]!r} is no {Trait.get_name_by_type(dtype)}") from None
    if dtype == Trait.INT_TYPE and isinstance(value, float) and number != value:
        raise InvalidInput(field, f"{value!r} is no integer")
    if number != number:  # noqa: PLR0124 - NaN, which is equal to nothing
        return Test(trait, dtype, HAS) if op == NE else None
    if dtype == Trait.INT_TYPE and not SMALLEST <= number <= GREATEST:
        # No stored integer comes near it.
        holds = op == NE or ((op in (LT, LE)) == (number > 0) and op != EQ)
        return Test(trait, dtype, HAS) if holds else None
    return Test(trait, dtype, op, number)


def check_size(selection: Selection) -> None:
    """Refuse an expression that has more than MOST_TESTS tests together with the filter's.

    Raises:
        InvalidInput: it has.
    """
    found = len(selection.tests) + sum(map(_size, selection.where))
    if found > MOST_TESTS:
        raise InvalidInput("where", f"the expression and the filter have {found} tests, more than {MOST_TESTS}")


def _size(clause: Clause) -> int:
    match clause:
        case Every(parts) | Either(parts):
            return sum(map(_size, parts)) or 1
        case Except(part):
            return _size(part)
        case _:
            return 1


def behind_prefix(prefix: str) -> str | None:
    """The first text, by code point, after all that begin with `prefix`; None when there is none."""
    head = prefix.rstrip(chr(_LAST_CHARACTER))
    if not head:
        return None
    following = ord(head[-1]) + 1
    # Halves of surrogate pairs are no characters.
    return head[:-1] + chr(0xE000 if following == 0xD800 else following)


_LAST_CHARACTER = 0x10FFFF


def page(pagination: Any) -> Page:
    """The parsed form of `pagination`: a dict with `limit`, `marker` and `sort`, each of which may be missing.

    Raises:
        InvalidInput: the page is invalid, or has a key that is unknown.
    """
    if pagination is None:
        return Page()
    if not isinstance(pagination, Mapping):
        raise WrongType("pagination", f"expected a dict, got {type(pagination).__name__}")
    check_keys(pagination, _PAGE_KEYS, "pagination")
    limit, marker = pagination.get("limit"), pagination.get("marker")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int)):
        raise WrongType("limit", f"expected a whole number, got {type(limit).__name__}")
    if limit is not None and not 0 <= limit <= LARGEST:
        raise InvalidInput("limit", f"{limit} is not between 0 and 2^63 - 1")
    return Page(
        order=tuple(_order(pagination.get("sort") or Event.DEFAULT_SORT)),
        marker=words.text(marker, "marker") if marker else None,
        limit=limit,
    )


def _order(sort: Any) -> Iterable[tuple[str, bool]]:
    if isinstance(sort, Sized):
        check_count("sort", len(sort), MOST_NAMES, "keys")
    seen = set()
    for given in [*sort, (MESSAGE_ID, "asc")]:
        try:
            key, direction = given
        except (TypeError, ValueError):
            raise InvalidInput("sort", "expected pairs of key and direction") from None
        if key not in Event.SUPPORT_SORT_KEYS:
            raise InvalidInput("sort", f"{str(key)[:32]!r} is not one of {', '.join(Event.SUPPORT_SORT_KEYS)}")
        if direction not in Event.SUPPORT_DIRS:
            raise InvalidInput("sort", f"{str(direction)[:32]!r} is not one of {', '.join(Event.SUPPORT_DIRS)}")
        if key not in seen:
            seen.add(key)
            yield key, direction == "desc"
        if MESSAGE_ID in seen:
            # Unique: nothing behind it decides anything.
            return


def moment(value: int) -> dt.datetime:
    """Microseconds as the naive UTC datetime that models hold."""
    return EPOCH + dt.timedelta(microseconds=value)


EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - the seed's datetimes are naive

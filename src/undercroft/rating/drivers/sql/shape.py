"""What a statement's structure depends on, and the values that it is run with.

Statements are built once per shape of the question and kept. Whoever builds one sees its shape and never the question: a fact that
the shape lacks makes the statement fail for want of a value, and never gives the answer to another question. A shape holds no text
that callers choose, so that they cannot fill the cache with shapes of their own making.
"""

from __future__ import annotations

import datetime as dt
import enum
import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from undercroft.rating import calendar
from undercroft.rating.calendar import MONTH_OF_DAY, PARTS
from undercroft.rating.drivers.sql.dialects import Dialect
from undercroft.rating.drivers.sql.encode import text_key
from undercroft.rating.drivers.sql.exact import Layout
from undercroft.rating.drivers.sql.schema import SCOPE, SCOPE_TYPE, SERIES, TYPE, Tables
from undercroft.rating.query import By, Condition, Selection

Values = dict[str, Any]
# A statement with its compiled forms takes some 230 KiB.
_KEPT = 64
# Up to so many series a question is answered by looking them up; beyond, by scanning the range.
SELECTIVE = 500
# Up to so many buckets are listed one by one.
_LISTED = 400


class Target(NamedTuple):
    """Which store a statement is for."""

    tables: Tables
    dialect: type[Dialect]


class Built(NamedTuple):
    """A statement, and the names of the columns of its rows where they are read by name."""

    statement: Any
    names: tuple[str, ...] = ()

    def rows(self, connection: sa.Connection, values: Mapping[str, Any]) -> Sequence[Any]:
        """All rows of the statement, run with these values."""
        return connection.execute(self.statement, values).all()


@functools.lru_cache(maxsize=_KEPT)
def built(build: Callable[..., Built], target: Target, *shape: Any) -> Built:
    """The statement of a shape, built at its first use."""
    return build(target, *shape)


# -- values --------------------------------------------------------------------------------------------------------------


def value(name: str, type_: sa.types.TypeEngine[Any] | type[sa.types.TypeEngine[Any]] = sa.BigInteger) -> sa.BindParameter[Any]:
    """A value that a statement is run with."""
    return sa.bindparam(name, type_=type_)


def values_of(name: str, column: sa.ColumnElement[Any]) -> sa.BindParameter[Any]:
    """A list of values of a column's type that a statement is run with."""
    return sa.bindparam(name, expanding=True, type_=column.type)


# -- shapes --------------------------------------------------------------------------------------------------------------


class Probe(NamedTuple):
    """What the dictionary says about a question before it is asked.

    Attributes:
        series: per condition, how many series match.
        details: per condition, whether any metadata matches.
        stored: calendar attributes that some series keep as they came, because they did not follow from the time.
    """

    series: tuple[int, ...]
    details: tuple[bool, ...]
    stored: frozenset[str]

    @property
    def is_selective(self) -> bool:
        """True when so few series can match that looking them up beats a scan."""
        return bool(self.series) and min(self.series) <= SELECTIVE and not any(self.details)


class Level(NamedTuple):
    """What a question's attributes are looked up by: series, or scopes, of which there are fewer.

    Attributes:
        kind: of the entries and their attributes.
        type_kind: of the attribute that holds their metric type.
    """

    kind: int
    type_kind: int


BY_SERIES, BY_SCOPE = Level(SERIES, TYPE), Level(SCOPE, SCOPE_TYPE)


class Match(NamedTuple):
    """A condition.

    Attributes:
        details: whether some metadata match.
        parts: calendar attributes that it names with a value that they can have.
    """

    details: bool
    parts: tuple[str, ...]


class Form(enum.Enum):
    """How buckets that follow each other are asked for."""

    ONE = "by its key"
    LISTED = "by their keys, which lets the key (bucket, series) find each row"
    BETWEEN = "by the first and the last key"


class Days(NamedTuple):
    """The whole days of a range.

    Attributes:
        edges: whether more than those is in the range.
        runs: of buckets; by scale, 1 for days, and form.
    """

    edges: bool
    runs: tuple[tuple[int, Form], ...]

    @property
    def is_one_bucket(self) -> bool:
        """Whether one bucket holds all there is to say about a scope."""
        return not self.edges and [form for _, form in self.runs] == [Form.ONE]


class Shape(NamedTuple):
    """A selection of points, and the sums that are made of it.

    Attributes:
        begin, end, types: whether they are bounded.
        matches: the conditions.
        selective: whether few series match; see `Probe`.
        exact: the layout of sums; None where none are asked for.
        level: what sums are kept by that are read.
        extremes: columns whose extremes are asked for.
        days: the whole days of the range; None when there is none, or where days do not matter.
    """

    begin: bool
    end: bool
    types: bool
    matches: tuple[Match, ...]
    selective: bool
    exact: Layout | None = None
    level: Level = BY_SERIES
    extremes: tuple[str, ...] = ()
    days: Days | None = None

    @property
    def details(self) -> bool:
        """Whether metadata match some condition."""
        return any(match.details for match in self.matches)


class GroupShape(NamedTuple):
    """One groupby name.

    Attributes:
        by: what it groups on.
        part: the calendar attribute that it is; None for other names.
        stored: whether some series keep that attribute as it came.
    """

    by: By
    part: str | None
    stored: bool


class Asked(NamedTuple):
    """A selection as its shape and its values."""

    shape: Shape
    values: Values


def asked(selection: Selection, probe: Probe) -> Asked:
    """The shape and the values of a selection."""
    begin, end, types, conditions = selection
    values: Values = {"begin": begin, "end": end}
    if types is not None:
        values["types"] = texts = [type_.encode() for type_ in types]
        values["type_keys"] = [text_key(text) for text in texts]
    matches = []
    for number, condition in enumerate(conditions):
        values |= condition_values(number, condition)
        wanted = _wanted(condition)
        values |= {f"{name}{number}": numbers for name, numbers in wanted.items()}
        matches.append(Match(probe.details[number], tuple(wanted)))
    shape = Shape(begin is not None, end is not None, types is not None, tuple(matches), probe.is_selective)
    return Asked(shape, values)


def condition_values(number: int, condition: Condition) -> Values:
    """The names and values of a condition."""
    texts = [text.encode() for text in condition.values]
    return {
        f"names{number}": [name.encode() for name in condition.names],
        f"texts{number}": texts,
        f"keys{number}": [text_key(text) for text in texts],
    }


def _wanted(condition: Condition) -> dict[str, list[int]]:
    """By calendar attribute that a condition names, the numbers whose text in that attribute's form is among its values."""
    found: dict[str, list[int]] = {}
    for name in condition.names:
        part = PARTS.get(name)
        if part is not None:
            numbers = [int(v) for v in condition.values if v.isdecimal() and v.isascii() and str(int(v)).zfill(part.width) == v]
            if numbers:
                found[name] = numbers
    return found


class DayValues(NamedTuple):
    """The whole days of a range as their shape and their values, and how many buckets hold their sums."""

    days: Days
    values: Values
    buckets: int


@functools.lru_cache(maxsize=256)
def whole_days(begin: int | None, end: int | None, zone: dt.tzinfo, *, months: bool, selective: bool) -> DayValues | None:
    """The whole days of a range; None when there is none.

    Args:
        begin: microseconds; None is open.
        end: the same.
        zone: of the store.
        months: whether sums by month may be read.
        selective: whether few series match.
    """
    whole = calendar.coverage(begin, end, zone)
    if whole is None:
        return None
    if not months:
        whole = whole._replace(first_month=None, last_month=None)
    ranges = [(first, last, 1) for first, last in whole.day_ranges()]
    if whole.first_month is not None and whole.last_month is not None:
        ranges.insert(0, (whole.first_month, whole.last_month, MONTH_OF_DAY))
    values: Values = {"first_day": whole.first_day, "last_day": whole.last_day}
    runs = []
    for number, (first, last, scale) in enumerate(ranges):
        listed = _list(first, last, scale) if selective and first != last else None
        if listed is not None:
            form = Form.LISTED
            values[f"buckets{number}"] = listed
        else:
            form = Form.ONE if first == last else Form.BETWEEN
            values |= {f"first{number}": first, f"last{number}": last}
        runs.append((scale, form))
    return DayValues(Days(whole.has_edges, tuple(runs)), values, whole.buckets())


def _list(first: int, last: int, scale: int) -> list[int] | None:
    """The keys of the buckets from `first` to `last`; None when they are too many."""
    keys = calendar.days(first, last) if scale == 1 else calendar.months(first, last)
    listed = list(itertools.islice(keys, _LISTED + 1))
    return listed if len(listed) <= _LISTED else None

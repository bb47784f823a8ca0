"""Questions, parsed once: what a driver is asked with. Hostile text ends here; drivers get typed values."""

from __future__ import annotations

import datetime as dt
import enum
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from undercroft.core import time
from undercroft.core.bounds import check_count, counted
from undercroft.core.errors import InvalidInput, WrongType
from undercroft.rating.calendar import PARTS
from undercroft.rating.models import name

TYPE = "type"
TIME = "time"
TIME_COMMANDS: dict[str, str] = {"d": "day_of_the_year", "w": "week_of_the_year", "m": "month", "y": "year"}
RESERVED = ("begin", "end", "qty", "rate")
# Bounds of the lists in one question: a statement grows with them. MariaDB joins 61 tables at most, SQLite 64.
MOST_GROUPS = 32
MOST_FILTERS = 32
MOST_MEASURES = 32
MOST_VALUES = 200
_LISTS = (list, tuple, set, frozenset)


class Condition(NamedTuple):
    """A point matches when any of `names`, in its groupby or its metadata, has any of `values` as text."""

    names: tuple[str, ...]
    values: tuple[str, ...]


class Selection(NamedTuple):
    """Which points: those whose frame starts in `[begin, end)`, of `types`, that match all conditions.

    Bounds are in microseconds; None is open, and for `types` means all.
    """

    begin: int | None = None
    end: int | None = None
    types: tuple[str, ...] | None = None
    conditions: tuple[Condition, ...] = ()

    @property
    def is_empty(self) -> bool:
        """True when no point can match."""
        if self.begin is not None and self.end is not None and self.begin >= self.end:
            return True
        return self.types == () or any(not condition.values for condition in self.conditions)


class By(enum.Enum):
    """What one groupby name groups on."""

    TYPE = "metric type"
    PERIOD = "frame start and end"
    ATTRIBUTE = "groupby attribute, '' where it is missing"
    CALENDAR = "calendar attribute, derived from the frame's start where it is missing"


class GroupKey(NamedTuple):
    """One groupby name; `name` is the key in the rows ('' for PERIOD, which has none)."""

    by: By
    name: str


class Function(enum.Enum):
    """An aggregate of `custom_fields`."""

    SUM = "SUM"
    MIN = "MIN"
    MAX = "MAX"
    MEAN = "MEAN"
    COUNT = "COUNT"


class Measure(NamedTuple):
    """One aggregate of a row: `function` of `column` (`qty` or `price`), under the key `alias`."""

    function: Function
    column: str
    alias: str


TOTALS = (Measure(Function.SUM, "qty", "qty"), Measure(Function.SUM, "price", "rate"))

_MEASURE = re.compile(
    r"\s*(SUM|MIN|MAX|MEAN|COUNT)\s*\(\s*(qty|price)\s*\)\s+AS\s+([A-Za-z_][A-Za-z0-9_]*)\s*", re.IGNORECASE | re.ASCII
)


def selection(
    begin: Any,
    end: Any,
    filters: Any,
    metric_types: Any = None,
    *,
    resource: Any = None,
    resource_keys: tuple[str, ...] = (),
) -> Selection:
    """Parse the arguments that say which points are meant; the arguments are not changed.

    Raises:
        InvalidInput: `begin` after `end`, a value of a wrong type, more than 32 filters, or more than 200 values in all; the error
            names the argument.
    """
    first = None if begin is None else time.to_micros(begin, "begin")
    last = None if end is None else time.to_micros(end, "end")
    if first is not None and last is not None and first > last:
        raise InvalidInput("begin", f"{begin.isoformat()} lies after the end, {end.isoformat()}")
    wanted = _filters(filters)
    _check_size(wanted, metric_types, resource)
    types = _types(metric_types)
    conditions: list[Condition] = []
    for key, value in wanted.items():
        values = _values(value, f"filters[{key!r}]")
        if key == TYPE:
            types = values if types is None else tuple(type_ for type_ in types if type_ in values)
        else:
            conditions.append(Condition((key,), values))
    if resource is not None:
        conditions.append(Condition(resource_keys, _values(resource, "resource")))
    return Selection(first, last, types, tuple(conditions))


def _filters(filters: Any) -> Mapping[str, Any]:
    if filters is None:
        return {}
    if not isinstance(filters, Mapping):
        raise WrongType("filters", f"expected a dict, got {type(filters).__name__}")
    check_count("filters", len(filters), MOST_FILTERS, "names")
    for key in filters:
        name(key, "filters key")
    return filters


def _check_size(filters: Mapping[str, Any], metric_types: Any, resource: Any) -> None:
    """Refuse a question with too many values, before any of them is looked at."""
    lists = {"filters": filters.values(), "metric_types": (metric_types,), "resource": (resource,)}
    count = 0
    for field, values in lists.items():
        count += sum(len(value) if isinstance(value, _LISTS) else value is not None for value in values)
        if count > MOST_VALUES:
            raise InvalidInput(field, f"{count} values are too many; filters, metric types and resources take {MOST_VALUES} in all")


def _values(value: Any, field: str) -> tuple[str, ...]:
    """One value or several as texts, without duplicates, in a fixed order."""
    several = value if isinstance(value, _LISTS) else (value,)
    return tuple(sorted({as_text(item, field) for item in several}))


def as_text(value: Any, field: str) -> str:
    """A value as filters compare it: `str(value)`, because HTTP has only text."""
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(field, "holds half of a surrogate pair, which is no character") from None
    return text


def _types(metric_types: Any) -> tuple[str, ...] | None:
    if metric_types in (None, "", []):
        return None
    if isinstance(metric_types, str):
        return (name(metric_types, "metric_types"),)
    if not isinstance(metric_types, _LISTS):
        raise WrongType("metric_types", f"expected text or a list of texts, got {type(metric_types).__name__}")
    return tuple(sorted({name(item, "metric_types") for item in metric_types})) or None


def groupby_elements(groupbys: Iterable[str] | None) -> list[GroupKey]:
    """Parse groupby names (contract, section 6); a name given twice counts once.

    Raises:
        InvalidInput: `time-` with an unknown letter, a name that is a key of every row already, or more than 32 names.
    """
    keys: dict[str, GroupKey] = {}
    if isinstance(groupbys, str):
        groupbys = [groupbys]
    if groupbys is not None and not isinstance(groupbys, Iterable):
        raise WrongType("groupby", f"expected a list of names, got {type(groupbys).__name__}")
    for given in counted("groupby", groupbys or (), MOST_GROUPS, "names"):
        key = _group_key(name(given, "groupby"))
        known = keys.get(key.name)
        if known is None or known.by is By.ATTRIBUTE:
            keys[key.name] = key
    return list(keys.values())


def _group_key(given: str) -> GroupKey:
    if given == TYPE:
        return GroupKey(By.TYPE, TYPE)
    if given == TIME:
        return GroupKey(By.PERIOD, "")
    head, *rest = given.split("-")
    if head == TIME and len(rest) == 1:
        command = TIME_COMMANDS.get(rest[0])
        if command is None:
            known = ", ".join(f"time-{letter}" for letter in TIME_COMMANDS)
            raise InvalidInput("groupby", f"{given[:64]!r} is not a time group; known are time, {known}")
        return GroupKey(By.CALENDAR, command)
    if given in RESERVED:
        raise InvalidInput("groupby", f"{given!r} cannot be grouped on: every row has a value of that name already")
    return GroupKey(By.ATTRIBUTE, given)


def measures(custom_fields: Any, groups: Iterable[GroupKey] = ()) -> tuple[Measure, ...]:
    """Parse `custom_fields`, such as `SUM(qty) AS qty, MAX(price) AS dearest`; None gives the default sums.

    Raises:
        InvalidInput: anything but SUM, MIN, MAX, MEAN or COUNT of qty or price with an alias; an alias given twice, or one
            that is a key of the row already; more than 32.
    """
    if custom_fields is None:
        return TOTALS
    if not isinstance(custom_fields, str):
        raise WrongType("custom_fields", f"expected text, got {type(custom_fields).__name__}")
    check_count("custom_fields", custom_fields.count(",") + 1, MOST_MEASURES, "aggregates")
    found: dict[str, Measure] = {}
    taken = {"begin", "end", *(key.name for key in groups)}
    for part in custom_fields.split(","):
        match = _MEASURE.fullmatch(part)
        if match is None:
            raise InvalidInput(
                "custom_fields",
                f"{part.strip()[:64]!r} is not of the form FUNCTION(column) AS alias with SUM, MIN, MAX, MEAN or COUNT "
                "of qty or price",
            )
        function, column, alias = match[1].upper(), match[2].lower(), match[3]
        if alias in taken:
            raise InvalidInput("custom_fields", f"the alias {alias!r} is the name of another column of the row")
        taken.add(alias)
        found[alias] = Measure(Function(function), column, alias)
    return tuple(found.values())


def this_month(begin: dt.datetime | None, end: dt.datetime | None, zone: dt.tzinfo | None) -> tuple[Any, Any]:
    """The bounds of `retrieve` and `total`: this month where they are not given."""
    if begin is not None and end is not None:
        return begin, end
    first, following = time.this_month(zone)
    return first if begin is None else begin, following if end is None else end


def is_calendar(key: str) -> bool:
    """True for the name of a calendar attribute."""
    return key in PARTS

"""What is asked of a store of samples, parsed. User input ends here; drivers get checked values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, NamedTuple

from undercroft.core import time, words
from undercroft.core.bounds import check_count, counted
from undercroft.core.errors import InvalidInput, WrongType
from undercroft.core.names import unknown
from undercroft.core.paging import LARGEST
from undercroft.metering import expression
from undercroft.metering.expression import Clause
from undercroft.metering.models import Aggregate
from undercroft.metering.sums import Sums

# Bounds of one question.
MOST_FILTERS, MOST_AGGREGATES = 64, 32
# Fields whose values are those of a series: a driver need not look at samples for them.
METER, RESOURCE, USER, PROJECT, SOURCE = "counter_name", "resource_id", "user_id", "project_id", "source"
INSTANCE_TYPE = "resource_metadata.instance_type"
GROUPS = (USER, PROJECT, RESOURCE, SOURCE, INSTANCE_TYPE)
STANDARD = ("max", "min", "avg", "sum", "count")
STDDEV, CARDINALITY = "stddev", "cardinality"
FUNCTIONS = (*STANDARD, STDDEV, CARDINALITY)
PARAMS = (RESOURCE, USER, PROJECT)
_NOBODY = "None"
_METADATA = ("metadata.", "resource_metadata.")
_LONGEST_PERIOD = 10**10

Values = frozenset[str | None]


class Selection(NamedTuple):
    """Which samples are meant: all that is set must hold.

    Attributes:
        start: not before this microsecond.
        end: before this microsecond.
        origin: the lower bound as it was given, from which periods are counted; None without one.
        meters, resources, sources, users, projects: one of these; None among them means that the sample has none.
        message_ids: one of these.
        metadata: pairs of a key and the value that it must have; the type counts.
        where: a further clause that must hold, of a complex query.
    """

    start: int | None = None
    end: int | None = None
    origin: int | None = None
    meters: Values | None = None
    resources: Values | None = None
    sources: Values | None = None
    users: Values | None = None
    projects: Values | None = None
    message_ids: Values | None = None
    metadata: tuple[tuple[str, Any], ...] = ()
    where: Clause | None = None

    @property
    def reads_samples(self) -> bool:
        """Whether only samples can tell what is meant, not the series that they are of."""
        return bool(self.metadata) or self.where is not None or self.message_ids is not None

    @property
    def is_empty(self) -> bool:
        """Whether nothing can match."""
        sets = (self.meters, self.resources, self.sources, self.users, self.projects, self.message_ids)
        bounds_cross = self.start is not None and self.end is not None and self.start >= self.end
        return bounds_cross or any(each is not None and not each for each in sets)


class Question(NamedTuple):
    """What is to be known of the selected samples.

    Attributes:
        period: length of the periods in microseconds; None for one period.
        groupby: fields of GROUPS.
        aggregates: what was named; empty for the standard ones.
    """

    period: int | None = None
    groupby: tuple[str, ...] = ()
    aggregates: tuple[Aggregate, ...] = ()

    @property
    def cardinalities(self) -> tuple[str, ...]:
        """The fields whose different values are counted."""
        return tuple(dict.fromkeys(each.param for each in self.aggregates if each.func == CARDINALITY and each.param))

    @property
    def reads_samples(self) -> bool:
        """Whether only samples can tell the group."""
        return INSTANCE_TYPE in self.groupby


class Group(NamedTuple):
    """Statistics of the samples of one unit, group and period.

    Attributes:
        window: the number of the period, counted from the first.
        start: the microsecond at which period 0 begins; None without periods.
        unit: the unit.
        values: of the fields that are grouped by, in their order.
        sums: of all volumes.
        different: the different values of each field that is counted.
    """

    window: int
    start: int | None
    unit: str
    values: tuple[str | None, ...]
    sums: Sums
    different: tuple[frozenset[str | None], ...] = ()


def micros(value: Any, field: str) -> int:
    """A datetime, or ISO 8601 text, in microseconds."""
    return time.to_micros(time.parse(value, field) if isinstance(value, str) else value, field)


def lower(value: Any, op: str | None, field: str = "start_timestamp") -> int | None:
    """The first microsecond that a lower bound leaves; `gt` leaves those after it, anything else the moment itself, too."""
    return None if not value else micros(value, field) + (op == "gt")


def upper(value: Any, op: str | None, field: str = "end_timestamp") -> int | None:
    """The first microsecond that an upper bound does not leave; `le` leaves the moment itself."""
    return None if not value else micros(value, field) + (op == "le")


def selection(sample_filter: Any) -> Selection:
    """The parsed form of a `SampleFilter`, which is not changed; None means every sample.

    Raises:
        InvalidInput: the filter is invalid.
    """
    if sample_filter is None:
        return Selection()
    if isinstance(sample_filter, Mapping):
        raise WrongType("sample_filter", "expected a SampleFilter, got a dict; write SampleFilter(**it)")
    f = sample_filter
    return Selection(
        start=lower(f.start_timestamp, f.start_timestamp_op),
        end=upper(f.end_timestamp, f.end_timestamp_op),
        origin=lower(f.start_timestamp, None),
        meters=one(f.meter, "meter"),
        resources=one(f.resource, "resource"),
        sources=one(f.source, "source"),
        users=owner(f.user, "user"),
        projects=owner(f.project, "project"),
        message_ids=one(f.message_id, "message_id"),
        metadata=metadata(f.metaquery),
    )


def one(value: Any, field: str) -> Values | None:
    """Exactly this value; None for any."""
    return None if value is None else frozenset((words.text(value, field),))


def owner(value: Any, field: str) -> Values | None:
    """Exactly this user or project; the text `None` for none, and None for any."""
    return frozenset((None,)) if value == _NOBODY else one(value, field)


def metadata(given: Any) -> tuple[tuple[str, Any], ...]:
    """The parsed form of `metaquery`.

    Raises:
        InvalidInput: a key does not begin with `metadata.`, or a value is neither text, a number nor a truth value.
    """
    if not given:
        return ()
    if not isinstance(given, Mapping):
        raise WrongType("metaquery", f"expected a dict, got {type(given).__name__}")
    check_count("metaquery", len(given), MOST_FILTERS, "keys")
    found = []
    for name, value in given.items():
        key = metadata_key(name)
        if key is None:
            raise InvalidInput("metaquery", f"{str(name)[:64]!r} is no key of metadata, such as metadata.display_name")
        if not isinstance(value, (str, int, float)):
            raise WrongType(f"metaquery[{name[:64]!r}]", f"expected text, a number or a truth value, got {type(value).__name__}")
        found.append((key, words.text(value, name[:64]) if isinstance(value, str) else value))
    return tuple(found)


def metadata_key(name: Any) -> str | None:
    """The key that `metadata.KEY` names; None where it is of another form."""
    if isinstance(name, str):
        for head in _METADATA:
            if name.startswith(head) and len(name) > len(head):
                return words.text(name.removeprefix(head), "metadata")
    return None


def question(period: Any, groupby: Any, aggregate: Any) -> Question:
    """What statistics are asked for.

    Raises:
        InvalidInput: a negative period, or a field, function or parameter that is unknown.
    """
    fields = [groupby] if isinstance(groupby, str) else counted("groupby", groupby or (), len(GROUPS) * 2, "fields")
    for field in fields:
        if field not in GROUPS:
            raise InvalidInput("groupby", unknown("field", str(field), GROUPS))
    wanted = []
    for each in counted("aggregate", aggregate or (), MOST_AGGREGATES, "functions"):
        func, param = getattr(each, "func", None), getattr(each, "param", None)
        if func not in FUNCTIONS:
            raise InvalidInput("aggregate.func", unknown("function", str(func), FUNCTIONS))
        if func == CARDINALITY and not param:
            raise InvalidInput("aggregate.param", f"{func} needs a parameter: one of {', '.join(PARAMS)}")
        if func == CARDINALITY and param not in PARAMS:
            raise InvalidInput("aggregate.param", unknown("parameter of cardinality", str(param), PARAMS))
        if func != CARDINALITY and param:
            raise InvalidInput("aggregate.param", f"{func} takes no parameter, got {str(param)[:64]!r}")
        wanted.append(Aggregate(func, param or None))
    return Question(_period(period), tuple(dict.fromkeys(fields)), tuple(dict.fromkeys(wanted)))


def _period(given: Any) -> int | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise WrongType("period", f"expected seconds, got {type(given).__name__}")
    if not 0 <= given <= _LONGEST_PERIOD:
        raise InvalidInput("period", f"{given!r} is not between 0 and {_LONGEST_PERIOD:,} seconds")
    return round(dt.timedelta(seconds=given) / time.MICROSECOND) or None


def limit(given: Any) -> int | None:
    """How many at most; None for all.

    Raises:
        InvalidInput: it is no number, or negative.
    """
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int):
        raise WrongType("limit", f"expected a whole number, got {type(given).__name__}")
    if not 0 <= given <= LARGEST:
        raise InvalidInput("limit", f"{given} is not between 0 and 2^63 - 1")
    return given


def complex_selection(filter_expr: Any) -> Selection:
    """The parsed form of a complex filter: what series and times can tell is taken out of it, the rest is looked up in samples.

    Raises:
        InvalidInput: it is of another form.
    """
    clause = expression.parse(filter_expr)
    found: dict[str, Any] = {}
    rest = [part for part in expression.conjuncts(clause) if not _taken(part, found)]
    where = None if not rest else rest[0] if len(rest) == 1 else expression.Every(tuple(rest))
    return Selection(**found, where=where)


_SETS = {
    METER: "meters", RESOURCE: "resources", USER: "users", PROJECT: "projects", SOURCE: "sources", "message_id": "message_ids",
}  # fmt: skip


def _taken(part: Clause, found: dict[str, Any]) -> bool:
    """Make a clause a part of the selection; False where it cannot be one."""
    if not isinstance(part, expression.Test) or part.is_metadata:
        return False
    if part.field in _SETS and part.op in ("=", "in"):
        name = _SETS[part.field]
        values: Values = frozenset(part.value if part.op == "in" else (part.value,))
        found[name] = values if found.get(name) is None else found[name] & values
        return True
    if part.field == "timestamp" and part.op in ("=", "<", "<=", ">", ">="):
        if part.op not in ("<", "<="):
            start = part.value + (part.op == ">")
            found["start"] = max(start, found.get("start", start))
        if part.op not in (">", ">="):
            end = part.value + (part.op != "<")
            found["end"] = min(end, found.get("end", end))
        return True
    return False


def orderby(given: Any) -> tuple[tuple[str, bool], ...]:
    """Pairs of a field and whether it descends.

    Raises:
        InvalidInput: it is of another form.
    """
    if not given:
        return (("timestamp", True),)
    if not isinstance(given, (list, tuple)):
        raise WrongType("orderby", f'expected a list such as [{{"timestamp": "desc"}}], got {type(given).__name__}')
    found: dict[str, bool] = {}
    for each in counted("orderby", given, len(expression.FIELDS), "fields"):
        if not isinstance(each, Mapping) or len(each) != 1:
            raise InvalidInput("orderby", 'each part is an object with one key, such as {"timestamp": "desc"}')
        [(name, direction)] = each.items()
        field = expression.FIELDS.get(name) if isinstance(name, str) else None
        if field is None:
            raise InvalidInput("orderby", unknown("field", str(name), expression.FIELDS))
        if not isinstance(direction, str) or direction.lower() not in ("asc", "desc"):
            raise InvalidInput("orderby", f"{str(direction)[:32]!r} is not one of asc, desc")
        found.setdefault(field, direction.lower() == "desc")
    return tuple(found.items())


def moment(value: int) -> dt.datetime:
    """Microseconds as the naive UTC datetime that models hold."""
    return EPOCH + dt.timedelta(microseconds=value)


EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - the host's datetimes are naive

"""Complex filters of samples: one-key objects, as Ceilometer's API takes them.

    {"and": [FILTER, FILTER, ...]}   {"or": [...]}   {"not": FILTER}
    {"=": {FIELD: VALUE}}            also != < <= > >=, and =~ with a regular expression that is found anywhere in a text
    {"in": {FIELD: [VALUE, ...]}}

A FIELD is one of FIELDS or `metadata.KEY`. A comparison with a value that a sample does not have does not hold; `not` holds for
every sample for which its part does not.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from undercroft.core import time, words
from undercroft.core.bounds import check_count
from undercroft.core.errors import InvalidInput
from undercroft.core.names import unknown
from undercroft.metering import flatten
from undercroft.metering.models import Sample
from undercroft.metering.patterns import matcher

# What a field is called, and the attribute of a sample that it is.
FIELDS = {
    **{
        name: name
        for name in (
            "counter_name", "counter_type", "counter_unit", "counter_volume", "user_id", "project_id", "resource_id", "source",
            "timestamp", "recorded_at", "message_id", "message_signature",
        )
    },
    "user": "user_id",
    "project": "project_id",
    "resource": "resource_id",
    "meter": "counter_name",
    "type": "counter_type",
    "unit": "counter_unit",
    "volume": "counter_volume",
}  # fmt: skip
MOST_TESTS, MOST_VALUES, DEEPEST = 64, 1_000, 16
_MOMENTS = ("timestamp", "recorded_at")
_VOLUME = "counter_volume"
_METADATA = ("metadata.", "resource_metadata.")
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_OTHER_FORMS = {"=<": "<=", "=>": ">="}


class Test(NamedTuple):
    """What a field must be.

    Attributes:
        field: the attribute of a sample, or the key of metadata.
        op: one of = != < <= > >= =~ in.
        value: text, a number, microseconds, a compiled pattern, or a tuple of values for `in`.
        is_metadata: whether the field is a key of metadata.
    """

    field: str
    op: str
    value: Any
    is_metadata: bool = False


class Every(NamedTuple):
    """All parts must hold."""

    parts: tuple[Clause, ...]


class Either(NamedTuple):
    """One part must hold at least."""

    parts: tuple[Clause, ...]


class Except(NamedTuple):
    """The part must not hold."""

    part: Clause


Clause = Test | Every | Either | Except


def parse(given: Any, spare: int = 0) -> Clause | None:
    """The clause that a filter means; None for an empty one.

    Args:
        given: the filter.
        spare: how many comparisons and levels less it may have than a store takes, for those that the caller adds.

    Raises:
        InvalidInput: the filter is of another form.
    """
    if given is None or given == {}:
        return None
    bounds = _Bounds(MOST_TESTS - spare, DEEPEST - spare)
    return _clause(given, bounds, [bounds.tests], 0)


class _Bounds(NamedTuple):
    """Of a filter: comparisons, and levels of nesting."""

    tests: int
    levels: int


def _clause(given: Any, bounds: _Bounds, left: list[int], depth: int) -> Clause:
    if not isinstance(given, Mapping) or len(given) != 1:
        raise InvalidInput("filter", f"expected an object with one key, an operator, got {str(given)[:64]}")
    if depth > bounds.levels:
        raise InvalidInput("filter", f"is nested more than {bounds.levels} levels deep")
    [(name, inner)] = given.items()
    op = name.lower() if isinstance(name, str) else name
    op = _OTHER_FORMS.get(op, op)
    if op in ("and", "or"):
        if not isinstance(inner, (list, tuple)) or len(inner) < 2:
            raise InvalidInput("filter", f"{op!r} takes a list of two filters or more")
        check_count("filter", len(inner), bounds.tests, "filters")
        parts = tuple(_clause(each, bounds, left, depth + 1) for each in inner)
        return Every(parts) if op == "and" else Either(parts)
    if op == "not":
        return Except(_clause(inner, bounds, left, depth + 1))
    if op not in (*_COMPARISONS, "=~", "in"):
        raise InvalidInput("filter", unknown("operator", str(name), ("and", "or", "not", *_COMPARISONS, "=~", "in")))
    left[0] -= 1
    if left[0] < 0:
        raise InvalidInput("filter", f"has more than {bounds.tests} comparisons")
    if not isinstance(inner, Mapping) or len(inner) != 1:
        raise InvalidInput("filter", f'{op!r} takes an object with one field, such as {{"resource_id": ...}}')
    [(field, value)] = inner.items()
    return _test(op, str(field), value)


def _test(op: str, name: str, value: Any) -> Test:
    key = next((name.removeprefix(head) for head in _METADATA if name.startswith(head) and len(name) > len(head)), None)
    if key is None and name not in FIELDS:
        raise InvalidInput("filter", unknown("field", name, FIELDS) + ", or metadata.KEY")
    field = FIELDS[name] if key is None else words.text(key, "filter")
    if op == "in":
        if key is not None:
            raise InvalidInput("filter", "'in' does not take fields of metadata; write 'or' of '='")
        if not isinstance(value, (list, tuple)):
            raise InvalidInput("filter", f"'in' takes a list of values of {name}")
        check_count("filter", len(value), MOST_VALUES, "values")
        return Test(field, op, tuple(_value(field, each, name) for each in value))
    if op == "=~":
        if field in (*_MOMENTS, _VOLUME) and key is None:
            raise InvalidInput("filter", f"'=~' does not take {name}, which is not text")
        return Test(field, op, matcher(value), key is not None)
    if key is not None:
        if not isinstance(value, (str, int, float)):
            raise InvalidInput("filter", f"{name[:64]} compares with text, a number or a truth value")
        return Test(field, op, value, is_metadata=True)
    return Test(field, op, _value(field, value, name))


def _value(field: str, value: Any, name: str) -> Any:
    if field == _VOLUME:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InvalidInput("filter", f"{name} compares with a number, not {str(value)[:64]!r}")
        return value
    if not isinstance(value, str):
        raise InvalidInput("filter", f"{name} compares with text, not {str(value)[:64]!r}")
    if field in _MOMENTS:
        return time.to_micros(time.parse(value, "filter"), "filter")
    return words.text(value, "filter")


def conjuncts(clause: Clause | None) -> Iterator[Clause]:
    """The clauses that must all hold."""
    if isinstance(clause, Every):
        for part in clause.parts:
            yield from conjuncts(part)
    elif clause is not None:
        yield clause


def holds(clause: Clause) -> Callable[[Sample], bool]:
    """What tells whether a clause holds for a sample."""
    match clause:
        case Every(parts):
            return functools.partial(_all, [holds(part) for part in parts])
        case Either(parts):
            return functools.partial(_any, [holds(part) for part in parts])
        case Except(part):
            inner = holds(part)
            return lambda sample: not inner(sample)
        case Test():
            return functools.partial(_compared, clause)


def _all(parts: Sequence[Callable[[Sample], bool]], sample: Sample) -> bool:
    return all(part(sample) for part in parts)


def _any(parts: Sequence[Callable[[Sample], bool]], sample: Sample) -> bool:
    return any(part(sample) for part in parts)


def _compared(test: Test, sample: Sample) -> bool:
    if test.is_metadata:
        return _metadata_holds(test, flatten.compared(sample.resource_metadata).get(test.field))
    value = getattr(sample, test.field)
    if value is None:
        return False
    if test.field in _MOMENTS:
        value = time.to_micros(value)
    if test.op == "in":
        return value in test.value
    return bool(test.value(value)) if test.op == "=~" else _COMPARISONS[test.op](value, test.value)


def _metadata_holds(test: Test, value: Any) -> bool:
    if value is None:
        return False
    if test.op == "=~":
        return isinstance(value, str) and bool(test.value(value))
    if test.op in ("=", "!="):
        return same(value, test.value) == (test.op == "=")
    # Truth values and text do not lie between numbers.
    kinds = [str if isinstance(each, str) else float if _is_number(each) else None for each in (value, test.value)]
    return kinds[0] is not None and kinds[0] == kinds[1] and _COMPARISONS[test.op](value, test.value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def same(value: Any, wanted: Any) -> bool:
    """Whether a value of metadata is the wanted one: its type counts, True, 1 and 1.0 are three values."""
    return value.__class__ is wanted.__class__ and bool(value == wanted)

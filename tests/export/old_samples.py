"""What the stand-in of an old Ceilometer holds, and how it reads questions: lists, bisection and plain Python."""

from __future__ import annotations

import ast
import bisect
import datetime as dt
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

Sample = dict[str, Any]
Test = Callable[[Sample], bool]
# The old form's names and those of the new form.
NEW = {
    "counter_name": "meter", "counter_type": "type", "counter_unit": "unit", "counter_volume": "volume", "message_id": "id",
    "resource_metadata": "metadata",
}  # fmt: skip
FIELDS = (
    "source", "counter_name", "counter_type", "counter_unit", "counter_volume", "user_id", "project_id", "resource_id", "timestamp",
    "recorded_at", "message_id",
)  # fmt: skip
SHORT = {
    "user": "user_id", "project": "project_id", "resource": "resource_id", "meter": "counter_name", "type": "counter_type",
    "unit": "counter_unit", "volume": "counter_volume",
}  # fmt: skip
LOWEST, HIGHEST = dt.datetime.min, dt.datetime.max


class BadRequest(Exception):
    """400, with the text of the answer."""


class Window(NamedTuple):
    """Bounds of timestamps as they are bisected: (timestamp, 0) is before all samples of it, (timestamp, inf) behind them."""

    low: tuple[dt.datetime, float] = (LOWEST, 0)
    high: tuple[dt.datetime, float] = (HIGHEST, float("inf"))


def parse_time(text: Any) -> dt.datetime:
    """Naive UTC."""
    value = text if isinstance(text, dt.datetime) else dt.datetime.fromisoformat(text)
    return value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value


def flat(metadata: Any) -> dict[str, str]:
    """Metadata as the API shows it."""

    def pairs(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
        if isinstance(value, dict):
            for key, below in value.items():
                yield from pairs(f"{prefix}.{key}" if prefix else str(key), below)
        else:
            yield prefix, str(value)

    def shown(key: str) -> str:
        first, dot, rest = key.partition(".")
        return first + dot + rest.replace(".", ":")

    return {shown(key): text for key, text in pairs("", metadata or {})}


def of_metadata(sample: Sample, key: str) -> Any:
    """The value of a metadata key, None where it has none."""

    def inside(value: Any, rest: str) -> Any:
        if not isinstance(value, dict):
            return None
        if rest in value:
            return value[rest]
        first, dot, below = rest.partition(".")
        return inside(value.get(first), below) if dot else None

    return inside(sample.get("resource_metadata"), key)


class Samples:
    """All samples, by meter, each list sorted by timestamp. Its methods may be called by several threads."""

    def __init__(self) -> None:
        self._lists: dict[str, list[tuple[dt.datetime, int, Sample]]] = {}
        self._lock = threading.Lock()
        self._count = 0

    def add(self, samples: Iterable[Sample]) -> None:
        """Samples in the old form. `_at` is the time that a sample is kept at where `timestamp` cannot be read."""
        now = dt.datetime.now(dt.UTC).replace(tzinfo=None).isoformat()
        with self._lock:
            touched = set()
            for given in samples:
                sample = {"recorded_at": now, **given}
                at = parse_time(sample.get("_at") or sample["timestamp"])
                for name in ("timestamp", "recorded_at"):
                    if isinstance(sample[name], dt.datetime):
                        sample[name] = parse_time(sample[name]).isoformat()
                self._count += 1
                self._lists.setdefault(sample["counter_name"], []).append((at, self._count, sample))
                touched.add(sample["counter_name"])
            for name in touched:
                self._lists[name].sort(key=lambda entry: entry[:2])

    def __len__(self) -> int:
        with self._lock:
            return sum(map(len, self._lists.values()))

    def select(self, meter: str | None, window: Window) -> list[tuple[dt.datetime, int, Sample]]:
        """What a window holds, oldest first; of all meters where None is asked for."""
        with self._lock:
            lists = list(self._lists.values()) if meter is None else [self._lists.get(meter, [])]
            parts = [
                each[bisect.bisect_left(each, window.low, key=_key) : bisect.bisect_left(each, window.high, key=_key)]
                for each in lists
            ]
        if len(parts) == 1:
            return parts[0]
        return sorted((entry for part in parts for entry in part), key=lambda entry: entry[:2])


def _key(entry: tuple[dt.datetime, int, Sample]) -> tuple[dt.datetime, float]:
    return entry[0], entry[1]


# -- q.field, q.op, q.value, q.type --------------------------------------------------------------------------------------


class Question(NamedTuple):
    """What `q` asks for."""

    window: Window
    tests: list[Test]
    meter: str | None


def read_q(params: dict[str, list[str]], allowed: Iterable[str], *, timestamps: bool = True, metadata: bool = True) -> Question:
    """Read `q.*`; `allowed` are the fields beside timestamps and metadata."""
    fields = params.get("q.field", [])
    lists = {name: params.get(f"q.{name}", []) for name in ("op", "value", "type")}
    if any(len(each) not in (0, len(fields)) for each in lists.values()) or len(lists["value"]) != len(fields):
        raise BadRequest("Invalid input for field/attribute q. Value: 'None'. Mandatory field missing.")
    low, high, meter = Window().low, Window().high, None
    tests: list[Test] = []
    offset: dt.timedelta | None = None
    has_time = False
    for place, name in enumerate(fields):
        operator = (lists["op"] or ["eq"] * len(fields))[place] or "eq"
        value, kind = lists["value"][place], (lists["type"] or [""] * len(fields))[place]
        field = SHORT.get(name, name)
        if name == "timestamp" and timestamps:
            _demand(operator, ("lt", "le", "gt", "ge"), name)
            has_time = True
            try:
                at = parse_time(value)
            except ValueError:
                raise BadRequest(
                    f"Invalid input for field/attribute timestamp. Value: '{value}'. invalid timestamp format"
                ) from None
            edge = (at, float("inf") if operator in ("gt", "le") else 0)
            low, high = (edge, high) if operator in ("gt", "ge") else (low, edge)
        elif name == "search_offset" and timestamps:
            _demand(operator, ("eq",), name)
            offset = dt.timedelta(minutes=int(value))
        elif metadata and name.startswith(("metadata.", "resource_metadata.")):
            _demand(operator, ("eq",), name)
            tests.append(_metadata_is(name.partition(".")[2], _typed(value, kind)))
        elif field in allowed:
            _demand(operator, ("eq",), name)
            if field == "counter_name":
                meter = value
            else:
                tests.append(_is(field, None if value == "None" and field in ("user_id", "project_id") else value))
        else:
            raise BadRequest(f'Unknown argument: "{name}": unrecognized field in query, valid keys: {sorted(allowed)}')
    if offset is not None:
        if not has_time:
            raise BadRequest('Unknown argument: "search_offset": search_offset cannot be used without timestamp')
        low = low if low[0] == LOWEST else (low[0] - offset, low[1])
        high = high if high[0] == HIGHEST else (high[0] + offset, high[1])
    return Question(Window(low, high), tests, meter)


def _demand(operator: str, allowed: tuple[str, ...], field: str) -> None:
    if operator not in allowed:
        raise BadRequest(f"Invalid input for field/attribute op. Value: '{operator}'. unimplemented operator for {field}")


def _is(field: str, value: Any) -> Test:
    return lambda sample: sample.get(field) == value


def _metadata_is(key: str, value: Any) -> Test:
    def test(sample: Sample) -> bool:
        found = of_metadata(sample, key)
        return type(found) is type(value) and bool(found == value)

    return test


def _typed(value: str, kind: str) -> Any:
    if not kind:
        try:
            return ast.literal_eval(value)
        except (ValueError, SyntaxError):
            return value
    try:
        if kind == "boolean":
            return {"true": True, "1": True, "false": False, "0": False}[value.lower()]
        return {"string": str, "integer": int, "float": float, "datetime": str}[kind](value)
    except (KeyError, ValueError):
        raise BadRequest(f"Unable to convert the value {value} to the expected data type {kind}.") from None


# -- POST /v2/query/samples ----------------------------------------------------------------------------------------------

_SAME = {"=<": "<=", "=>": ">="}
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b, "=~": lambda a, b: re.search(b, a) is not None,
}  # fmt: skip


def read_filter(text: str) -> Question:
    """Read the filter of a complex query. What its outermost `and` says about meter and timestamps is used to look up."""
    expression = _json(text, "Filter expression not valid")
    test = _expression(expression)
    window, meter = Window(), None
    parts = [expression]
    if isinstance(expression, dict) and [name.lower() for name in expression] == ["and"]:
        (parts,) = expression.values()
    low, high = window
    for part in parts:
        ((operator, below),) = part.items()
        operator = _SAME.get(operator, operator)
        if operator in ("=", "<", ">", "<=", ">="):
            ((name, value),) = below.items()
            if SHORT.get(name, name) == "counter_name" and operator == "=":
                meter = value
            elif name == "timestamp" and operator != "=":
                edge = (parse_time(value), float("inf") if operator in (">", "<=") else 0)
                low, high = (max(low, edge), high) if operator in (">", ">=") else (low, min(high, edge))
    return Question(Window(low, high), [test], meter)


def read_orderby(text: str) -> list[tuple[str, bool]]:
    """Read the order of a complex query: pairs of field and whether it descends."""
    fault = "Order-by expression not valid"
    found = _json(text, fault)
    if not isinstance(found, list):
        raise BadRequest(f"{fault}: {found!r} is not of type 'array'")
    order = []
    for each in found:
        if not isinstance(each, dict) or len(each) != 1:
            raise BadRequest(f"{fault}: {each!r} is not valid")
        ((name, direction),) = each.items()
        if str(direction).lower() not in ("asc", "desc") or SHORT.get(name, name) not in FIELDS:
            raise BadRequest(f"{fault}: {each!r} is not valid")
        order.append((str(SHORT.get(name, name)), direction.lower() == "desc"))
    return order


def _json(text: Any, fault: str) -> Any:
    if not isinstance(text, str):
        raise BadRequest("Invalid input: a JSON text is expected")
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadRequest(f"{fault}: {error}") from None


def _expression(expression: Any) -> Test:
    if not isinstance(expression, dict) or len(expression) != 1:
        raise BadRequest(f"Filter expression not valid: {expression!r} does not have one property")
    ((name, below),) = expression.items()
    operator = _SAME.get(name, name.lower())
    if operator in ("and", "or"):
        if not isinstance(below, list) or len(below) < 2:
            raise BadRequest(f"Filter expression not valid: {below!r} is too short")
        tests = [_expression(each) for each in below]
        together = all if operator == "and" else any
        return lambda sample: together(test(sample) for test in tests)
    if operator == "not":
        test = _expression(below)
        return lambda sample: not test(sample)
    if operator != "in" and operator not in _COMPARISONS:
        raise BadRequest(f"Filter expression not valid: Additional properties are not allowed ({name!r} was unexpected)")
    if not isinstance(below, dict) or len(below) != 1:
        raise BadRequest(f"Filter expression not valid: {below!r} does not have one property")
    ((field, value),) = below.items()
    return _comparison(operator, str(SHORT.get(field, field)), value)


def _comparison(operator: str, field: str, value: Any) -> Test:
    is_metadata = field.startswith(("metadata.", "resource_metadata."))
    if (not is_metadata and field not in FIELDS) or (is_metadata and operator == "in"):
        raise BadRequest(f"Filter expression not valid: {field!r} was unexpected")
    if operator == "in":
        if not isinstance(value, list) or not value:
            raise BadRequest(f"Filter expression not valid: {value!r} is not of type 'array'")
        return lambda sample: sample.get(field) in value
    if isinstance(value, (list, dict)) or value is None:
        raise BadRequest(f"Filter expression not valid: {value!r} is not of type 'string', 'number', 'boolean'")
    compare = _COMPARISONS[operator]
    if field in ("timestamp", "recorded_at"):
        try:
            at = parse_time(value)
        except (ValueError, TypeError):
            raise BadRequest(f"Filter expression not valid: invalid timestamp {value!r}") from None
        return lambda sample: compare(_time_of(sample, field), at)
    key = field.partition(".")[2]

    def test(sample: Sample) -> bool:
        found = of_metadata(sample, key) if is_metadata else sample.get(field)
        if is_metadata and type(found) is not type(value):
            return False
        try:
            return compare(found, value)
        except TypeError:
            return False

    return test


def _time_of(sample: Sample, field: str) -> dt.datetime:
    return parse_time(sample.get("_at") or sample[field] if field == "timestamp" else sample[field])

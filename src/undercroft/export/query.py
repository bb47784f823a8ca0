"""The two values of a filter's section: conditions in the syntax of Ceilometer's client or as JSON, and names of meters."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

from undercroft.core import names
from undercroft.core.errors import InvalidInput

# Operators as the client writes them, and as the API names them.
OPERATORS = {"=": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
TYPES = ("string", "integer", "float", "datetime", "boolean")
# What the worker itself asks about.
_OURS = {
    "timestamp": "each request has its own times; `start` and `undercroft export backfill` choose them",
    "start": "each request has its own times", "end": "each request has its own times",
    "search_offset": "each request has its own times",
    "meter": "meters are named by `meters`", "counter_name": "meters are named by `meters`",
}  # fmt: skip
_CONDITION = re.compile(r"([^=!<>\[\]{}]+?)\s*(<=|>=|!=|=|<|>)(?![=<>])(.*)", re.DOTALL)
MOST_CONDITIONS, MOST_METERS, LONGEST = 50, 1000, 1000


class Condition(NamedTuple):
    """One condition.

    Attributes:
        field: such as `project_id` or `metadata.flavor`.
        op: one of the API's: eq ne lt le gt ge.
        value: as it was written.
        type: one of `TYPES`; empty for one that the service guesses.
    """

    field: str
    op: str
    value: str
    type: str = ""


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    field: str
    value: str | int | float | bool
    op: str = "eq"
    type: str | None = None


def parse_query(text: str) -> tuple[Condition, ...]:
    """The conditions of `query`: `project_id=abc;metadata.size>=integer::3`, or a JSON list of `{field, op, value, type}`.

    Raises:
        InvalidInput: it cannot be read, or asks about what the worker itself asks about.
    """
    text = text.strip()
    found = _from_json(text) if text.startswith("[") else [_from_text(part) for part in text.split(";") if part.strip()]
    if len(found) > MOST_CONDITIONS:
        raise InvalidInput("query", f"has {len(found)} conditions; {MOST_CONDITIONS} are allowed")
    for each in found:
        if each.field in _OURS:
            raise InvalidInput("query", f"must not ask about {each.field}: {_OURS[each.field]}")
        if each.type not in ("", *TYPES):
            raise InvalidInput("query", names.unknown("type", each.type, TYPES))
        if max(map(len, each)) > LONGEST:
            raise InvalidInput("query", f"a text of it is longer than {LONGEST} characters")
    return tuple(found)


def _from_text(part: str) -> Condition:
    match = _CONDITION.fullmatch(part.strip())
    if match is None:
        raise InvalidInput(
            "query", f"{part.strip()[:64]!r} is not a condition such as project_id=abc; operators: {' '.join(OPERATORS)}"
        )
    field, operator, value = match[1].strip(), match[2], match[3].strip()
    kind, colons, rest = value.partition("::")
    if colons and kind in TYPES:
        return Condition(field, OPERATORS[operator], rest, kind)
    return Condition(field, OPERATORS[operator], value)


def _from_json(text: str) -> list[Condition]:
    try:
        written = msgspec.json.decode(text, type=list[_Written])
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidInput("query", f"is not a JSON list of {{field, op, value, type}}: {error}") from None
    found = []
    for each in written:
        operator = OPERATORS.get(each.op, each.op)
        if operator not in OPERATORS.values():
            raise InvalidInput("query", names.unknown("op", each.op, [*OPERATORS.values(), *OPERATORS]))
        found.append(Condition(each.field, operator, _plain(each.value), each.type or _type_of(each.value)))
    return found


def _plain(value: Any) -> str:
    return str(value)


def _type_of(value: Any) -> str:
    """The type of a JSON value that is not a text, which would otherwise be lost."""
    return {bool: "boolean", int: "integer", float: "float"}.get(type(value), "")


def is_pattern(meter: str) -> bool:
    """Whether a name of a meter is a shell pattern, to be looked up."""
    return not set(meter).isdisjoint("*?[")


def parse_meters(text: str) -> tuple[str, ...]:
    """The names and shell patterns of `meters`, with commas or line ends between, or as a JSON list.

    Raises:
        InvalidInput: there are none, or too many.
    """
    text = text.strip()
    if text.startswith("[") and text.endswith("]") and '"' in text:
        try:
            found = msgspec.json.decode(text, type=list[str])
        except msgspec.DecodeError as error:
            raise InvalidInput("meters", f"is not a JSON list of names: {error}") from None
    else:
        found = [part.strip() for part in re.split(r"[,\n]", text)]
    chosen = tuple(dict.fromkeys(name for name in found if name))
    if not chosen:
        raise InvalidInput("meters", "is missing: names of meters, `*` for all, or shell patterns such as disk.*")
    if len(chosen) > MOST_METERS:
        raise InvalidInput("meters", f"names {len(chosen)} meters; {MOST_METERS} are allowed: use patterns")
    for name in chosen:
        if len(name) > 255:
            raise InvalidInput("meters", f"{name[:32]!r}... is longer than 255 characters")
    return chosen

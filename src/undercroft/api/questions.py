"""The parameters `q.field`, `q.op`, `q.value` and `q.type` of OpenStack's telemetry APIs, which belong together by position."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import falcon
import msgspec

from undercroft.api import wire
from undercroft.core.errors import InvalidInput
from undercroft.core.names import unknown

T = TypeVar("T")
OPERATORS = ("lt", "le", "eq", "ne", "ge", "gt")
_PREFIX = "q."


class Refused(InvalidInput):
    """An invalid question, reported in the words that clients know."""

    def __init__(self, problem: str) -> None:
        super().__init__("query", problem)

    def __str__(self) -> str:
        return self.problem


class Item(NamedTuple):
    """One part of `q`; a type that was not named is empty."""

    field: str
    op: str
    value: str
    type: str


def read(req: falcon.Request, type_: type[T]) -> T:
    """The query string, or a JSON body `{"q": [...]}`, as a struct.

    Raises:
        Refused: an unknown or doubled argument.
        InvalidInput: a list that is too long.
    """
    struct: Any = type_
    known = wire.fields(struct)
    found: dict[str, Any] = {}
    for name, value in wire.pairs(req):
        if name not in known:
            raise Refused(f'Unknown argument: "{name[:64]}"')
        if known[name] is not None:
            found.setdefault(name, []).append(value)
        elif name in found:
            raise Refused(f'Argument "{name}" is given twice')
        elif value:
            found[name] = value
    for item in _body(req):
        if strange := item.keys() - Item._fields:
            raise Refused(unknown("key of a query", min(strange), Item._fields))
        for name in Item._fields:
            given = item.get(name)
            if given is None and name in ("field", "value"):
                raise Refused(f"A query needs a {name}")
            found.setdefault(f"{_PREFIX}{name}", []).append("" if given is None else str(given))
    wire.check_lists(struct, found)
    try:
        return msgspec.convert(found, type_, strict=False)
    except msgspec.ValidationError as error:
        raise Refused(str(error).replace("$.", "")) from None


def _body(req: falcon.Request) -> list[dict[str, Any]]:
    """The items of a body, which some clients send with GET."""
    if not req.content_length:
        return []
    if (req.content_type or "").partition(";")[0].strip() != falcon.MEDIA_JSON:
        raise falcon.HTTPUnsupportedMediaType(description="a body of a query is application/json")
    body = wire.decode(wire.read(req, 65_536), dict[str, Any])
    found = body.get("q", [])
    if body.keys() - {"q"} or not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise Refused('a body of a query is {"q": [{"field": ..., "op": ..., "value": ..., "type": ...}]}')
    return found


def items(asked: Any) -> list[Item]:
    """The parts of `q`, put together by position.

    Args:
        asked: a struct with the lists `q_field`, `q_op`, `q_value` and `q_type`.

    Raises:
        Refused: a part has no field or no value, or an operator that there is not.
    """
    if len(asked.q_value) != len(asked.q_field):
        raise Refused("every query needs a field and a value")
    if max(len(asked.q_op), len(asked.q_type)) > len(asked.q_field):
        raise Refused("there are more operators or types than fields")
    found = []
    for place, (name, value) in enumerate(zip(asked.q_field, asked.q_value, strict=True)):
        op = asked.q_op[place] if place < len(asked.q_op) else ""
        if not name:
            raise Refused("every query needs a field and a value")
        item = Item(name, op or "eq", value, asked.q_type[place] if place < len(asked.q_type) else "")
        if item.op not in OPERATORS:
            raise Refused(f"Operator {op[:32]} is not supported. The supported operators are: {OPERATORS}")
        found.append(item)
    return found


def first(found: Any) -> Any:
    """The first of what a store gave; None where there is nothing."""
    return next(iter(found), None)

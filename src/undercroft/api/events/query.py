"""Questions about events, as Panko's clients ask them: parsed, checked, and kept to what the caller may see."""

from __future__ import annotations

import re
from typing import Any, NamedTuple, TypeVar

import falcon
import msgspec

from undercroft.api import wire
from undercroft.api.events.schemas import EventsQuery, Filtered
from undercroft.core.caller import Caller
from undercroft.core.errors import InvalidInput
from undercroft.core.names import unknown
from undercroft.events import Event, EventFilter, Trait
from undercroft.events.models import naive_utc
from undercroft.events.query import micros

F = TypeVar("F", bound=Filtered)
OPERATORS = ("lt", "le", "eq", "ne", "ge", "gt")
TYPES = {"integer": Trait.INT_TYPE, "float": Trait.FLOAT_TYPE, "string": Trait.TEXT_TYPE, "datetime": Trait.DATETIME_TYPE}
# The operator of each field that is no trait.
FIXED = {"event_type": "eq", "message_id": "eq", "start_timestamp": "ge", "end_timestamp": "le"}
ALL_TENANTS = "all_tenants"
_TRUE = {"1", "t", "true", "on", "y", "yes"}
_PAIR = (
    "the sort parameter should be a pair of sort key and sort dir combined with ':', or only sort key specified and sort dir "
    "will be default 'asc'"
)
_WHOLE = re.compile(r"[0-9]{1,18}", re.ASCII)


class Refused(InvalidInput):
    """A question that cannot be meant, in the words that clients know."""

    def __init__(self, problem: str) -> None:
        super().__init__("query", problem)

    def __str__(self) -> str:
        return self.problem


class Item(NamedTuple):
    """One part of `q`."""

    field: str
    op: str
    value: str
    type: str


class Asked(NamedTuple):
    """What is asked, within what the caller may see.

    Attributes:
        event_filter: which events.
        visible: all that the caller may see.
    """

    event_filter: EventFilter
    visible: EventFilter


# -- the query string --------------------------------------------------------------------------------------------------


def read(req: falcon.Request, type_: type[F]) -> F:
    """The query string, or a JSON body `{"q": [...]}`, as a struct.

    Raises:
        Refused: an unknown or doubled argument.
        InvalidInput: a list that is too long.
    """
    known = wire.fields(type_)
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
        for name, default in (("field", None), ("op", "eq"), ("value", None), ("type", "string")):
            given = item.get(name)
            if given is None and default is None:
                raise Refused(f"A query needs a {name}")
            found.setdefault(f"q.{name}", []).append(default if given is None else str(given))
    wire.check_lists(type_, found)
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
    items = body.get("q", [])
    if body.keys() - {"q"} or not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Refused('a body of a query is {"q": [{"field": ..., "op": ..., "value": ..., "type": ...}]}')
    return items


# -- q -----------------------------------------------------------------------------------------------------------------


def items(asked: Filtered) -> list[Item]:
    """The parts of `q`, put together by position."""
    if len(asked.q_value) != len(asked.q_field):
        raise Refused("every query needs a field and a value")
    if max(len(asked.q_op), len(asked.q_type)) > len(asked.q_field):
        raise Refused("there are more operators or types than fields")
    found = []
    for place, (name, value) in enumerate(zip(asked.q_field, asked.q_value, strict=True)):
        op = asked.q_op[place] if place < len(asked.q_op) else ""
        type_ = asked.q_type[place] if place < len(asked.q_type) else ""
        if not name:
            raise Refused("every query needs a field and a value")
        item = Item(name, op or "eq", value, type_ or "string")
        if item.op not in OPERATORS:
            raise Refused(f"Operator {op[:32]} is not supported. The supported operators are: {OPERATORS}")
        found.append(item)
    return found


def asked(given: Filtered, caller: Caller) -> Asked:
    """The filter that is meant, and the one of all that the caller may see.

    Raises:
        Refused: it cannot be meant.
    """
    fixed: dict[str, Any] = {}
    traits: list[dict[str, Any]] = []
    everybody = False
    for item in items(given):
        if item.field in FIXED:
            only = FIXED[item.field]
            if item.op != only:
                raise Refused(f"Operator {item.op} is not supported. Only `{only}' operator is available for field {item.field}")
            fixed[item.field] = _bound(item) if item.field.endswith("timestamp") else item.value
        elif item.field == ALL_TENANTS and caller.is_admin:
            everybody = item.value.lower() in _TRUE
        else:
            traits.append({"key": item.field, "op": item.op, item.type: _value(item)})
    own = _own(caller, everybody)
    own_traits = own.get("traits_filter", [])
    wanted = EventFilter(**fixed, traits_filter=[*traits, *own_traits], admin_proj=own.get("admin_proj"))
    return Asked(wanted, EventFilter(**own))


def _own(caller: Caller, everybody: bool) -> dict[str, Any]:
    if caller.is_admin:
        return {} if everybody or caller.is_global else {"admin_proj": caller.project}
    # The rule of the route has made sure that both are there.
    return {
        "traits_filter": [
            {"key": "project_id", "op": "eq", "string": caller.project or ""},
            {"key": "user_id", "op": "eq", "string": caller.user or ""},
        ]
    }


def _bound(item: Item) -> Any:
    try:
        return naive_utc(item.value)
    except ValueError:
        raise Refused(f"Unable to convert the value {item.value[:64]} to a moment for field {item.field}.") from None


def _value(item: Item) -> Any:
    if item.type not in TYPES:
        raise Refused(f"The data type {item.type[:32]} is not supported. The supported data type list is: {list(TYPES)}")
    try:
        if item.type == "datetime":
            # Microseconds, the form of a test: the filter takes them as they are.
            return micros(item.value, item.field)
        return item.value if item.type == "string" else Trait.convert_value(TYPES[item.type], item.value)
    except (ValueError, OverflowError):
        raise Refused(f"Unable to convert the value {item.value[:64]} to the expected data type {item.type}.") from None


# -- pages -------------------------------------------------------------------------------------------------------------


def page(given: EventsQuery, default: int) -> dict[str, Any]:
    """The page that is meant.

    Raises:
        Refused: it cannot be meant.
    """
    return {"limit": _limit(given.limit, default), "marker": given.marker or None, "sort": [_sort(each) for each in given.sort]}


def _limit(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not _WHOLE.fullmatch(text.strip()):
        raise Refused(f"Invalid input for field/attribute limit. Value: '{text[:32]}'. the limit should be a positive integer.")
    return int(text) or default


def _sort(text: str) -> tuple[str, str]:
    key, colon, direction = text.partition(":")
    if key not in Event.SUPPORT_SORT_KEYS or (colon and not direction):
        raise Refused(
            f"Invalid input for field/attribute sort. Value: '{text[:64]}'. {_PAIR}, the supported sort keys are: "
            f"{Event.SUPPORT_SORT_KEYS}"
        )
    direction = direction or Event.DEFAULT_DIR
    if direction not in Event.SUPPORT_DIRS:
        raise Refused(
            f"Invalid input for field/attribute sort direction. Value: '{text[:64]}'. {_PAIR}, the supported sort directions are: "
            f"{Event.SUPPORT_DIRS}"
        )
    return key, direction

"""Questions about events, as Panko's clients ask them: parsed, checked, and kept to what the caller may see."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from undercroft.api.events.schemas import EventsQuery, Filtered
from undercroft.api.questions import Item, Refused, items
from undercroft.core.caller import Caller
from undercroft.events import Event, EventFilter, Trait
from undercroft.events.models import naive_utc
from undercroft.events.query import micros

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


class Asked(NamedTuple):
    """What is asked, within what the caller may see.

    Attributes:
        event_filter: which events.
        visible: all that the caller may see.
    """

    event_filter: EventFilter
    visible: EventFilter


# -- q -----------------------------------------------------------------------------------------------------------------


def asked(given: Filtered, caller: Caller) -> Asked:
    """The filter that is meant, and the one of all that the caller may see.

    Raises:
        Refused: it is not valid.
    """
    fixed: dict[str, Any] = {}
    traits: list[dict[str, Any]] = []
    everybody = False
    for item in (each._replace(type=each.type or "string") for each in items(given)):
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
        Refused: it is not valid.
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

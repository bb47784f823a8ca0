"""Questions about samples, as Ceilometer's clients ask them: parsed, checked, and kept to what the caller may see."""

from __future__ import annotations

import ast
import datetime as dt
import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from undercroft.api.auth import Unauthorized
from undercroft.api.metering.schemas import Filtered
from undercroft.api.questions import Item, Refused, items
from undercroft.core import time
from undercroft.core.caller import Caller
from undercroft.core.errors import InvalidInput, NotPermitted
from undercroft.core.paging import LARGEST
from undercroft.metering import SampleFilter
from undercroft.metering.models import naive_utc

# A field, and the argument of a store's method that it is. Metadata and times are not among them.
LISTED = {
    "user": "user", "user_id": "user", "project": "project", "project_id": "project", "resource": "resource",
    "resource_id": "resource", "source": "source",
}  # fmt: skip
OF_SAMPLES = {**LISTED, "meter": "meter", "message_id": "message_id"}
TYPES = ("integer", "float", "string", "boolean", "datetime")
_TIMESTAMP, _OFFSET = "timestamp", "search_offset"
_METADATA = ("metadata.", "resource_metadata.")
_LOWER, _UPPER = ("gt", "ge"), ("lt", "le")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_WORDS = {
    **dict.fromkeys(("1", "t", "true", "on", "y", "yes"), True),
    **dict.fromkeys(("0", "f", "false", "off", "n", "no"), False),
}
# Longer than there is time.
_EVER = dt.timedelta(days=4_000_000)
# Characters of a literal: longer ones are text.
_LONGEST_LITERAL = 255
_NOBODY = "None"
_NONE: Mapping[str, str] = {}


class Bounds(NamedTuple):
    """The bounds of time that a question names, without what `search_offset` adds; None where it names none."""

    start: dt.datetime | None
    end: dt.datetime | None


class Asked(NamedTuple):
    """What is asked, within what the caller may see.

    Attributes:
        arguments: of a store's method; `SampleFilter` takes the same.
        bounds: of the time.
    """

    arguments: dict[str, Any]
    bounds: Bounds

    @property
    def sample_filter(self) -> SampleFilter:
        """As a filter of samples."""
        return SampleFilter(**self.arguments)


def refused(field: str, value: str, problem: str) -> Refused:
    """The error for a value, as clients know it."""
    return Refused(f"Invalid input for field/attribute {field}. Value: '{value[:64]}'. {problem}")


def own_project(caller: Caller) -> str | None:
    """The project that a caller is kept to; None for an admin.

    Raises:
        NotPermitted: the caller has none, or one whose id means "none".
    """
    if caller.is_admin:
        return None
    if not caller.project or caller.project == _NOBODY:
        raise NotPermitted("RBAC Authorization Failed")
    return caller.project


def not_yours(project: str) -> Unauthorized:
    """The error of a caller who names another's project."""
    return Unauthorized(f"Not Authorized to access project {project[:64]}")


def asked(
    given: Filtered, caller: Caller, known: Mapping[str, str] = OF_SAMPLES, *, timed: bool = True, fixed: Mapping[str, str] = _NONE
) -> Asked:
    """What `q` means.

    Args:
        given: the parameters.
        caller: who asks.
        known: fields, and the arguments that they are.
        timed: whether times may be asked for.
        fixed: arguments that the path tells.

    Raises:
        Refused: `q` is invalid.
        Unauthorized: it names another's project.
    """
    found: dict[str, Any] = {}
    metaquery: dict[str, Any] = {}
    times: list[Item] = []
    for item in items(given):
        if timed and item.field in (_TIMESTAMP, _OFFSET):
            times.append(item)
            continue
        key = _metadata_key(item.field)
        if key is None and item.field not in known:
            raise Refused(f'Unknown argument: "{item.field[:64]}": unrecognized field in query, valid keys: {_keys(known, timed)}')
        if item.op != "eq":
            raise refused("op", item.op, f"unimplemented operator for {item.field[:64]}")
        if key is None:
            found[known[item.field]] = item.value
        else:
            metaquery[key] = _value(item)
    for name, value in fixed.items():
        if found.setdefault(name, value) != value:
            raise Refused(f"{name} is named twice, and differently")
    if (own := own_project(caller)) is not None:
        _check_projects(given, own)
        found["project"] = own
    if metaquery:
        found["metaquery"] = metaquery
    bounds, widened = _bounds(times)
    return Asked({**found, **widened}, bounds)


def _keys(known: Collection[str], timed: bool) -> list[str]:
    return sorted([*known, *((_TIMESTAMP, _OFFSET) if timed else ()), "metadata.KEY"])


def _check_projects(given: Filtered, own: str) -> None:
    """Of a field that is named again, the last counts; a foreign project is refused wherever it is named."""
    for item in items(given):
        if item.field in ("project", "project_id") and item.value != own:
            raise not_yours(item.value)


def _metadata_key(field: str) -> str | None:
    for head in _METADATA:
        if field.startswith(head) and len(field) > len(head):
            return f"metadata.{field.removeprefix(head)}"
    return None


# -- values ------------------------------------------------------------------------------------------------------------


def _value(item: Item) -> Any:
    """The value of metadata, of the type that is named; without one, what it is in Python, else text."""
    if item.type and item.type not in TYPES:
        raise Refused(f"The data type {item.type[:32]} is not supported. The supported data type list is: {list(TYPES)}")
    try:
        match item.type:
            case "integer":
                return int(item.value)
            case "float":
                return float(item.value)
            case "boolean":
                return _WORDS[item.value.strip().lower()]
            case "datetime":
                # Metadata are JSON, in which a moment is text.
                time.parse(item.value)
                return item.value
            case "string":
                return item.value
    except (ValueError, KeyError, OverflowError):
        raise Refused(f"Unable to convert the value {item.value[:64]} to the expected data type {item.type}.") from None
    return _literal(item.value)


def _literal(text: str) -> Any:
    # Metadata filters take scalars only. Brackets are not parsed: they could be nested too deeply.
    if len(text) > _LONGEST_LITERAL or any(each in text for each in "([{"):
        return text
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
    return found if isinstance(found, (bool, int, float, str)) else text


# -- times -------------------------------------------------------------------------------------------------------------


def _bounds(times: list[Item]) -> tuple[Bounds, dict[str, Any]]:
    """The bounds that are named, and the arguments that they become. Of several lower (upper) bounds the last one counts."""
    found: dict[str, Item] = {}
    for item in times:
        if item.field == _OFFSET and item.op != "eq":
            raise refused("op", item.op, f"unimplemented operator for {_OFFSET}")
        if item.field == _TIMESTAMP and item.op not in (*_LOWER, *_UPPER):
            raise refused("op", item.op, f"unimplemented operator for {_TIMESTAMP}")
        found[_OFFSET if item.field == _OFFSET else "start" if item.op in _LOWER else "end"] = item
    offset = found.pop(_OFFSET, None)
    if offset is not None and not found:
        raise refused("field", _OFFSET, f"{_OFFSET} cannot be used without {_TIMESTAMP}")
    start, end = (_moment(found[name].value) if name in found else None for name in ("start", "end"))
    minutes = _minutes(offset)
    return Bounds(start, end), {
        **({} if start is None else {"start_timestamp": _moved(start, -minutes), "start_timestamp_op": found["start"].op}),
        **({} if end is None else {"end_timestamp": _moved(end, minutes), "end_timestamp_op": found["end"].op}),
    }


def _moment(text: str) -> dt.datetime:
    try:
        return naive_utc(text)
    except InvalidInput:
        raise refused(_TIMESTAMP, text, "invalid timestamp format") from None


def _minutes(offset: Item | None) -> dt.timedelta:
    if offset is None:
        return dt.timedelta()
    if not _WHOLE.fullmatch(offset.value) or int(offset.value) < 0:
        raise refused(_OFFSET, offset.value, "expected whole minutes, 0 or more")
    try:
        return dt.timedelta(minutes=int(offset.value))
    except OverflowError:
        return _EVER


def _moved(moment: dt.datetime, by: dt.timedelta) -> dt.datetime | None:
    """The bound moved by an interval; None when the result is outside the years 1 to 9999."""
    try:
        return moment + by
    except OverflowError:
        return None


# -- other parameters --------------------------------------------------------------------------------------------------


def limit(text: str | int | None, default: int) -> int:
    """How many are meant.

    Raises:
        Refused: no whole number, or below 1.
    """
    if text is None:
        return default
    number = whole(str(text), "limit")
    if not number > 0:
        raise Refused("Limit must be positive")
    return min(number, LARGEST)


def is_above(text: str | int | None, number: int) -> bool:
    """Whether a limit is above a number. An invalid limit is not; `limit` refuses it later."""
    return text is not None and _WHOLE.fullmatch(str(text).strip()) is not None and int(text) > number


def whole(text: str, field: str) -> int:
    """A whole number.

    Raises:
        Refused: it is none.
    """
    if not _WHOLE.fullmatch(text.strip()):
        raise refused(field, text, "unable to convert to int")
    return int(text)


def truth(text: str | None, field: str, *, default: bool) -> bool:
    """A truth value, as Ceilometer reads it.

    Raises:
        Refused: it is none.
    """
    if text is None:
        return default
    found = _WORDS.get(text.strip().lower())
    if found is None:
        raise refused(field, text, "expected a truth value: true or false")
    return found


def reads_samples(given: Filtered) -> bool:
    """Whether only samples can tell what is meant, for filters of metadata, and more than those of one resource."""
    return not is_of_one(given) and any(_metadata_key(name) is not None for name in given.q_field)


def is_of_one(given: Filtered) -> bool:
    """Whether a resource is named: to go through its samples is not long."""
    return any(LISTED.get(name) == "resource" for name in given.q_field)


# What asks for everything.
NOTHING = Filtered()

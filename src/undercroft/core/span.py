"""Spans of time as people write them: `90d`, `36h`, `15m`, `30s`, `2w`, `500ms`."""

from __future__ import annotations

import datetime as dt
import re

from undercroft.core.errors import InvalidInput

FORM = "90d, 36h, 15m, 30s or 2w"
UNITS = {
    "ms": dt.timedelta(milliseconds=1),
    "s": dt.timedelta(seconds=1),
    "m": dt.timedelta(minutes=1),
    "h": dt.timedelta(hours=1),
    "d": dt.timedelta(days=1),
    "w": dt.timedelta(weeks=1),
}
NAMES = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_BARE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)
_SPAN = re.compile(r"([0-9]{1,9})(ms|[smhdw])", re.ASCII)
NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?(e[+-]?[0-9]{1,2})?", re.ASCII | re.IGNORECASE)


def parse(text: str, field: str, bare: str | None = None) -> dt.timedelta:
    """The span that a text says.

    Args:
        text: a whole number and a unit (`ms`, `s`, `m`, `h`, `d` or `w`), without a space.
        field: how an error calls it.
        bare: the unit of a number that has none; None refuses such a number.

    Raises:
        InvalidInput: the text is not a span, or is longer than a timedelta can be.
    """
    match = _SPAN.fullmatch(text)
    try:
        if match is not None:
            return int(match[1]) * UNITS[match[2]]
        if bare is not None and _BARE.fullmatch(text):
            return float(text) * UNITS[bare]
    except OverflowError:
        raise InvalidInput(field, f"{text[:64]!r} is longer than 999,999,999 days") from None
    raise InvalidInput(field, f"{text[:64]!r} is not a span of time such as {FORM}")


def words(span: dt.timedelta) -> str:
    """A span as `parse` reads it, in the largest unit up to days of which it is a whole number; else in seconds."""
    for unit in ("d", "h", "m", "s", "ms"):
        if not span % UNITS[unit]:
            return f"{span // UNITS[unit]}{unit}"
    return f"{span.total_seconds():f}s"


def note(name: str, text: str, unit: str) -> str | None:
    """What to tell who wrote a number without a unit; None where there is nothing to tell.

    Args:
        name: what the number was given for.
        text: the number as it was written.
        unit: the unit that it is taken to be in.
    """
    text = text.strip()
    if not NUMBER.fullmatch(text) or float(text) <= 0:
        return None
    better = text + unit
    if not _SPAN.fullmatch(better):
        better = words(float(text) * UNITS[unit])
    return f"{name} {text} is taken as {NAMES[unit]}; write {better}, or another span such as {FORM}"

"""Strict JSON: bytes from outside become values, or an error that says what is wrong."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from undercroft.core.bounds import check_count
from undercroft.core.errors import InvalidInput

T = TypeVar("T")

DEPTH = 64
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")
_SPACED = re.compile(rb'"[ \t\r\n]+:')
_TOO_MANY = re.compile(r"Expected `array` of length <= (\d+)")


def decode(body: bytes, type_: type[T], field: str = "body") -> T:
    """JSON as `type_`.

    Args:
        body: the JSON; integers keep every digit.
        type_: what it should be; `Any` for any JSON.
        field: what errors call it.

    Raises:
        InvalidInput: no JSON, or not of this form; nested more than 64 levels deep; a key given twice; NaN, infinities, numbers out
            of range, halves of surrogate pairs.
    """
    if body.count(b"[") + body.count(b"{") > DEPTH:
        _check_depth(body, field)
    value: Any = None
    try:
        value = msgspec.json.decode(body)
        if _has_doubled_keys(body, value):
            raise InvalidInput(field, "holds an object with the same key twice")
        return value if type_ is Any else msgspec.json.decode(body, type=type_)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at `$")
        if most := _TOO_MANY.fullmatch(problem):
            check_count(f"{field}{place.rstrip('`')}", _longest(value), int(most[1]))
        raise InvalidInput(f"{field}{place.rstrip('`')}", problem) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(field, f"is not JSON: {error}") from None


def _longest(value: Any) -> int:
    """The length of the longest list at the top of a body, or one level below."""
    inner = value.values() if isinstance(value, dict) else ()
    return max((len(each) for each in (value, *inner) if isinstance(each, list)), default=0)


def _check_depth(body: bytes, field: str) -> None:
    depth = 0
    for bracket in _BRACKETS.findall(_TEXT.sub(b"", body)):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEPTH:
            raise InvalidInput(field, f"is nested more than {DEPTH} levels deep")


def _has_doubled_keys(body: bytes, value: Any) -> bool:
    """Whether keys were lost: the last of two equal ones wins in silence."""
    keys = _keys(value)
    # Every key ends with these two, unless there is space between; they may be in texts, too.
    if body.count(b'":') == keys and not _SPACED.search(body):
        return False
    return _TEXT.sub(b"", body).count(b":") != keys


def _keys(value: Any) -> int:
    found, rest = 0, [value]
    while rest:
        each = rest.pop()
        if each.__class__ is dict:
            found += len(each)
            rest += each.values()
        elif each.__class__ is list:
            rest += each
    return found

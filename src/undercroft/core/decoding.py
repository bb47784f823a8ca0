"""Strict JSON: bytes from outside become values, or an error that says what is wrong."""

from __future__ import annotations

import functools
import re
import sys
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
        wanted: Any = type_
        if wanted is Any or _takes(wanted, value):
            return value  # type: ignore[no-any-return]
        return msgspec.json.decode(body, type=type_)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at `$")
        if most := _TOO_MANY.fullmatch(problem):
            check_count(f"{field}{place.rstrip('`')}", _longest(value), int(most[1]))
        raise InvalidInput(f"{field}{place.rstrip('`')}", problem) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(field, f"is not JSON: {error}") from None


def _takes(type_: Any, value: Any) -> bool:
    """Whether a value is of a type without a further look: a list or an object of anything."""
    longest, takes_objects = _of_anything(type_)
    return takes_objects if value.__class__ is dict else value.__class__ is list and len(value) <= longest


@functools.cache
def _of_anything(type_: Any) -> tuple[int, bool]:
    """How long a list of anything may be that a type takes, -1 for none; whether it takes objects of anything."""
    longest, takes_objects = -1, False
    found = msgspec.inspect.type_info(type_)
    for each in found.types if isinstance(found, msgspec.inspect.UnionType) else (found,):
        match each.type if isinstance(each, msgspec.inspect.Metadata) else each:
            case msgspec.inspect.ListType(item_type=msgspec.inspect.AnyType(), min_length=None, max_length=most):
                longest = sys.maxsize if most is None else most
            case msgspec.inspect.DictType(
                key_type=msgspec.inspect.StrType(), value_type=msgspec.inspect.AnyType(), min_length=None, max_length=None
            ):
                takes_objects = True
    return longest, takes_objects


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

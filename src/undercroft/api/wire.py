"""Bytes to typed values and back. Hostile bodies and queries end here, with 400, 411, 413 or 415."""

from __future__ import annotations

import functools
import re
import urllib.parse
from typing import Any, TypeVar

import falcon
import msgspec

from undercroft.core.errors import InvalidInput

T = TypeVar("T")

DEPTH = 64
_encoder = msgspec.json.Encoder(decimal_format="number")
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")
_SPACED = re.compile(rb'"[ \t\r\n]+:')


def encode(value: Any) -> bytes:
    """`value` as JSON; decimals as numbers with every digit."""
    return _encoder.encode(value)


# -- bodies ------------------------------------------------------------------------------------------------------------


def read(req: falcon.Request, limit: int) -> bytes:
    """The request's body; refused by its announced length before a byte is read."""
    length = req.content_length
    if length is None or req.get_header("Transfer-Encoding"):
        raise falcon.HTTPLengthRequired(description="a body needs a Content-Length; it cannot come in chunks")
    if length > limit:
        raise falcon.HTTPContentTooLarge(description=f"the body is longer than {limit} bytes; send it in parts")
    body = req.bounded_stream.read(length)
    if req.get_header("Content-Encoding", default="identity").lower() != "identity":
        raise falcon.HTTPUnsupportedMediaType(description="compressed bodies are not unpacked; send it as it is")
    if len(body) != length:
        raise InvalidInput("body", f"ended after {len(body)} of {length} bytes")
    return body


def decode(body: bytes, type_: type[T]) -> T:
    """A JSON body as `type_`.

    Raises:
        InvalidInput: no JSON, or not of this form; nested more than 64 levels deep; a key given twice; NaN, infinities, numbers out
            of range, halves of surrogate pairs.
    """
    if body.count(b"[") + body.count(b"{") > DEPTH:
        _check_depth(body)
    try:
        value = msgspec.json.decode(body)
        if _has_doubled_keys(body, value):
            raise InvalidInput("body", "holds an object with the same key twice")
        return value if type_ is Any else msgspec.json.decode(body, type=type_)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at `$")
        raise InvalidInput(f"body{place.rstrip('`')}", problem) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput("body", f"is not JSON: {error}") from None


def _check_depth(body: bytes) -> None:
    depth = 0
    for bracket in _BRACKETS.findall(_TEXT.sub(b"", body)):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEPTH:
            raise InvalidInput("body", f"is nested more than {DEPTH} levels deep")


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


# -- queries -----------------------------------------------------------------------------------------------------------


def query(req: falcon.Request, type_: type[T]) -> T:
    """The query string as a struct. Lists are repeated, or have commas between; everything else comes once.

    Raises:
        InvalidInput: an unknown or doubled parameter, or a value of another form.
    """
    try:
        pairs = urllib.parse.parse_qsl(req.query_string, keep_blank_values=True, errors="strict", max_num_fields=200)
    except ValueError:
        raise InvalidInput("query", "is not UTF-8 text of the form name=value&name=value") from None
    struct: Any = type_
    known = fields(struct)
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name not in known:
            raise InvalidInput("query", f"has unknown {name[:64]!r}; known are {', '.join(known) or 'none'}")
        if known[name]:
            found.setdefault(name, []).extend(part for part in value.split(",") if part)
        elif name in found:
            raise InvalidInput(name, "is given twice")
        elif value:
            found[name] = value
    try:
        return msgspec.convert(found, type_, strict=False)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at `$.")
        raise InvalidInput(place.rstrip("`") or "query", problem) from None


@functools.cache
def fields(type_: Any) -> dict[str, bool]:
    """The names of a struct's fields, and whether each is a list."""
    found = {}
    for field in msgspec.structs.fields(type_):
        kind = msgspec.inspect.type_info(field.type)
        while isinstance(kind, msgspec.inspect.Metadata):
            kind = kind.type
        found[field.encode_name] = isinstance(kind, msgspec.inspect.ListType)
    return found

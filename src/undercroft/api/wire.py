"""Bytes to typed values and back. Hostile bodies and queries end here, with 400, 411, 413 or 415."""

from __future__ import annotations

import functools
import urllib.parse
from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeVar

import falcon
import msgspec

from undercroft.core import decoding
from undercroft.core.bounds import check_count
from undercroft.core.errors import InvalidInput
from undercroft.core.names import unknown

T = TypeVar("T")

_encoder = msgspec.json.Encoder(decimal_format="number")
# Bytes of a query string.
LONGEST_QUERY = 64 * 1024


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


def has_no_body(req: falcon.Request) -> bool:
    """Whether a request brings nothing: no length, or 0, and no parts."""
    return not req.content_length and not req.get_header("Transfer-Encoding")


def check_media(req: falcon.Request, media: Collection[str]) -> None:
    """Refuse a body of another content type."""
    if (req.content_type or "").partition(";")[0].strip().lower() not in media:
        raise falcon.HTTPUnsupportedMediaType(description=f"the Content-Type of this body is {' or '.join(media)}")


def decode(body: bytes, type_: type[T]) -> T:
    """A JSON body as `type_`, see `undercroft.core.decoding`.

    Raises:
        InvalidInput: no JSON, or not of this form; nested more than 64 levels deep; a key given twice; NaN, infinities, numbers out
            of range, halves of surrogate pairs.
    """
    return decoding.decode(body, type_, "body")


# -- queries -----------------------------------------------------------------------------------------------------------


def query(req: falcon.Request, type_: type[T]) -> T:
    """The query string as a struct. Lists are repeated, or have commas between; everything else comes once.

    Raises:
        InvalidInput: an unknown or doubled parameter, a list that is too long, or a value of another form.
    """
    return parse(pairs(req), type_)


def parse(given: Iterable[tuple[str, str]], type_: type[T]) -> T:
    """Names and values of a query string as a struct, see `query`."""
    struct: Any = type_
    known = fields(struct)
    found: dict[str, Any] = {}
    for name, value in given:
        if name not in known:
            raise InvalidInput("query", "has " + unknown("parameter", name, known))
        if known[name] is not None:
            found.setdefault(name, []).extend(part for part in value.split(",") if part)
        elif name in found:
            raise InvalidInput(name, "is given twice")
        elif value:
            found[name] = value
    check_lists(struct, found)
    try:
        return msgspec.convert(found, type_, strict=False)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at `$.")
        raise InvalidInput(place.rstrip("`") or "query", problem) from None


def pairs(req: falcon.Request) -> list[tuple[str, str]]:
    """Names and values of the query string.

    Raises:
        InvalidInput: it is longer than 64 KiB, or no UTF-8 text.
    """
    if len(req.query_string) > LONGEST_QUERY:
        raise InvalidInput("query", f"has {len(req.query_string):,} bytes; it takes {LONGEST_QUERY:,} at most")
    try:
        return urllib.parse.parse_qsl(req.query_string, keep_blank_values=True, errors="strict")
    except ValueError:
        raise InvalidInput("query", "is not UTF-8 text of the form name=value&name=value") from None


def check_lists(type_: Any, found: Mapping[str, Any]) -> None:
    """Refuse what has more items than the struct's list of that name takes.

    Raises:
        InvalidInput: the error names the list.
    """
    for name, most in fields(type_).items():
        if most is not None:
            check_count(name, len(found.get(name, ())), most)


@functools.cache
def fields(type_: Any) -> dict[str, int | None]:
    """The names of a struct's fields, and how many items each takes; None for a field that is not a list.

    Raises:
        TypeError: a list has no bound.
    """
    found: dict[str, int | None] = {}
    for field in msgspec.structs.fields(type_):
        kind = msgspec.inspect.type_info(field.type)
        while isinstance(kind, msgspec.inspect.Metadata):
            kind = kind.type
        found[field.encode_name] = None
        if isinstance(kind, msgspec.inspect.ListType):
            if kind.max_length is None:
                raise TypeError(f"{type_.__name__}.{field.name} has no bound: let its Meta have a max_length")
            found[field.encode_name] = kind.max_length
    return found

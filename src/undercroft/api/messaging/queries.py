"""Query strings of requests about messages, and the links to next pages that keep them."""

from __future__ import annotations

import re
import urllib.parse
from typing import Any, TypeVar

import falcon
import msgspec

from undercroft.api import wire
from undercroft.api.messaging.door import MessagingCall
from undercroft.api.messaging.refusals import PARAMETER, Refused
from undercroft.api.messaging.schemas import MOST_FILTERS, NextLink
from undercroft.core.errors import InvalidInput

T = TypeVar("T")
_MARKER = "marker"
_REST = "metadata"
_WHOLE = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_LONGEST_KEY = 255


def read(req: falcon.Request, type_: type[T]) -> T:
    """The query string as a struct.

    Raises:
        Refused: it is not valid.
    """
    return _parsed(wire.pairs(req), type_)


def read_filters(req: falcon.Request, type_: Any) -> Any:
    """The same for lists of queues: every parameter that means nothing else is a filter on metadata.

    Raises:
        Refused: it is not valid, or has too many filters.
    """
    known = wire.fields(type_).keys() - {_REST}
    pairs = wire.pairs(req)
    rest = [pair for pair in pairs if pair[0] not in known]
    if len(rest) > MOST_FILTERS:
        raise Refused(PARAMETER, f"{len(rest):,} filters on metadata were given; a query takes {MOST_FILTERS:,}")
    filters: dict[str, Any] = {}
    for name, value in rest:
        if not name or len(name) > _LONGEST_KEY or name in filters:
            raise Refused(PARAMETER, f"{name[:64]!r}: a filter on metadata has a key of up to {_LONGEST_KEY} characters, once")
        filters[name] = _typed(value)
    found = _parsed([pair for pair in pairs if pair[0] in known], type_)
    return msgspec.structs.replace(found, metadata=filters)


def _parsed(pairs: list[tuple[str, str]], type_: type[T]) -> T:
    try:
        return wire.parse(pairs, type_)
    except InvalidInput as error:
        raise Refused(PARAMETER, str(error)) from None


def _typed(value: str) -> int | str:
    """A number where it is written as one: metadata that are numbers have to be found."""
    return int(value) if _WHOLE.fullmatch(value) and -(2**63) <= int(value) < 2**63 else value


def next_links(call: MessagingCall, marker: str, *, is_empty: bool) -> list[NextLink]:
    """The link to the next page, with everything that this request asked for; none behind an empty page."""
    if is_empty:
        return []
    path, _, query = call.sent.partition("?")
    pairs = [(name, value) for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True) if name != _MARKER]
    return [NextLink("next", f"{path.rstrip('/')}?{urllib.parse.urlencode([*pairs, (_MARKER, marker)])}")]

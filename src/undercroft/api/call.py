"""What a handler gets and gives: typed values only, nothing of HTTP's framework."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from oslo_config import cfg

from undercroft.core import time
from undercroft.core.caller import Caller
from undercroft.core.deadline import HangUp
from undercroft.core.receipt import Receipt

Store = TypeVar("Store")
Beside = TypeVar("Beside")


class Rule(enum.Enum):
    """Who may ask."""

    OPEN = "everybody, without a token"
    ANYONE = "every caller"
    PROJECT = "every caller, about the own project; admins about all"
    OWN = "every caller, about the own project"
    ADMIN = "admins"
    SCOPED = "callers with a user and a project, about their own; admins about all, also without a project"
    SEGREGATED = "admins; others are told that they are not authorized"
    WRITER = "the roles admin, service and writer"


def _nothing() -> None:
    """End no turn."""


WRITERS = frozenset({"admin", "service", "writer"})


class Call(NamedTuple, Generic[Store, Beside]):
    """One request, parsed.

    Attributes:
        store: where what is asked about is.
        beside: what the kind opened beside its store, once a process; see `undercroft.api.kind.Api.open_beside`.
        caller: who asks.
        query: the query string, as the route's struct.
        body: the body, as the route's type; None where it has none.
        path: the variable parts of the path.
        receipt: makes the answer of a first POST; None when no key was sent.
        conf: the settings.
        base: the URL of the kind's prefix, as the caller wrote it.
        last_event_id: of server-sent events, where the caller was.
        sent: the path below the kind's prefix and the query string, as the caller wrote them.
        headers: the request's headers that the route names, by these names; those that were sent.
        size: bytes of the body.
        wait: for how many seconds the handler may wait for something to happen; None for not at all.
        hang_up: fires when the client has gone; None where that is not told.
        end_turn: lets another request have this one's turn; for a handler that goes on to wait for others.
    """

    store: Store
    beside: Beside
    caller: Caller
    query: Any
    body: Any
    path: dict[str, str]
    receipt: Callable[[bytes], Receipt] | None
    conf: cfg.ConfigOpts
    base: str = ""
    last_event_id: str | None = None
    sent: str = ""
    headers: Mapping[str, str] = {}
    size: int = 0
    wait: int | None = None
    hang_up: HangUp | None = None
    end_turn: Callable[[], None] = _nothing


class Answer(NamedTuple):
    """What is answered.

    Attributes:
        status: of HTTP.
        value: becomes JSON; None leaves the body empty.
        stream: parts of the body, in the place of `value`.
        media: the content type.
        headers: further ones.
    """

    status: int
    value: Any = None
    stream: Iterator[bytes] | None = None
    media: str = "application/json"
    headers: Mapping[str, str] = {}


def timestamp(text: str | None, field: str) -> dt.datetime | None:
    """The timestamp of a query; None where it is not given."""
    return None if text is None else time.parse(text, field)

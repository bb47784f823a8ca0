"""What a handler gets and gives: typed values only, nothing of HTTP's framework."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from oslo_config import cfg

from undercroft.core import time
from undercroft.core.caller import Caller
from undercroft.events import Store
from undercroft.events.definitions import Converter
from undercroft.events.gather import Gatherer
from undercroft.rating import BaseStorage
from undercroft.rating.receipt import Receipt


class Rule(enum.Enum):
    """Who may ask."""

    OPEN = "everybody, without a token"
    ANYONE = "every caller"
    PROJECT = "every caller, about the own project; admins about all"
    ADMIN = "admins"
    SCOPED = "callers with a user and a project, about their own; admins about all"
    SEGREGATED = "admins; others are told that they are not authorized"
    WRITER = "the roles admin, service and writer"


WRITERS = frozenset({"admin", "service", "writer"})


class Stores(NamedTuple):
    """The stores that are served; None for a kind that is not.

    Attributes:
        rating: rated usage.
        events: events.
        gatherer: lets events of several requests go to their store together.
        converter: makes events of notifications.
    """

    rating: BaseStorage | None = None
    events: Store | None = None
    gatherer: Gatherer | None = None
    converter: Converter | None = None

    @property
    def kinds(self) -> set[str]:
        """The kinds that are served."""
        return {name for name in ("rating", "events") if getattr(self, name) is not None}


class Call(NamedTuple):
    """One request, parsed.

    Attributes:
        stores: where what is asked about is.
        caller: who asks.
        query: the query string, as the route's struct.
        body: the body, as the route's type; None where it has none.
        path: the variable parts of the path.
        receipt: makes the answer of a first POST; None when no key was sent.
        conf: the settings.
        base: the URL of the kind's prefix, as the caller wrote it.
        last_event_id: of server-sent events, where the caller was.
    """

    stores: Stores
    caller: Caller
    query: Any
    body: Any
    path: dict[str, str]
    receipt: Callable[[bytes], Receipt] | None
    conf: cfg.ConfigOpts
    base: str = ""
    last_event_id: str | None = None

    @property
    def storage(self) -> BaseStorage:
        """Where rated usage is."""
        assert self.stores.rating is not None  # noqa: S101 - routes of a kind are there with its store only
        return self.stores.rating

    @property
    def events(self) -> Store:
        """Where events are."""
        assert self.stores.events is not None  # noqa: S101 - as above
        return self.stores.events


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


class Unscoped(Exception):
    """The caller is no admin and acts in no project: there is nothing to be seen."""


def own_scope(call: Call) -> dict[str, str]:
    """The filter that keeps a caller to the own project; empty for an admin.

    Raises:
        Unscoped: there is no project.
    """
    if call.caller.is_admin:
        return {}
    if not call.caller.project:
        raise Unscoped
    return {call.storage.scope_key: call.caller.project}


def moment(text: str | None, field: str) -> dt.datetime | None:
    """A moment of a query; None where it is not given."""
    return None if text is None else time.parse(text, field)

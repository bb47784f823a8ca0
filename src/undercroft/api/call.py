"""What a handler gets and gives: typed values only, nothing of HTTP's framework."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from undercroft.core import time
from undercroft.core.caller import Caller
from undercroft.rating import BaseStorage
from undercroft.rating.receipt import Receipt


class Rule(enum.Enum):
    """Who may ask."""

    OPEN = "everybody, without a token"
    ANYONE = "every caller"
    PROJECT = "every caller, about the own project; admins about all"
    ADMIN = "admins"


class Call(NamedTuple):
    """One request, parsed.

    Attributes:
        storage: where rated usage is.
        caller: who asks.
        query: the query string, as the route's struct.
        body: the body, as the route's type; None where it has none.
        path: the variable parts of the path.
        receipt: makes the answer of a first POST; None when no key was sent.
        metrics_file: of the settings.
    """

    storage: BaseStorage
    caller: Caller
    query: Any
    body: Any
    path: dict[str, str]
    receipt: Callable[[bytes], Receipt] | None
    metrics_file: str | None


class Answer(NamedTuple):
    """What is answered.

    Attributes:
        status: of HTTP.
        value: becomes JSON; None leaves the body empty.
        stream: parts of the body, in the place of `value`.
    """

    status: int
    value: Any = None
    stream: Iterator[bytes] | None = None


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

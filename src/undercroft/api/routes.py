"""One method of one path. Each kind has a table of its own: `undercroft.api.<kind>.routes`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import falcon
from oslo_config import cfg

from undercroft.api import schemas, wire
from undercroft.api.call import Answer, Call, Rule


@dataclasses.dataclass(frozen=True)
class Route:
    """One method of one path.

    Attributes:
        method: of HTTP.
        path: with variable parts in braces.
        handler: answers; its name and first line name the operation.
        rule: who may ask.
        answers: type of the answer's body by status, None for no body; for success only.
        query: struct of the query string.
        body: type of the body; None when there is none, or when it is not looked at.
        failures: statuses of failures, beyond those that every route has.
        is_long: whether a query makes this one of the long requests; None for never.
        is_long_body: whether a body makes this one of the long requests; None for never.
        read: makes the struct of a request's query string.
        breaks_off: whether, by the settings, the connection is broken off instead of answered while the store is away, so that the
            sender keeps what it sent; None for never.
        gathers: whether its handler ends its turn, and waits until what came is stored together with what others sent: many such
            requests may be under way, and each waits for its turn until its deadline.
        check: refuses a request by its headers, before its body is read; None for nothing to check.
        headers: names of the request's headers that the handler reads.
        may_be_empty: whether a request may come without the body.
        body_media: content types of the body, of which a request has one; empty for JSON, whatever a request calls it.
        keeps_receipts: whether a POST has a key that makes its repetition harmless; one that has not refuses a key.
        media: content types of the answer.
        waits: how many seconds a query lets the request wait for something to happen; None for never. The handler goes by
            `Call.wait`.
        is_served: whether, by the settings, there is such a path; None for always.
        takes_rest: whether the last variable part is all that is left of the path, with its slashes.
    """

    method: str
    path: str
    handler: Callable[[Call[Any, Any]], Answer]
    rule: Rule
    answers: dict[int, Any]
    query: Any = schemas.Nothing
    body: Any = None
    failures: tuple[int, ...] = ()
    is_long: Callable[[Any], bool] | None = None
    is_long_body: Callable[[Any], bool] | None = None
    read: Callable[[falcon.Request, Any], Any] = wire.query
    breaks_off: Callable[[cfg.ConfigOpts], bool] | None = None
    gathers: bool = False
    check: Callable[[falcon.Request, cfg.ConfigOpts], None] | None = None
    headers: tuple[str, ...] = ()
    may_be_empty: bool = False
    body_media: tuple[str, ...] = ()
    keeps_receipts: bool = True
    media: tuple[str, ...] = (falcon.MEDIA_JSON,)
    waits: Callable[[Any], int | None] | None = None
    is_served: Callable[[cfg.ConfigOpts], bool] | None = None
    takes_rest: bool = False

    @property
    def template(self) -> str:
        """The path in the form of the framework."""
        return f"{self.path.removesuffix('}')}:path}}" if self.takes_rest else self.path

    @property
    def has_body(self) -> bool:
        """True when requests bring a body."""
        return self.method in ("POST", "PUT", "PATCH")

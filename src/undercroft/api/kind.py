"""What the service asks of a kind of data, as one value: `API` in `undercroft.api.<kind>`."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import falcon
from oslo_config import cfg

from undercroft.api.gauges import Gauge
from undercroft.api.routes import Route
from undercroft.api.schemas import ErrorMessage, Fault, Message
from undercroft.core import kinds
from undercroft.core.caller import Caller
from undercroft.core.gather import Gatherer


def _nothing(_store: Any, _conf: cfg.ConfigOpts) -> None:
    """Open nothing beside the store."""


def _unsigned(_req: falcon.Request, _path: str, _conf: cfg.ConfigOpts) -> Caller | None:
    """Know no signatures."""
    return None


@dataclasses.dataclass(frozen=True)
class ErrorBody:
    """The form of errors below a path.

    Attributes:
        below: where it is used, relative to the kind's prefix; the first that fits counts.
        type: the struct, for the OpenAPI document.
        make: makes one: takes the status, the message, and the error that it is made of, where there is one.
    """

    below: str
    type: Any
    make: Callable[[int, str, Exception | None], Any]


def _fault(status: int, message: str, _error: Exception | None) -> Fault:
    return Fault("Client" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "Server", message)


DEFAULT_ERROR = ErrorBody("/", Message, lambda _status, message, _error: Message(message))


def faults(below: str) -> ErrorBody:
    """Errors as `{"faultcode": ..., "faultstring": ..., "debuginfo": null}`."""
    return ErrorBody(below, Fault, _fault)


def error_messages(below: str) -> ErrorBody:
    """Errors as `{"error_message": {"faultcode": ..., ...}}`."""
    return ErrorBody(below, ErrorMessage, lambda status, message, error: ErrorMessage(_fault(status, message, error)))


@dataclasses.dataclass(frozen=True)
class Api:
    """A kind as it is served.

    Attributes:
        name: the kind's; everything is below `/<name>`.
        routes: all of them.
        probe: asks a store something small, and raises what is wrong with it.
        errors: forms of errors, where they differ from `{"message": ...}`.
        open_beside: opens what handlers need beside the store, once a process; takes the store and the settings.
        signed: the caller of a request that its own signature identifies, in the place of a token; None for a request without
            one. Takes the request, its path below the prefix, and the settings.
        gatherer: of what was opened, what stores together that which several posts brought, for the counts; None for nothing.
        gauges: numbers of a store for `/metrics`; takes the store and the settings. They are asked for at most each few seconds.
    """

    name: str
    routes: tuple[Route, ...]
    probe: Callable[[Any], None]
    errors: tuple[ErrorBody, ...] = ()
    open_beside: Callable[[Any, cfg.ConfigOpts], Any] = _nothing
    gatherer: Callable[[Any], Gatherer[Any, Any]] | None = None
    signed: Callable[[falcon.Request, str, cfg.ConfigOpts], Caller | None] = _unsigned
    gauges: Callable[[Any, cfg.ConfigOpts], Sequence[Gauge]] | None = None

    def error(self, path: str) -> ErrorBody:
        """The form of errors of a path below the prefix."""
        rest = f"{path.removeprefix(f'/{self.name}')}/"
        return next((form for form in self.errors if rest.startswith(form.below)), DEFAULT_ERROR)


@dataclasses.dataclass(frozen=True)
class Served:
    """A kind with its open store.

    Attributes:
        api: the kind.
        store: an open store.
        beside: what the kind opened beside it.
    """

    api: Api
    store: Any
    beside: Any


@functools.cache
def known() -> Mapping[str, Api]:
    """Every kind that can be served, by name."""
    apis = ((name, kind.load_api()) for name, kind in kinds.installed().items())
    return {name: api for name, api in apis if api is not None}


def routes() -> Iterator[tuple[Api, Route]]:
    """Every route of every kind: the framework's routing, the OpenAPI document and the tests of access follow from them."""
    for api in known().values():
        for route in api.routes:
            yield api, route


def error_body(path: str) -> ErrorBody:
    """The form of errors of any path."""
    api = known().get(path.split("/", 2)[1] if path.startswith("/") else "")
    return DEFAULT_ERROR if api is None else api.error(path)

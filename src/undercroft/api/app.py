"""The WSGI application: `create_app`. A server calls `from_settings`, which reads the settings of the process."""

from __future__ import annotations

import contextvars
import types
import uuid
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import falcon
from oslo_config import cfg

from undercroft.api import auth, failures, health, idempotency, openapi, wire
from undercroft.api.call import Answer, Call, Rule, Stores
from undercroft.api.limits import Budget
from undercroft.api.routes import ROUTES, Route
from undercroft.core import deadline, registry, settings
from undercroft.core.caller import Caller
from undercroft.core.errors import ConfigInvalid, UndercroftError
from undercroft.events import Store
from undercroft.events.definitions import Converter
from undercroft.events.gather import Gatherer

REQUEST_ID = "x-openstack-request-id"
# Threads of a server beyond those that requests may keep busy: for health, and for refusals.
SPARE_THREADS = 8
_CONNECT_SECONDS = 2.0


class RequestId:
    """Middleware: every answer has an id, which the log of a caller may name."""

    def process_response(self, _req: falcon.Request, resp: falcon.Response, _resource: Any, _succeeded: bool) -> None:
        """Set the header."""
        resp.set_header(REQUEST_ID, f"req-{uuid.uuid4()}")


class Drain:
    """Middleware: reads what a refused request still has to say, within limits.

    A client that sends on while the answer is there already would find the connection broken, and not read the answer.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit

    def process_response(self, req: falcon.Request, _resp: falcon.Response, _resource: Any, _succeeded: bool) -> None:
        """Read the rest of the body."""
        try:
            length = req.content_length
        except falcon.HTTPInvalidHeader:
            return
        if length is not None and length <= self._limit:
            req.bounded_stream.exhaust()


class Service:
    """Answers requests by the table of routes: who asks, may they, what exactly; then the handler, within its budget."""

    def __init__(self, conf: cfg.ConfigOpts, stores: Stores) -> None:
        self.stores = stores
        self._conf = conf
        self._access = auth.access(conf.api.auth, conf.api.token_file)
        self._max_body = conf.api.max_body
        self._ordinary = Budget(conf.api.requests, conf.api.deadline)
        # Who asks for much is told to come again at once, instead of waiting in a thread.
        self._long = Budget(conf.api.long_requests, conf.api.long_deadline, patience=0.0)

    def responder(self, route: Route) -> Callable[..., None]:
        """The framework's method for a route."""

        def respond(req: falcon.Request, resp: falcon.Response, **path: str) -> None:
            caller = Caller() if route.rule is Rule.OPEN else self._access.caller(req)
            auth.permit(route.rule, caller)
            raw = wire.read(req, self._max_body) if route.has_body else b""
            query = route.read(req, route.query)
            body = None if route.body is None else wire.decode(raw, route.body)
            receipt = idempotency.receipt(req, caller, raw) if route.method == "POST" else None
            base = f"{req.prefix}/{route.kind}"
            call = Call(self.stores, caller, query, body, path, receipt, self._conf, base, req.get_header("Last-Event-ID"))
            if route.is_long is not None and route.is_long(query):
                self._answer_long(route, call, resp)
            else:
                with self._ordinary.turn():
                    _write(resp, route.handler(call))

        def respond_or_break_off(req: falcon.Request, resp: falcon.Response, **path: str) -> None:
            try:
                respond(req, resp, **path)
            except (falcon.HTTPError, UndercroftError) as error:
                status = error.status_code if isinstance(error, falcon.HTTPError) else error.http
                if status < HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise
                failures.break_off(req, resp, error)

        return respond_or_break_off if route.breaks_off and self._conf.events.on_error == "close" else respond

    def _answer_long(self, route: Route, call: Call, resp: falcon.Response) -> None:
        self._long.take()
        handed_on = False
        try:
            # A store out of reach is noticed as soon as by everybody else.
            with deadline.within(self._ordinary.seconds):
                health.probe(self.stores)
            with deadline.within(self._long.seconds):
                answer = route.handler(call)
                if answer.stream is not None:
                    answer = answer._replace(stream=_Parts(answer.stream, self._long))
                    handed_on = True
            _write(resp, answer)
        finally:
            if not handed_on:
                self._long.give()


class _Parts:
    """A body that is made while it is sent; its turn ends with it, and its deadline is that of the request."""

    def __init__(self, parts: Iterator[bytes], budget: Budget) -> None:
        self._parts = parts
        self._budget: Budget | None = budget
        self._context = contextvars.copy_context()

    def __iter__(self) -> _Parts:
        return self

    def __next__(self) -> bytes:
        return self._context.run(next, self._parts)

    def close(self) -> None:
        """Called by the server in every case, at the end or when the client has gone."""
        budget, self._budget = self._budget, None
        try:
            self._context.run(self._parts.close)  # type: ignore[attr-defined]
        finally:
            if budget is not None:
                budget.give()

    # A server that forgets to close gives the turn back all the same.
    __del__ = close


def _write(resp: falcon.Response, answer: Answer) -> None:
    resp.status = answer.status
    resp.set_headers(dict(answer.headers))
    if answer.stream is not None:
        resp.content_type = answer.media
        resp.stream = answer.stream
    elif answer.value is not None:
        resp.content_type = answer.media
        resp.data = wire.encode(answer.value)


def create_app(conf: cfg.ConfigOpts | None = None, stores: Stores | None = None) -> falcon.App[Any, Any]:
    """Make the application.

    Args:
        conf: the settings; those of the process when None.
        stores: what is served; opened by `[rating] connection` and `[events] connection` when None.

    Raises:
        ConfigInvalid: a setting is wrong, or there is no connection.
    """
    conf = conf or settings.current()
    service = Service(conf, stores or open_stores(conf))
    counters = health.Counters()
    middleware: list[Any] = [RequestId(), counters, Drain(conf.api.max_body)]
    if conf.api.cors_origins:
        middleware.insert(0, falcon.CORSMiddleware(allow_origins=conf.api.cors_origins))
    app: falcon.App[Any, Any] = falcon.App(middleware=middleware)
    app.req_options.strip_url_path_trailing_slash = True
    failures.install(app)
    by_path: dict[str, types.SimpleNamespace] = {}
    for route in ROUTES:
        if route.kind in service.stores.kinds:
            resource = by_path.setdefault(route.path, types.SimpleNamespace())
            setattr(resource, f"on_{route.method.lower()}", service.responder(route))
    for path, resource in by_path.items():
        app.add_route(path, resource)
    app.add_route("/healthz", health.Alive())
    app.add_route("/readyz", health.Ready(service.stores))
    app.add_route("/metrics", counters)
    app.add_route("/openapi.json", openapi.Page())
    return app


def open_stores(conf: cfg.ConfigOpts) -> Stores:
    """The stores that the settings name, with as many connections as requests may need, and no wait without an end."""
    if not conf.rating.connection and not conf.events.connection:
        raise ConfigInvalid("no store is named: set [rating] connection or [events] connection, or give --store or --events URL")
    events: Store | None = _opened(conf, "events")
    return Stores(
        rating=_opened(conf, "rating"),
        events=events,
        gatherer=None if events is None else Gatherer(events),
        converter=None if events is None else Converter.load(conf.events.definitions_file),
    )


def _opened(conf: cfg.ConfigOpts, kind: str) -> Any:
    url = conf[kind].connection
    if not url:
        return None
    connections = conf.api.requests + conf.api.long_requests + SPARE_THREADS
    wanted = {
        "pool_size": -(-connections // 4),
        "connect_timeout": _CONNECT_SECONDS,
        "statement_timeout": conf.api.long_deadline,
        "busy_timeout": conf.api.deadline,
    }
    given = url.partition("?")[2]
    known = registry.options(kind, url)
    return registry.connect(
        kind, url, **{name: value for name, value in wanted.items() if name in known and f"{name}=" not in given}
    )


def from_settings() -> falcon.App[Any, Any]:
    """The application of this process's settings; what servers are pointed to."""
    return create_app()

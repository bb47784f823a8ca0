"""The WSGI application: `create_app`. A server calls `from_settings`, which reads the settings of the process."""

from __future__ import annotations

import contextlib
import contextvars
import types
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

import falcon
from oslo_config import cfg

from undercroft.api import auth, failures, handover, health, idempotency, kind, openapi, wire
from undercroft.api.call import Answer, Call, Rule
from undercroft.api.kind import Served
from undercroft.api.limits import Budget, Busy, Turn
from undercroft.api.nearby import Nearby
from undercroft.api.routes import Route
from undercroft.core import deadline, kinds, registry, settings
from undercroft.core.caller import Caller
from undercroft.core.errors import ConfigInvalid

REQUEST_ID = "x-openstack-request-id"
# Posts that may wait to be stored together with others. Each has a thread, which sleeps.
GATHERED = 128
_IDLE_THREADS = 8
# Connections of those that wait, whatever their number: a few look at once, and one wakes them.
_WAITING = 9
# Threads of a server beyond those that requests may keep busy: for posts that wait, for health, and for refusals.
SPARE_THREADS = GATHERED + _IDLE_THREADS
_CONNECT_SECONDS = 2.0


class RequestId:
    """Middleware: every answer has an id, which the log of a caller may name."""

    def process_response(self, req: falcon.Request, resp: falcon.Response, _resource: Any, _succeeded: bool) -> None:
        """Set the header."""
        resp.set_header(REQUEST_ID, failures.request_id(req))


class Service:
    """Answers requests by the table of routes: who asks, may they, what exactly; then the handler, within its budget."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        nearby = Nearby(conf.api.host, conf.api.hosts, conf.api.cors_origins)
        self._access = auth.access(conf.api.auth, conf.api.token_file, nearby)
        self._max_body = conf.api.max_body
        self._ordinary = Budget(conf.api.requests, conf.api.deadline)
        # Who asks for much is told to come again at once, instead of waiting in a thread.
        share = min(conf.api.long_share, max(1, conf.api.long_requests - 1))
        self._long = Budget(conf.api.long_requests, conf.api.long_deadline, patience=0.0, share=share)
        self._gathered = Budget(GATHERED, conf.api.deadline, patience=0.0)
        self._waiting = Budget(conf.api.waiting_requests, conf.api.deadline, patience=0.0)

    def responder(self, served: Served, route: Route) -> Callable[..., None]:
        """The framework's method for a route of a kind."""
        api, store, beside = served.api, served.store, served.beside
        breaks_off = route.breaks_off is not None and route.breaks_off(self._conf)

        def respond(req: falcon.Request, resp: falcon.Response, **path: str) -> None:
            handover.check(req)
            below = req.env["PATH_INFO"].removeprefix(f"/{api.name}")
            caller = self._caller(api, route, req, below)
            auth.permit(route.rule, caller)
            raw = self._read(route, req)
            query = route.read(req, route.query)
            receipt = idempotency.receipt(req, caller, raw, kept=route.keeps_receipts) if route.method == "POST" else None
            base = f"{req.forwarded_prefix}/{api.name}"
            headers = {name: value for name in route.headers if (value := req.get_header(name)) is not None}
            sent = f"{below}?{req.query_string}" if req.query_string else below
            call = Call(
                store, beside, caller, query, None, path, receipt, self._conf, base, req.get_header("Last-Event-ID"), sent, headers,
                len(raw), hang_up=handover.hang_up(req),
            )  # fmt: skip
            if (seconds := None if route.waits is None else route.waits(query)) is not None and self._answer_waiting(
                route, call, raw, req, resp, seconds
            ):
                return
            is_long = route.is_long is not None and route.is_long(query)
            if not is_long:
                with self._turn(route) as turn:
                    body = _body(route, raw)
                    is_long = route.is_long_body is not None and route.is_long_body(body)
                    if not is_long:
                        _write(resp, route.handler(call._replace(body=body, end_turn=turn.end)))
                        return
                call = call._replace(body=body)
            with deadline.until(handover.hang_up(req)):
                self._answer_long(served, route, call, resp, _owner(req, caller))

        def respond_or_break_off(req: falcon.Request, resp: falcon.Response, **path: str) -> None:
            try:
                respond(req, resp, **path)
            except Exception as error:
                # What nobody foresaw is not the sender's fault, either; nor is a body that did not come in time.
                status = failures.status(error)
                if status < HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.REQUEST_TIMEOUT:
                    raise
                failures.break_off(req, resp, error)

        return respond_or_break_off if breaks_off else respond

    def _caller(self, api: kind.Api, route: Route, req: falcon.Request, below: str) -> Caller:
        if route.rule is Rule.OPEN:
            return Caller()
        signed = api.signed(req, below, self._conf)
        return self._access.caller(req) if signed is None else signed

    def _read(self, route: Route, req: falcon.Request) -> bytes:
        """The body, unless the request's headers refuse it."""
        if route.check is not None:
            route.check(req, self._conf)
        if not route.has_body or (route.may_be_empty and wire.has_no_body(req)):
            return b""
        if route.body_media:
            wire.check_media(req, route.body_media)
        return wire.read(req, self._max_body)

    @contextlib.contextmanager
    def _turn(self, route: Route) -> Iterator[Turn]:
        """A turn for an ordinary request, within its deadline: what waits for others waits for its turn, too."""
        if not route.gathers:
            with self._ordinary.turn() as turn:
                yield turn
            return
        with self._gathered.turn(), self._ordinary.turn(deadline.remaining()) as turn:
            yield turn

    def _answer_waiting(
        self, route: Route, call: Call[Any, Any], raw: bytes, req: falcon.Request, resp: falcon.Response, seconds: int
    ) -> bool:
        """Answer a request that waits, outside the turns of others; False where it may not wait."""
        try:
            turn = self._waiting.take() if handover.may_wait(req) else None
        except Busy:
            turn = None
        if turn is None:
            return False
        try:
            with deadline.within(seconds + self._waiting.seconds), deadline.waiting(handover.wait_over(req)):
                _write(resp, route.handler(call._replace(body=_body(route, raw), wait=seconds)))
        finally:
            turn.end()
        return True

    def _answer_long(self, served: Served, route: Route, call: Call[Any, Any], resp: falcon.Response, owner: str | None) -> None:
        turn = self._long.take(owner)
        handed_on = False
        try:
            # A store out of reach is noticed as soon as by everybody else.
            with deadline.within(self._ordinary.seconds):
                health.probe([served])
            with deadline.within(self._long.seconds):
                answer = route.handler(call)
                if answer.stream is not None:
                    answer = answer._replace(stream=_Parts(answer.stream, turn))
                    handed_on = True
            _write(resp, answer)
        finally:
            if not handed_on:
                turn.end()


def _owner(req: falcon.Request, caller: Caller) -> str | None:
    """Whose share of the long requests a caller takes; None without access control, where callers have no identity."""
    return caller.owner or (f"address {req.remote_addr}" if caller.is_named else None)


class _Parts:
    """A body that is made while it is sent; its turn ends with it, and its deadline is that of the request."""

    def __init__(self, parts: Iterator[bytes], turn: Turn) -> None:
        self._parts = parts
        self._turn = turn
        self._context = contextvars.copy_context()

    def __iter__(self) -> _Parts:
        return self

    def __next__(self) -> bytes:
        return self._context.run(next, self._parts)

    def close(self) -> None:
        """Called by the server in every case, at the end or when the client has gone."""
        try:
            self._context.run(self._parts.close)  # type: ignore[attr-defined]
        finally:
            self._turn.end()

    # A server that forgets to close gives the turn back all the same.
    __del__ = close


def _body(route: Route, raw: bytes) -> Any:
    return None if route.body is None or (route.may_be_empty and not raw) else wire.decode(raw, route.body)


def _write(resp: falcon.Response, answer: Answer) -> None:
    resp.status = answer.status
    resp.set_headers(dict(answer.headers))
    if answer.stream is not None:
        resp.content_type = answer.media
        resp.stream = answer.stream
    elif answer.value is not None:
        resp.content_type = answer.media
        resp.data = wire.encode(answer.value)


def create_app(conf: cfg.ConfigOpts | None = None, stores: Mapping[str, Any] | None = None) -> falcon.App[Any, Any]:
    """Make the application.

    Args:
        conf: the settings; those of the process when None.
        stores: open stores by kind; when None, those are opened that the settings name: `[<kind>] connection`.

    Raises:
        ConfigInvalid: a setting is wrong, or there is no connection.
    """
    conf = conf or settings.current()
    served = [_served(name, store, conf) for name, store in (open_stores(conf) if stores is None else stores).items()]
    service = Service(conf)
    counters = health.Counters()
    middleware: list[Any] = [RequestId(), counters]
    if conf.api.cors_origins:
        middleware.insert(0, falcon.CORSMiddleware(allow_origins=conf.api.cors_origins))
    app: falcon.App[Any, Any] = falcon.App(middleware=middleware)
    app.req_options.strip_url_path_trailing_slash = True
    failures.install(app)
    for each in served:
        counters.watch(each, conf)
        _add_routes(app, service, each, conf)
    app.add_route("/healthz", health.Alive())
    app.add_route("/readyz", health.Ready(served))
    app.add_route("/metrics", counters)
    app.add_route("/openapi.json", openapi.Page())
    return app


def _add_routes(app: falcon.App[Any, Any], service: Service, served: Served, conf: cfg.ConfigOpts) -> None:
    """Let the framework hand the kind's routes to the service: it wants one object a path."""
    by_path: dict[str, types.SimpleNamespace] = {}
    for route in served.api.routes:
        if route.is_served is not None and not route.is_served(conf):
            continue
        resource = by_path.setdefault(route.template, types.SimpleNamespace())
        setattr(resource, f"on_{route.method.lower()}", service.responder(served, route))
    for path, resource in by_path.items():
        app.add_route(path, resource)


def _served(name: str, store: Any, conf: cfg.ConfigOpts) -> Served:
    api = kind.known()[name]
    return Served(api, store, api.open_beside(store, conf))


def open_stores(conf: cfg.ConfigOpts) -> dict[str, Any]:
    """The stores that the settings name, with as many connections as requests may need, and no wait without an end.

    Raises:
        ConfigInvalid: they name none.
    """
    found = {name: _opened(name, conf[name].connection, conf) for name in kind.known() if conf[name].connection}
    if not found:
        groups = " or ".join(f"[{name}]" for name in kind.known())
        raise ConfigInvalid(f"no store is named: set connection in {groups} of the settings file, or give --store KIND=URL")
    return found


def _opened(name: str, named: str, conf: cfg.ConfigOpts) -> Any:
    url = kinds.installed()[name].url(named, lambda: conf)
    connections = conf.api.requests + conf.api.long_requests + _IDLE_THREADS + _WAITING
    wanted = {
        "pool_size": -(-connections // 4),
        "connect_timeout": _CONNECT_SECONDS,
        "statement_timeout": conf.api.long_deadline,
        "busy_timeout": conf.api.deadline,
    }
    given = url.partition("?")[2]
    known = registry.options(name, url)
    return registry.connect(
        name, url, **{option: value for option, value in wanted.items() if option in known and f"{option}=" not in given}
    )


def from_settings() -> falcon.App[Any, Any]:
    """The application of this process's settings; what servers are pointed to."""
    return create_app()

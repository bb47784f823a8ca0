"""What a failure becomes: a status, and a body of the form that the version's clients read."""

from __future__ import annotations

import logging
import uuid
from http import HTTPStatus
from typing import Any

import falcon

from undercroft.api import wire
from undercroft.api.kind import error_body
from undercroft.core.errors import UndercroftError

LOG = logging.getLogger(__name__)
RETRY_AFTER = "2"


def request_id(req: falcon.Request) -> str:
    """What the answer and the log call a request; made when it is first asked for."""
    if "request_id" not in req.context:
        req.context.request_id = f"req-{uuid.uuid4()}"
    return str(req.context.request_id)


def status(error: Exception) -> int:
    """The status of an answer; of what nobody foresaw, too."""
    if isinstance(error, falcon.HTTPError):
        return error.status_code
    return error.http if isinstance(error, UndercroftError) else HTTPStatus.INTERNAL_SERVER_ERROR


def log(req: falcon.Request, what: str, error: Exception) -> None:
    """Tell operators what callers are not told: where the store is, and what its engine said."""
    unforeseen = None if isinstance(error, (UndercroftError, falcon.HTTPError)) else error
    LOG.error("%s %s %s: %s (request %s)", req.method, req.path, what, error, request_id(req), exc_info=unforeseen)


def answer(req: falcon.Request, resp: falcon.Response, status: int, message: str, error: Exception | None = None) -> None:
    """Write an error's status, headers and body."""
    resp.status = status
    resp.content_type = falcon.MEDIA_JSON
    resp.data = wire.encode(error_body(req.path).make(status, message, error))
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        resp.set_header("Retry-After", RETRY_AFTER)
    if status == HTTPStatus.UNAUTHORIZED:
        resp.set_header("WWW-Authenticate", 'Bearer realm="undercroft", Basic realm="undercroft"')


def ours(req: falcon.Request, resp: falcon.Response, error: UndercroftError, _params: Any) -> None:
    """One of our own errors, which knows its status."""
    if error.http < HTTPStatus.INTERNAL_SERVER_ERROR or error.http == HTTPStatus.NOT_IMPLEMENTED:
        answer(req, resp, error.http, error.public, error)
        return
    log(req, "failed", error)
    _not_now(req, resp, error.http, error.public, error)


def http(req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, _params: Any) -> None:
    """An error of the framework."""
    resp.set_headers(error.headers or {})
    answer(req, resp, error.status_code, error.description or error.title or HTTPStatus(error.status_code).phrase, error)


def unexpected(req: falcon.Request, resp: falcon.Response, error: Exception, _params: Any) -> None:
    """A mistake of ours: the log gets the traceback, the caller no detail."""
    log(req, "failed", error)
    _not_now(req, resp, HTTPStatus.INTERNAL_SERVER_ERROR, "the service failed; its log says more", error)


def _not_now(req: falcon.Request, resp: falcon.Response, status: int, message: str, error: Exception) -> None:
    """Answer a failure of ours: the log says more under the request's id."""
    answer(req, resp, status, f"{message} (request {request_id(req)})", error)


def break_off(req: falcon.Request, resp: falcon.Response, error: Exception) -> None:
    """End the connection in the middle of an answer.

    A publisher that gets a whole answer, whatever its status, forgets what it sent; one that gets none keeps it.
    """
    log(req, "is broken off", error)
    resp.status = HTTPStatus.SERVICE_UNAVAILABLE
    resp.content_type = falcon.MEDIA_JSON
    resp.set_stream(iter([b"{"]), 2)


def install(app: falcon.App[Any, Any]) -> None:
    """Let these answer every failure."""
    app.add_error_handler(Exception, unexpected)
    app.add_error_handler(falcon.HTTPError, http)
    app.add_error_handler(UndercroftError, ours)

"""Requests to a Ceilometer API, every failure as the error that says what the worker does about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from undercroft.core.errors import Unavailable
from undercroft.engines import http
from undercroft.engines.pauses import retry_after
from undercroft.export.errors import FilterRefused, MetricsMoved, SourceForbidden, SourceUnavailable
from undercroft.export.settings import Settings

if TYPE_CHECKING:
    from undercroft.export.login import Login

_MOVED = (404, 405, 410, 501)


class Client:
    """Asks one service. Used by one thread.

    Args:
        settings: `timeout`, `cafile` and `insecure` are used.
        login: names the endpoint, and gives the token.

    Raises:
        ConfigInvalid: the file of certificate authorities cannot be read.
    """

    def __init__(self, settings: Settings, login: Login) -> None:
        self._login = login
        verify = http.verify(settings.cafile, insecure=settings.insecure)
        self._requests = http.Requests(settings.timeout, verify, {"Accept": "application/json"}, hint="make `page` smaller")

    @property
    def endpoint(self) -> str:
        """The root of the API, without a slash at its end."""
        endpoint: str = self._login.endpoint
        return endpoint.rstrip("/")

    def get(self, path: str, parameters: http.Parameters = ()) -> bytes:
        """The body of the answer to a GET.

        Args:
            path: below the endpoint, quoted.
            parameters: of the query.

        Raises:
            SourceUnavailable: no answer in time, half of one, or "not now".
            SourceForbidden: the token, or the user, is not accepted.
            MetricsMoved: the endpoint does not serve this.
            FilterRefused: the service does not take the question; `field` is empty.
        """
        return self._asked("GET", path, params=list(parameters))

    def post(self, path: str, body: Mapping[str, Any]) -> bytes:
        """The body of the answer to a POST of JSON; raises as `get`."""
        return self._asked("POST", path, content=msgspec.json.encode(body), headers={"Content-Type": "application/json"})

    def _asked(self, method: str, path: str, **request: Any) -> bytes:
        own = request.pop("headers", {})
        answer = self._once(method, path, own | self._login.headers(), request)
        if answer.status == 401:
            # The token may have been revoked; a second refusal is meant.
            self._login.renew()
            answer = self._once(method, path, own | self._login.headers(), request)
        if answer.status in (200, 201):
            return answer.body
        raise _failure(answer, f"{method} {path}")

    def _once(self, method: str, path: str, headers: Mapping[str, str], request: Mapping[str, Any]) -> http.Answer:
        try:
            return self._requests.send(method, self.endpoint + path, f"{method} {path}", headers, **request)
        except Unavailable as error:
            raise SourceUnavailable(str(error), is_everything=isinstance(error, http.Unreachable)) from error

    def close(self) -> None:
        """Close the connections."""
        self._requests.close()


def _failure(answer: http.Answer, what: str) -> Exception:
    """The error for a response that is not a success."""
    status = answer.status
    text = f"{what}: {status}{http.told(answer.body)}"
    if status in (401, 403):
        return SourceForbidden(text)
    if status in _MOVED or 300 <= status < 400:
        return MetricsMoved(f"the metrics have moved, this endpoint serves them no longer: {text}", status)
    if status >= 500 or status in http.NOT_NOW or status < 400:
        return SourceUnavailable(text, retry_after=retry_after(answer.headers.get("retry-after")))
    return FilterRefused("", text)

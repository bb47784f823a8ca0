"""Requests to a Ceilometer API: within a deadline, bounded, and every failure as the error that says what to do about it."""

from __future__ import annotations

import contextlib
import datetime as dt
import email.utils
import os
import socket
import ssl
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from undercroft.core import deadline, registry, time
from undercroft.core.errors import ConfigInvalid
from undercroft.engines.watchdog import limited
from undercroft.export.errors import FilterRefused, MetricsMoved, SourceForbidden, SourceUnavailable
from undercroft.export.settings import Settings

if TYPE_CHECKING:
    from undercroft.export.login import Login

try:
    import httpx
except ImportError as error:
    raise registry.missing_extra("the export worker", "export", error) from error

# Bytes of an answer; and characters of an error's own text that are repeated.
LARGEST, _SHOWN = 256 * 2**20, 200
# Seconds that a service may ask to wait; one that asks for more is mistaken.
_LONGEST_WAIT = 86_400.0
_MOVED = (404, 405, 410, 501)
_NOT_NOW = (408, 429)

Parameters = Sequence[tuple[str, str]]


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
        self._timeout = settings.timeout
        self._socket: socket.socket | None = None
        self._http = httpx.Client(
            verify=_verify(settings), timeout=settings.timeout, follow_redirects=False, headers={"Accept": "application/json"}
        )

    @property
    def endpoint(self) -> str:
        """The root of the API, without a slash at its end."""
        endpoint: str = self._login.endpoint
        return endpoint.rstrip("/")

    def get(self, path: str, parameters: Parameters = ()) -> bytes:
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
        status, headers, body = self._once(method, path, own | self._login.headers(), request)
        if status == 401:
            # The token may have been revoked; a second refusal is meant.
            self._login.renew()
            status, headers, body = self._once(method, path, own | self._login.headers(), request)
        if status in (200, 201):
            return body
        raise _failure(status, headers, f"{method} {path}", body)

    def _once(
        self, method: str, path: str, headers: Mapping[str, str], request: Mapping[str, Any]
    ) -> tuple[int, Mapping[str, str], bytes]:
        url = self.endpoint + path
        # httpx's own timeout is for each read; a service that drips would be waited for without end.
        cut = {"trace": self._remember_socket}
        try:
            with (
                deadline.within(self._timeout),
                limited(self, Client._cut),
                self._http.stream(method, url, headers=headers, extensions=cut, **request) as answer,
            ):
                return answer.status_code, answer.headers, _read(answer, f"{method} {path}")
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.UnsupportedProtocol) as error:
            raise SourceUnavailable(f"{self.endpoint} cannot be reached: {_text(error)}", is_everything=True) from error
        except httpx.TimeoutException as error:
            raise SourceUnavailable(f"{method} {path}: no answer within {self._timeout:g} s") from error
        except httpx.HTTPError as error:
            raise SourceUnavailable(f"{method} {path}: the answer broke off: {_text(error)}") from error
        except httpx.InvalidURL as error:
            raise ConfigInvalid(f"{url[:200]} is not a URL: {error}") from None

    def _remember_socket(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")

    def _cut(self) -> None:
        """End what is waited for, from another thread."""
        if self._socket is not None:
            # A second handle on the same socket: shutting that down ends the read, also below TLS.
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._socket.fileno())) as handle:
                handle.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _verify(settings: Settings) -> ssl.SSLContext | bool:
    if settings.insecure:
        return False
    if settings.cafile is None:
        return True
    try:
        return ssl.create_default_context(cafile=settings.cafile)
    except OSError as error:
        reason = "holds no certificates" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigInvalid(f"cafile: {settings.cafile}: {reason}") from None


def _read(answer: httpx.Response, what: str) -> bytes:
    """The body, which may not be too large."""
    parts = []
    size = 0
    for part in answer.iter_bytes():
        size += len(part)
        if size > LARGEST:
            raise SourceUnavailable(f"{what}: the answer is larger than {LARGEST // 2**20} MiB; make `page` smaller")
        parts.append(part)
    return b"".join(parts)


def _failure(status: int, headers: Mapping[str, str], what: str, body: bytes) -> Exception:
    """The error for an answer that is not the one we asked for."""
    text = f"{what}: {status}{_told(body)}"
    if status in (401, 403):
        return SourceForbidden(text)
    if status in _MOVED or 300 <= status < 400:
        return MetricsMoved(f"the metrics have moved, this endpoint serves them no longer: {text}", status)
    if status >= 500 or status in _NOT_NOW or status < 400:
        return SourceUnavailable(text, retry_after=_retry_after(headers.get("retry-after")))
    return FilterRefused("", text)


class _Fault(msgspec.Struct):
    faultstring: str | None = None
    message: str | None = None
    title: str | None = None
    description: str | None = None


class _Error(msgspec.Struct):
    error_message: _Fault | str | None = None
    error: _Fault | str | None = None
    faultstring: str | None = None
    title: str | None = None
    description: str | None = None
    message: str | None = None


def _told(body: bytes) -> str:
    """What an answer itself says is wrong, in one line; nothing where it says nothing that we can read."""
    try:
        found = msgspec.json.decode(body, type=_Error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    inner = found.error_message if found.error_message is not None else found.error
    texts = [inner] if isinstance(inner, str) else [getattr(inner, name, None) for name in _Fault.__struct_fields__]
    texts += [found.faultstring, found.description, found.message, found.title]
    text = " ".join(next((text for text in texts if text), "").split())
    return f": {text[:_SHOWN]}" if text else ""


def _retry_after(text: str | None) -> float | None:
    """Seconds that a service asks to wait: a number, or an HTTP date."""
    if not text:
        return None
    if text.strip().isascii() and text.strip().isdigit():
        return min(float(text.strip()[:9]), _LONGEST_WAIT)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return min(max(0.0, (time.as_utc(moment) - time.now()) / dt.timedelta(seconds=1)), _LONGEST_WAIT)


def _text(error: Exception) -> str:
    """What a library says, in one line; its name where it says nothing."""
    return " ".join(str(error).split())[:_SHOWN] or type(error).__name__

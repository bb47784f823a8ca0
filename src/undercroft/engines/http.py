"""HTTP to a server: within a deadline, bounded, each failure as the error that says what to do about it."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from undercroft.core import deadline, registry
from undercroft.core.errors import ConfigInvalid, InvalidInput, NotFound, NotPermitted, TooLarge, Unavailable
from undercroft.engines.watchdog import limited

try:
    import httpx
except ImportError as error:
    raise registry.missing_extra("asking a server over HTTP", "http", error) from error

# Bytes of an answer; and characters of an error's own text that are repeated.
LARGEST, _SHOWN = 256 * 2**20, 200
NOT_NOW = (408, 429)

Parameters = Sequence[tuple[str, str]]


class Unreachable(Unavailable):
    """The server takes no connections: other requests to it would fail, too."""


class Answer(NamedTuple):
    """What came back, whole.

    Attributes:
        status: of HTTP.
        headers: by their names, in any case.
        body: unpacked.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Requests:
    """Sends requests, one after the other; threads may share it.

    Args:
        timeout: seconds that a request may take, its answer included.
        verify: how certificates are checked; see `verify`.
        headers: of every request.
        hint: what to do about an answer that is too large.
    """

    def __init__(
        self,
        timeout: float,
        verify: ssl.SSLContext | bool,
        headers: Mapping[str, str],
        hint: str = "ask for less at once",
    ) -> None:
        self._timeout, self._hint = timeout, hint
        self._turn = threading.Lock()
        self._socket: socket.socket | None = None
        self._http = httpx.Client(verify=verify, timeout=timeout, follow_redirects=False, headers=dict(headers))

    def send(self, method: str, url: str, what: str, headers: Mapping[str, str], **request: Any) -> Answer:
        """The answer to a request.

        Args:
            method, url: of the request.
            what: it is, for messages.
            headers: beside those of every request.
            request: further arguments of httpx, such as `params` and `content`.

        Raises:
            Unreachable: no connection.
            Unavailable: no answer in time, or half of one; `TooLarge`, or more than we read.
            ConfigInvalid: it is not a URL.
        """

        def late() -> Exception:
            return Unavailable(f"{what}: earlier requests took longer than {self._timeout:g} s")

        # httpx's own timeout is for each read; a service that drips would be waited for without end. The socket that is cut off at
        # the deadline is that of the one request under way.
        with deadline.holding(self._turn, self._timeout, late):
            return self._sent(method, url, what, headers, request)

    def _sent(self, method: str, url: str, what: str, headers: Mapping[str, str], request: Mapping[str, Any]) -> Answer:
        trace = {"trace": self._remember_socket}
        try:
            with (
                limited(self, Requests._cut),
                self._http.stream(method, url, headers=dict(headers), extensions=trace, **request) as answer,
            ):
                return Answer(answer.status_code, answer.headers, self._read(answer, what))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.UnsupportedProtocol) as error:
            raise Unreachable(f"{place(url)} cannot be reached: {_text(error)}") from error
        except httpx.TimeoutException as error:
            raise Unavailable(f"{what}: no answer within {self._timeout:g} s") from error
        except httpx.HTTPError as error:
            raise Unavailable(f"{what}: the answer broke off: {_text(error)}") from error
        except httpx.InvalidURL as error:
            raise ConfigInvalid(f"{place(url)} is not a URL: {error}") from None

    def _read(self, answer: httpx.Response, what: str) -> bytes:
        """The body, which may not be too large."""
        parts = []
        size = 0
        for part in answer.iter_bytes():
            size += len(part)
            if size > LARGEST:
                raise TooLarge(f"{what}: the answer is larger than {LARGEST // 2**20} MiB; {self._hint}")
            parts.append(part)
        return b"".join(parts)

    def _remember_socket(self, step: str, info: Mapping[str, Any]) -> None:
        if step.endswith(("connect_tcp.complete", "start_tls.complete")):
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


class Login(Protocol):
    """Names the endpoint, and gives what each request is to carry."""

    @property
    def endpoint(self) -> str:
        """The root of the API."""
        ...

    def headers(self) -> dict[str, str]:
        """Headers of a request."""
        ...

    def renew(self) -> None:
        """Get a new token: the one of now was refused."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class Fixed:
    """An endpoint with headers that do not change.

    Args:
        endpoint: the root of the API.
        headers: of each request, such as a token.
    """

    def __init__(self, endpoint: str, headers: Mapping[str, str]) -> None:
        self.endpoint = endpoint
        self._headers = dict(headers)

    def headers(self) -> dict[str, str]:
        """Always the same."""
        return self._headers

    def renew(self) -> None:
        """Nothing: they cannot be renewed."""

    def close(self) -> None:
        """Nothing is open."""


class Client:
    """Asks one service. Threads may share it.

    Args:
        login: names the endpoint, and gives the token.
        timeout: seconds that a request may take, its answer included.
        verify: how certificates are checked; see `verify`.
    """

    def __init__(self, login: Login, timeout: float, verify: ssl.SSLContext | bool = True) -> None:
        self._login = login
        self._requests = Requests(timeout, verify, {"Accept": "application/json"})

    def get(self, path: str, parameters: Parameters = ()) -> bytes:
        """The body of the answer to a GET.

        Args:
            path: below the endpoint, quoted.
            parameters: of the query.

        Raises:
            Unavailable: no answer in time, half of one, or "not now" (5xx, 408, 429).
            NotPermitted: the token, or the user, is not accepted (401 with a new token, 403).
            NotFound: 404.
            InvalidInput: the service does not take the question (any other 4xx).
        """
        return self._asked("GET", path, params=list(parameters))

    def post(self, path: str, body: object, parameters: Parameters = ()) -> bytes:
        """The body of the answer to a POST of JSON; raises as `get`."""
        content = msgspec.json.encode(body)
        return self._asked("POST", path, params=list(parameters), content=content, headers={"Content-Type": "application/json"})

    def post_form(self, path: str, parameters: Parameters) -> bytes:
        """The body of the answer to a POST of a form; raises as `get`."""
        return self._asked("POST", path, data=dict(parameters))

    def _asked(self, method: str, path: str, **request: Any) -> bytes:
        own = request.pop("headers", {})
        what = f"{method} {path}"
        url = self._login.endpoint.rstrip("/") + path
        token = self._login.headers()
        answer = self._requests.send(method, url, what, own | token, **request)
        if answer.status == 401:
            # The token may have been revoked, and another thread may have renewed it already; a second refusal is meant.
            renewed = self._login.headers()
            if renewed == token:
                self._login.renew()
                renewed = self._login.headers()
            answer = self._requests.send(method, url, what, own | renewed, **request)
        if 200 <= answer.status < 300:
            return answer.body
        raise failure(answer, what, self._login.endpoint)

    def close(self) -> None:
        """Close the connections."""
        self._requests.close()
        self._login.close()


def failure(answer: Answer, what: str, endpoint: str) -> Exception:
    """The error for a response that is not a success."""
    text = f"{what}: {answer.status}{told(answer.body)}"
    if answer.status in (401, 403):
        return NotPermitted(text)
    if answer.status == 404:
        # A wrong endpoint does not have the path.
        return NotFound(f"{text} (at {endpoint[:_SHOWN]})")
    if answer.status >= 500 or answer.status in NOT_NOW or answer.status < 400:
        return Unavailable(text)
    return InvalidInput("query", text)


def verify(cafile: str | None, *, insecure: bool) -> ssl.SSLContext | bool:
    """How certificates are checked: by the authorities of a file, by those that the machine trusts, or not at all.

    Raises:
        ConfigInvalid: the file cannot be read.
    """
    if insecure:
        return False
    if cafile is None:
        return True
    try:
        return ssl.create_default_context(cafile=cafile)
    except OSError as error:
        reason = "holds no certificates" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigInvalid(f"cafile: {cafile}: {reason}") from None


def place(url: str) -> str:
    """A URL without its path and query, for messages."""
    return "/".join(url.split("/", 3)[:3])[:_SHOWN]


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


def told(body: bytes) -> str:
    """The error message of a response, in one line; empty if it has none that can be read."""
    try:
        found = msgspec.json.decode(body, type=_Error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    inner = found.error_message if found.error_message is not None else found.error
    texts = [inner] if isinstance(inner, str) else [getattr(inner, name, None) for name in _Fault.__struct_fields__]
    texts += [found.faultstring, found.description, found.message, found.title]
    text = " ".join(next((text for text in texts if text), "").split())
    return f": {text[:_SHOWN]}" if text else ""


def _text(error: Exception) -> str:
    """What a library says, in one line; its name where it says nothing."""
    return " ".join(str(error).split())[:_SHOWN] or type(error).__name__

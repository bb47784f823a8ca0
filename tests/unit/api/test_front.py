"""The front, called as a server calls it: what the application sees, and mistakes beyond it."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable
from typing import Any

import pytest

from undercroft.api.front.bridge import Bridge
from undercroft.api.front.exchange import Front, Wsgi
from undercroft.api.front.inbox import Announced, Bodies
from undercroft.api.front.threads import Threads


def scope(path: str = "/x", *headers: tuple[bytes, bytes], **more: Any) -> dict[str, Any]:
    return {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"a=%20", "scheme": "http",
        "http_version": "1.1", "server": ("127.0.0.1", "1"), "client": ("127.0.0.2", "2"), "headers": list(headers), **more,
    }  # fmt: skip


def ask(application: Wsgi, asked: dict[str, Any], *parts: bytes) -> tuple[dict[str, Any], bytes]:
    """The beginning and the body of the answer to a request whose body comes in parts."""
    sent: list[Any] = []
    coming = [{"type": "http.request", "body": part, "more_body": True} for part in parts] + [{"type": "http.request"}]

    async def receive() -> Any:
        return coming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    async def run() -> None:
        await Bridge(Front(application, Threads(1, 1, 1), Bodies(1000), 100, 5, 5))(asked, receive, send)

    asyncio.run(run())
    return sent[0], b"".join(message["body"] for message in sent[1:])


def seen(asked: dict[str, Any], *parts: bytes) -> tuple[dict[str, Any], bytes]:
    """What the application sees of a request."""
    found: list[Any] = []

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        found.append((environ, environ["wsgi.input"].read()))
        start("200 OK", [])
        return []

    ask(application, asked, *parts)
    environ, body = found[0]
    return environ, body


def test_a_signal_after_the_server_interrupts():
    seen(scope())
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_request_as_the_application_sees_it():
    headers = ((b"content-length", b"4"), (b"x-a", b"1"), (b"x-a", b"2"), (b"x_a", b"3"), (b"cookie", b"a"), (b"cookie", b"b"))
    environ, body = seen(scope("/a%2Fb%C3%A9%FF", *headers), b"ab", b"cd")
    assert body == b"abcd"
    wanted = {
        "REQUEST_METHOD": "POST", "PATH_INFO": "/a/b\xc3\xa9\xff", "QUERY_STRING": "a=%20", "CONTENT_LENGTH": "4",
        "HTTP_X_A": "1,2", "HTTP_COOKIE": "a; b", "REMOTE_ADDR": "127.0.0.2", "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "1",
    }  # fmt: skip
    assert {name: environ[name] for name in wanted} == wanted


def test_a_server_that_tells_no_raw_path():
    assert seen(scope("/é", raw_path=None))[0]["PATH_INFO"] == "/\xc3\xa9"


def test_a_mistake_beyond_the_application_has_the_form_of_the_path(caplog):
    def application(_environ: Any, _start: Any) -> list[bytes]:
        raise KeyError("mistake")

    for path, form in (("/events/v2/events", "error_message"), ("/nothing", "message")):
        start, body = ask(application, scope(path))
        assert start["status"] == 500
        assert dict(start["headers"])[b"x-openstack-request-id"].startswith(b"req-")
        assert list(json.loads(body)) == [form]
    assert "POST /nothing failed" in caplog.text


def test_parts_are_closed_and_a_mistake_in_them_leaves_the_answer_incomplete(caplog):
    closed = []

    class Parts:
        def __iter__(self) -> Any:
            yield b"a"
            yield b""
            raise KeyError("mistake")

        def close(self) -> None:
            closed.append(True)

    def application(_environ: Any, start: Callable[..., Any]) -> Any:
        start("200 OK", [])
        return Parts()

    sent, body = ask(application, scope())
    assert (sent["status"], body, closed) == (200, b"a", [True])
    assert "POST /x is broken off" in caplog.text


def test_which_bodies_are_read():
    for headers, wanted in (
        ([], 0), ([(b"content-length", b"0")], 0), ([(b"content-length", b"100")], 100), ([(b"content-length", b"101")], None),
        ([(b"content-length", b"x")], None), ([(b"content-length", b"-1")], None), ([(b"content-length", "²".encode())], None),
        ([(b"content-length", b"9" * 5000)], None), ([(b"content-length", b"5"), (b"transfer-encoding", b"chunked")], None),
    ):  # fmt: skip
        assert Announced(headers, 100).length == wanted, headers

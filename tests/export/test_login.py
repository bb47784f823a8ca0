"""Logins that a real Keystone of today cannot show: v2, on exchanges written from its documentation, and failures on the way.

A real Keystone has v3 only (tests/hosts/test_keystone.py).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import http.server
import json
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.export.certificates import self_signed
from tests.export.places import settings
from undercroft.conformance.limits import within
from undercroft.conformance.threads import numbered
from undercroft.export.errors import SourceForbidden, SourceUnavailable
from undercroft.export.login import Login, login

USER = {"tenantName": "demo", "passwordCredentials": {"username": "ana", "password": "canary"}}


def answer(seconds: float = 3600, number: int = 1) -> dict[str, Any]:
    """As Keystone v2 answered to a login."""
    expires = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
    endpoint = {
        "publicURL": "http://public:8777", "internalURL": "http://internal:8777/", "adminURL": "http://admin:8777", "region": "R1",
        "id": "e1",
    }  # fmt: skip
    other = {**endpoint, "publicURL": "http://other:8777", "region": "R2", "id": "e2"}
    return {
        "access": {
            "token": {
                "id": f"token-{number}", "expires": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "issued_at": "2026-01-01T00:00:00.000000",
                "tenant": {"id": "t1", "name": "demo", "enabled": True, "description": None},
            },
            "user": {"id": "u1", "name": "ana", "username": "ana", "roles": [{"name": "admin"}], "roles_links": []},
            "serviceCatalog": [
                {"type": "compute", "name": "nova", "endpoints": [], "endpoints_links": []},
                {"type": "metering", "name": "ceilometer", "endpoints": [endpoint, other], "endpoints_links": []},
            ],
            "metadata": {"is_admin": 0, "roles": ["r1"]},
        }
    }  # fmt: skip


class V2:
    """Takes exactly the request of the documentation."""

    def __init__(self) -> None:
        self.logins = 0
        self.seconds: float = 3600
        # What happens instead of an answer.
        self.instead: Callable[[http.server.BaseHTTPRequestHandler], None] | None = None

    def __call__(self, handler: http.server.BaseHTTPRequestHandler) -> tuple[int, Any]:
        if handler.command == "GET" and handler.path in ("/", ""):
            link = {"rel": "self", "href": f"http://{handler.headers['Host']}/v2.0/"}
            return 300, {
                "versions": {"values": [{"id": "v2.0", "status": "stable", "updated": "2014-04-17T00:00:00Z", "links": [link]}]}
            }
        body = json.loads(handler.rfile.read(int(handler.headers.get("Content-Length") or 0)) or b"null")
        if (handler.command, handler.path) != ("POST", "/v2.0/tokens"):
            return 404, {"error": {"code": 404, "message": "not found", "title": "Not Found"}}
        if body not in ({"auth": USER}, {"auth": {"tenantId": "t1", **{k: v for k, v in USER.items() if k != "tenantName"}}}):
            return 401, {"error": {"code": 401, "message": f"Invalid credentials: {json.dumps(body)}", "title": "Unauthorized"}}
        self.logins += 1
        return 200, answer(self.seconds, self.logins)


@contextlib.contextmanager
def served(keystone: V2, context: ssl.SSLContext | None = None) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

        def do_GET(self) -> None:
            if keystone.instead is not None:
                keystone.instead(self)
                return
            status, body = keystone(self)
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_GET  # noqa: N815 - the name that the library calls

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """Of a client that went away."""

    server = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http{'s' if context else ''}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@contextlib.contextmanager
def logged_in(auth_url: str, **over: Any) -> Iterator[Login]:
    given: dict[str, Any] = {
        "endpoint": None, "auth_url": auth_url, "auth": "v2", "tenant": "demo", "user": "ana", "key": "canary", "timeout": 5.0,
    }  # fmt: skip
    with contextlib.closing(login(settings("sqlite://", **(given | over)))) as found:
        yield found


@pytest.mark.parametrize(
    ("path", "over", "endpoint"),
    [
        ("/v2.0", {}, "http://public:8777"),
        ("/v2.0", {"auth": "auto"}, "http://public:8777"),
        ("", {"auth": "auto"}, "http://public:8777"),
        ("/v2.0", {"interface": "internal"}, "http://internal:8777"),
        ("/v2.0", {"region": "R2"}, "http://other:8777"),
        ("/v2.0", {"tenant": None, "tenant_id": "t1"}, "http://public:8777"),
    ],
)
def test_v2(path, over, endpoint):
    with served(V2()) as url, logged_in(url + path, **over) as found:
        assert found.endpoint == endpoint
        assert found.headers() == {"X-Auth-Token": "token-1"}
        assert found.roles() == frozenset({"admin"})


def test_v2_renews_a_minute_before_the_end_and_when_asked():
    keystone = V2()
    with served(keystone) as url, logged_in(url + "/v2.0") as found:
        found.headers()
        found.headers()
        assert keystone.logins == 1
        found.renew()
        assert found.headers() == {"X-Auth-Token": "token-2"}
        keystone.seconds = 59
        found.renew()
        assert found.headers() == {"X-Auth-Token": "token-4"}


def test_threads_share_one_login():
    keystone = V2()
    with served(keystone) as url, logged_in(url + "/v2.0") as found:
        numbered(8, lambda _: found.headers())
        assert keystone.logins == 1


def test_v2_refusal_does_not_repeat_the_password():
    with served(V2()) as url, logged_in(url + "/v2.0", key="canary-wrong") as found, pytest.raises(SourceForbidden) as caught:
        found.headers()
    assert "Invalid credentials" in str(caught.value)
    assert "canary" not in str(caught.value)
    # As --debug shows it, with the causes.
    assert "canary" not in "".join(traceback.format_exception(caught.value))


def test_a_password_that_is_repeated_in_another_form_is_masked():
    """As JSON writes it, and as a URL does."""
    with served(V2()) as url, logged_in(url + "/v2.0", key='can"ary\\x') as found, pytest.raises(SourceForbidden) as caught:
        found.headers()
    assert "ary" not in str(caught.value)


def test_a_catalogue_without_the_region_says_which_there_are():
    with served(V2()) as url, logged_in(url + "/v2.0", region="R9") as found, pytest.raises(SourceForbidden, match="R1/admin, R1/"):
        _ = found.endpoint


def silent(_: http.server.BaseHTTPRequestHandler) -> None:
    time.sleep(30)


def dripping(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    with contextlib.suppress(OSError):
        for _ in range(300):
            handler.wfile.write(b" ")
            time.sleep(0.1)


def broken(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "2")
    handler.end_headers()
    handler.wfile.write(b"[]")


def unavailable(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_error(503)


@pytest.mark.promise("N1")
@pytest.mark.parametrize("instead", [silent, dripping, unavailable, broken])
@pytest.mark.parametrize("auth", ["v2", "v3", "auto"])
def test_a_keystone_that_does_not_answer_is_asked_again_later(instead, auth):
    keystone = V2()
    keystone.instead = instead
    began = time.monotonic()
    with served(keystone) as url, logged_in(url, auth=auth, timeout=0.5) as found:
        with pytest.raises(SourceUnavailable, match="cannot be asked") as caught:
            found.headers()
        assert caught.value.is_everything
        within(time.monotonic() - began, 10)


@pytest.mark.promise("S10")
@pytest.mark.filterwarnings("ignore:Unverified HTTPS")
def test_a_self_signed_keystone_is_refused_unless_it_is_trusted(tmp_path):
    context, cafile = self_signed(tmp_path)
    with served(V2(), context) as url:
        with logged_in(url + "/v2.0") as found, pytest.raises(SourceUnavailable, match=r"(?i)certificate"):
            found.headers()
        for trusted in ({"cafile": str(cafile)}, {"insecure": True}):
            with logged_in(url + "/v2.0", **trusted) as found:
                assert found.headers()["X-Auth-Token"]


def test_fixed_tokens_and_none():
    with logged_in("http://none", auth="none", endpoint="http://api/") as found:
        assert (found.endpoint, found.headers(), found.roles()) == ("http://api/", {}, None)
    with logged_in("http://none", auth="token", token="t", endpoint="http://api") as found:
        assert found.headers() == {"X-Auth-Token": "t"}

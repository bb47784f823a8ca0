"""Without access control, only this machine is answered: no page of another origin, no other name, nothing that was forwarded."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.service import Service, frame, serving
from tests.api.test_access import ROWS, of
from tests.conftest import url_of
from undercroft.api.call import Rule
from undercroft.api.kind import routes

ROUTES = [route for _, route in routes()]
pytestmark = [pytest.mark.promise("N7"), pytest.mark.any_engine]

FOREIGN = {
    "a page of another origin": {"Origin": "http://evil.example"},
    "a page of a file": {"Origin": "null"},
    "a page of another port": {"Origin": "http://127.0.0.1:1"},
    "a page over TLS": {"Origin": "https://127.0.0.1"},
    "another name": {"Host": "evil.example"},
    "another name with our port": {"Host": "evil.example:{port}"},
    "a name that begins like ours": {"Host": "127.0.0.1.evil.example"},
    "a name with a user": {"Host": "127.0.0.1@evil.example"},
    "no name": {"Host": ""},
    "no port": {"Host": "127.0.0.1:x"},
    "a rebound name and its page": {"Host": "evil.example:{port}", "Origin": "http://evil.example:{port}"},
    "forwarded": {"X-Forwarded-For": "192.0.2.1"},
    "forwarded, says this machine": {"X-Forwarded-For": "127.0.0.1"},
    "forwarded for a host": {"X-Forwarded-Host": "127.0.0.1"},
    "forwarded with a header of its own": {"X-Forwarded-Client-Cert": "x"},
    "forwarded by RFC 7239": {"Forwarded": "for=127.0.0.1"},
    "through a proxy": {"Via": "1.1 proxy"},
    "nginx": {"X-Real-IP": "127.0.0.1"},
}
OWN: list[dict[str, str]] = [
    {}, {"Host": "localhost"}, {"Host": "LOCALHOST:{port}"}, {"Host": "127.0.0.1:{port}"}, {"Host": "[::1]:{port}"},
    {"Host": "127.1.2.3"}, {"Host": "undercroft.local"}, {"Host": "127.0.0.1:{port}", "Origin": "http://127.0.0.1:{port}"},
    {"Host": "localhost:{port}", "Origin": "http://localhost:{port}"}, {"Origin": "https://console.example.org"},
]  # fmt: skip


@pytest.fixture(scope="module")
def near(place: Any, others: dict[str, Any]) -> Iterator[Service]:
    with serving(url_of(place), cors_origins="https://console.example.org", hosts="undercroft.local", **others) as found:
        yield found


def ask(service: Service, method: str, path: str, headers: dict[str, str], body: bytes | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
    filled = {name: value.replace("{port}", str(service.port)) for name, value in headers.items()}
    connection.request(method, path, body=body, headers=filled)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
def test_what_is_not_this_machine_is_refused(near, headers):
    for route in ROUTES:
        if route.rule is Rule.OPEN:
            continue
        path = re.sub("{.*?}", "x", route.path)
        given = of(ROWS[route.method, route.path][0], "other").get("json")
        # A page may send text without asking first.
        sent = {"Content-Type": "text/plain"} if given is not None else {}
        body = None if given is None else json.dumps(given).encode()
        status, text = ask(near, route.method, path, {**headers, **sent}, body)
        if headers.get("Host") == "":
            assert status in (400, 403)
        else:
            assert status == 403, text
            assert "[api]" in text or route.method == "HEAD"
    assert ask(near, "GET", "/rating/v2/dataframes?begin=2026-11-01&end=2026-12-01", {})[0] == 404


@pytest.mark.parametrize("headers", OWN, ids=str)
def test_twin_this_machine_and_the_pages_that_may_ask_are_answered(near, headers):
    assert ask(near, "GET", "/rating/v2/summary", headers)[0] == 200
    body = json.dumps({"dataframes": [{**frame("a"), "usage": {}}]}).encode()
    assert ask(near, "POST", "/rating/v2/dataframes", headers, body)[0] == 204


def test_what_everybody_may_ask_is_told_to_everybody(near):
    for headers in FOREIGN.values():
        if headers.get("Host") != "":
            assert ask(near, "GET", "/healthz", headers)[0] == 200


def test_with_tokens_a_proxy_may_stand_in_front(service):
    for headers in FOREIGN.values():
        if headers.get("Host") != "":
            assert ask(service, "GET", "/rating/v2/summary", {**headers, "X-Auth-Token": "t-admin"})[0] == 200

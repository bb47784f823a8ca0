"""Requests about messages that are made to harm: texts, bodies, sizes, ids of others."""

from __future__ import annotations

import gzip
import http.client
import json
import re
import socket
import urllib.parse
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.answers import CLIENT
from tests.api.messages import KEY, PATCH, SECRET, Client
from tests.api.service import Service, serving
from tests.api.texts import TEXTS
from tests.conftest import url_of
from undercroft.conformance.plugin import Opener

pytestmark = [pytest.mark.kind("messaging"), pytest.mark.one_per_family]
BODY, LIMITS = "Invalid request body", "Invalid API request"
# What a header or a path can carry.
SENDABLE = [text for text in TEXTS if text.isascii() and text.isprintable() and text.strip() == text]


@pytest.fixture(scope="module")
def service(place: Opener) -> Iterator[Service]:
    """A service without access control."""
    with serving(None, messaging=url_of(place), messaging_settings={"secret_key": SECRET, "encryption_key": KEY}) as found:
        yield found


@pytest.fixture
def own(service: Service) -> Client:
    """A client with a project of its own."""
    return Client(service)


# -- S3: injection -----------------------------------------------------------------------------------------------------


@pytest.mark.promise("S3")
def test_texts_are_data_everywhere(own):
    """Each text in metadata, filters, bodies, ids: it finds its own queue and message, and nothing else."""
    keys = [text for text in TEXTS if not re.search(r"[\x00-\x1f\x7f]", text)]
    for number, text in enumerate(TEXTS):
        metadata = {"value": text, "deep": [text], **({f"k{text}": text} if text in keys else {})}
        assert own.ask("PUT", f"/queues/q{number}", metadata).status_code == 201, text
        found = own.get(f"/queues/q{number}")
        assert {name: found[name] for name in metadata} == metadata
        body = {"b": text, text: [text]}
        assert own.ask("POST", f"/queues/q{number}/messages", {"messages": [{"body": body, "dedup_id": text}]}).status_code == 201
        assert own.bodies(f"q{number}") == [body]
    for number, text in enumerate(TEXTS):
        for query in ({"value": text}, *([{f"k{text}": text}] if text in keys else [])):
            names = [each["name"] for each in own.get("/queues", limit=20, **query)["queues"]]
            assert names == [f"q{number}"], query
    assert own.get("/queues", with_count="true")["count"] == len(TEXTS)


@pytest.mark.promise("S3")
def test_texts_as_markers_ids_and_names_find_nothing_else(own):
    own.ask("PUT", "/queues/q", {"k": "v"})
    own.post("q", 1, 2)
    location, _ = own.claim("q", limit=1)
    own.ask("POST", "/queues/q/subscriptions", {"subscriber": "http://example.org"})
    for text in TEXTS:
        quoted = urllib.parse.quote(text, safe="")
        for path in ("/queues/q/messages", "/queues/q/subscriptions", "/queues"):
            answer = own.ask("GET", path, marker=text)
            assert answer.status_code == 200, (path, text, answer.text)
        assert own.get("/queues", name=text)["queues"] == []
        assert own.ask("GET", "/queues/q/messages", ids=text).status_code in (200, 404)
        assert own.ask("DELETE", "/queues/q/messages", ids=f"{text},x").status_code == 204
        for path in ("messages", "claims", "subscriptions"):
            assert own.ask("GET", f"/queues/q/{path}/{quoted}").status_code == 404, (path, text)
            assert own.ask("DELETE", f"/queues/q/{path}/{quoted}").status_code in (204, 404, 405), (path, text)
        assert own.ask("PATCH", f"/queues/q/claims/{quoted}", {"ttl": 60}).status_code == 404
        assert own.ask("DELETE", f"/queues/q/messages/x?claim_id={quoted}").status_code in (204, 400)
        assert own.ask("GET", f"/queues/{quoted}").status_code in (200, 400, 404)
    assert len(own.get(location)["messages"]) == 1
    assert own.bodies("q", include_claimed="true") == [1, 2]
    assert len(own.get("/queues/q/subscriptions")["subscriptions"]) == 1


@pytest.mark.promise("S3")
def test_texts_in_headers(service):
    for number, text in enumerate(SENDABLE):
        own = Client(service, project=f"{text}{uuid.uuid4().hex}")
        own.post("q", number)
        assert own.bodies("q") == [number]
        for name in ("Client-ID", "URL-Signature", "Idempotency-Key", "Accept"):
            answer = own.ask("POST", "/queues/q/messages", {"messages": [{}]}, headers={name: text})
            assert answer.status_code in (201, 400, 404, 406, 409), (name, text, answer.text)
            assert "x-injected" not in answer.headers


# -- S6: JSON ----------------------------------------------------------------------------------------------------------

GOOD = '{"messages": [{"body": {"k": "v"}, "ttl": 60}]}'
BOMBS = {
    "no JSON": "{",
    "empty": "",
    "deep lists": "[" * 70_000 + "]" * 70_000,
    "deep body": GOOD.replace('"v"', "[" * 64 + "]" * 64),
    "NaN": GOOD.replace('"v"', "NaN"),
    "Infinity": GOOD.replace('"v"', "-Infinity"),
    "1e999": GOOD.replace('"v"', "1e999"),
    "5,000 digits": GOOD.replace('"v"', "9" * 5_000),
    "65 bits": GOOD.replace('"v"', str(2**64)),
    "64 bits without a sign": GOOD.replace('"v"', str(2**63)),
    "half a surrogate": GOOD.replace('"v"', '"\\ud800"'),
    "half a surrogate as a key": GOOD.replace('"k"', '"\\udfff"'),
    "the same key twice": GOOD.replace('"k": "v"', '"k": 1, "k": 2'),
    "the same ttl twice": GOOD.replace('"ttl": 60', '"ttl": 60, "ttl": 70'),
    "not UTF-8": GOOD.replace("v", "\udcff"),
    "NUL byte": GOOD.replace('"v"', '"\x00"'),
    "null": "null",
    "number": "1",
    "text": '"x"',
}


@pytest.mark.promise("S6")
@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS)
def test_bombs_are_refused(own, body, request):
    content = body.encode("utf-8", "surrogateescape")
    routes = [
        ("POST", "/queues/q/messages", "application/json"), ("PUT", "/queues/q", "application/json"), ("PATCH", "/queues/q", PATCH),
        ("POST", "/queues/q/claims", "application/json"), ("POST", "/queues/q/subscriptions", "application/json"),
        ("POST", "/queues/q/share", "application/json"), ("POST", "/queues/q/purge", "application/json"),
    ]  # fmt: skip
    for method, path, media in routes:
        if path.endswith("claims") and "bits" in request.node.callspec.id:
            # What it does not read it does not look at.
            continue
        if not body and (method == "PUT" or path.endswith(("claims", "purge"))):
            continue
        headers = {**own.headers, "Content-Type": media}
        answer = own.service.client.request(method, f"/messaging/v2{path}", content=content, headers=headers)
        assert answer.status_code == 400, (method, path)
        assert answer.json()["title"] in (BODY, LIMITS)
    assert own.bodies("q") == []
    assert own.get("/queues")["queues"] == []


@pytest.mark.promise("S6")
def test_twin_what_the_bombs_are_made_of_is_taken(own):
    for value in ('"v"', "[" * 60 + "]" * 60, "1e300", str(2**63 - 1), '"\\ud83d\\ude00"'):
        content, headers = GOOD.replace('"v"', value), {**own.headers, "Content-Type": "application/json"}
        answer = own.service.client.post("/messaging/v2/queues/q/messages", content=content, headers=headers)
        assert answer.status_code == 201, value


# -- S5: sizes ---------------------------------------------------------------------------------------------------------


def raw(own: Client, path: str, *lines: str, method: str = "POST", body: bytes = b"") -> tuple[int, Any]:
    """A request written by hand; status and body of the answer."""
    with socket.create_connection(("127.0.0.1", own.service.port), timeout=30) as connection:
        head = [
            f"{method} /messaging/v2{path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close",
            *(f"{name}: {value}" for name, value in own.headers.items()), *lines, "", "",
        ]  # fmt: skip
        connection.sendall("\r\n".join(head).encode() + body)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        content = answer.read()
        return answer.status, json.loads(content) if content else None


@pytest.mark.promise("S5")
def test_sizes_are_checked_before_reading(own):
    for path, method, length in (("/queues/q/messages", "POST", 262_145), ("/queues/q", "PUT", 131_073)):
        status, answer = raw(own, path, f"Content-Length: {length}", method=method)
        assert (status, answer["title"]) == (400, LIMITS)
        assert raw(own, path, "Content-Length: 99999999999999999999", method=method)[0] in (400, 413)
        chunked = raw(own, path, "Transfer-Encoding: chunked", method=method, body=b"2\r\n{}\r\n0\r\n\r\n")
        assert (chunked[0], set(chunked[1])) == (411, {"title", "description"})
    status, answer = raw(own, "/queues/q/subscriptions", "Content-Length: 1048577")
    assert (status, set(answer)) == (413, {"title", "description"})
    assert raw(own, "/queues/q/messages")[0] == 411
    # What may come without a body may come without a length.
    assert raw(own, "/queues/q", method="PUT")[0] == 201
    assert raw(own, "/queues/q/claims")[0] == 204
    bomb = gzip.compress(b" " * 50_000_000)
    headers = {**own.headers, "Content-Encoding": "gzip", "Content-Type": "application/json"}
    for method, path in (("POST", "/queues/q/messages"), ("PUT", "/queues/q")):
        answer = own.service.client.request(method, f"/messaging/v2{path}", content=bomb, headers=headers)
        assert answer.status_code == 415
    most = json.dumps({"messages": [{"body": ""}]}).encode()
    full = most.replace(b'""', b'"' + b"x" * (262_144 - len(most)) + b'"')
    assert len(full) == 262_144
    url = "/messaging/v2/queues/q/messages"
    assert own.service.client.post(url, content=full, headers=own.headers).status_code == 201


# -- S1: ids and markers of others -------------------------------------------------------------------------------------


@pytest.mark.promise("S1")
@pytest.mark.promise("S8")
def test_ids_and_markers_mean_nothing_elsewhere(place, tokens):
    """Those of another project, or of another queue of the own one, are answered as those that do not exist."""
    with serving(None, auth="tokens", token_file=tokens, messaging=url_of(place)) as service:

        def ask(token: str, method: str, path: str, body: Any = None) -> Any:
            more = {} if body is None else {"json": body}
            return service.client.request(
                method, f"/messaging/v2{path}", headers={"X-Auth-Token": token, "X-Project-ID": "b", **CLIENT}, **more
            )

        made = ask("t-member-b", "POST", "/queues/q/messages", {"messages": [{"body": "of-b"}, {"body": "of-b"}]})
        message, second = (href.rpartition("/")[2] for href in made.json()["resources"])
        claim = ask("t-member-b", "POST", "/queues/q/claims?limit=1", {}).headers["location"].rpartition("/")[2]
        subscriber = {"subscriber": "http://of-b.example"}
        subscription = ask("t-member-b", "POST", "/queues/q/subscriptions", subscriber).json()["subscription_id"]
        for token, queue in (("t-member-a", "q"), ("t-admin-a", "q"), ("t-member-b", "other")):
            ask(token, "POST", f"/queues/{queue}/messages", {"messages": [{"body": "mine"}]})
            for method, kind, known, body in (
                ("GET", "messages", message, None), ("GET", "messages", second, None), ("DELETE", "messages", second, None),
                ("DELETE", f"messages/{message}?claim_id=", claim, None), ("GET", "messages?ids=", second, None),
                ("DELETE", "messages?ids=", second, None), ("GET", "claims", claim, None), ("PATCH", "claims", claim, {"ttl": 60}),
                ("DELETE", "claims", claim, None), ("GET", "subscriptions", subscription, None),
                ("PATCH", "subscriptions", subscription, {"ttl": 60}), ("DELETE", "subscriptions", subscription, None),
            ):  # fmt: skip
                joint = "" if kind.endswith("=") else "/"
                absent = "ffffffffffffff00"
                found, missing = (ask(token, method, f"/queues/{queue}/{kind}{joint}{each}", body) for each in (known, absent))
                assert found.status_code == missing.status_code, (token, method, kind)
                assert found.text.replace(known, "ID") == missing.text.replace(absent, "ID")
            confirm = f"/queues/{queue}/subscriptions/{subscription}/confirm"
            assert ask(token, "PUT", confirm, {"confirmed": True}).status_code == 404
            for marker in (message, second, claim, "x"):
                listed = ask(token, "GET", f"/queues/{queue}/messages?echo=true&include_claimed=true&marker={marker}")
                assert listed.status_code == 200
                assert "of-b" not in listed.text
            assert "of-b" not in ask(token, "GET", f"/queues/{queue}/subscriptions?marker={subscription}").text
        # Twin: all of it is there, for whom it belongs to.
        assert ask("t-member-b", "GET", f"/queues/q/messages/{second}").json()["body"] == "of-b"
        assert len(ask("t-member-b", "GET", f"/queues/q/claims/{claim}").json()["messages"]) == 1
        assert ask("t-member-b", "GET", f"/queues/q/subscriptions/{subscription}").json()["confirmed"] is False
        assert ask("t-global", "GET", f"/queues/q/messages/{second}").json()["body"] == "of-b"

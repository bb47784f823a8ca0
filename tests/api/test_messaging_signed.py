"""Signed URLs of messages: what a signature gives access to, and that nothing else is one."""

from __future__ import annotations

import datetime as dt
import hmac
from collections.abc import Callable, Iterator
from typing import Any

import falcon.testing
import httpx
import pytest

from tests.api.answers import CLIENT
from tests.api.messages import SECRET, Client, refused
from tests.api.service import Service, serving
from tests.conftest import url_of
from undercroft.api.messaging import signatures
from undercroft.conformance.plugin import Opener
from undercroft.core import settings, time
from undercroft.core.errors import ConfigInvalid, NotFound

pytestmark = [pytest.mark.kind("messaging"), pytest.mark.promise("S4"), pytest.mark.one_per_family]
PATH = "/messaging/v2/queues/q/messages"
NAMES = {"URL-Signature": "signature", "URL-Expires": "expires", "URL-Methods": "methods", "URL-Paths": "paths"}


@pytest.fixture(scope="module")
def service(place: Opener, tokens) -> Iterator[Service]:
    """A service with tokens, which a signature is in the place of."""
    own = {"secret_key": SECRET, "admin_mode": "true"}
    with serving(None, auth="tokens", token_file=tokens, messaging=url_of(place), messaging_settings=own) as found:
        yield found


def share(service: Service, body: Any, token: str = "t-member-a", queue: str = "q") -> httpx.Response:
    found: httpx.Response = service.client.post(
        f"/messaging/v2/queues/{queue}/share", json=body, headers={"X-Auth-Token": token, **CLIENT}
    )
    return found


def headers_of(signed: Any) -> dict[str, str]:
    """The headers by which what was signed is used."""
    texts = {name: signed[key] for name, key in NAMES.items()}
    joined = {name: ",".join(text) if isinstance(text, list) else text for name, text in texts.items()}
    return {**CLIENT, "X-Project-ID": signed["project"], **joined}


def ask(service: Service, headers: Any, method: str = "GET", path: str = PATH, **more: Any) -> httpx.Response:
    found: httpx.Response = service.client.request(method, path, headers=headers, **more)
    return found


def test_a_signature_is_in_the_place_of_a_token(service):
    answer = share(service, {"paths": ["messages"], "methods": ["POST", "GET"]})
    assert answer.status_code == 200
    signed = answer.json()
    assert signed.keys() == {"paths", "methods", "project", "expires", "signature"}
    assert (signed["paths"], signed["methods"], signed["project"]) == (["/v2/queues/q/messages"], ["GET", "POST"], "a")
    expires = dt.datetime.strptime(signed["expires"], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=dt.UTC)
    assert dt.timedelta(hours=23) < expires - time.now() <= dt.timedelta(days=1)
    headers = headers_of(signed)
    posted = ask(service, headers, "POST", json={"messages": [{"body": "shared"}]})
    assert posted.status_code == 201
    # What is below a path that is signed is covered by it.
    for path in (f"{PATH}?echo=true", f"/messaging{posted.json()['resources'][0]}", f"{PATH}/"):
        assert ask(service, headers, path=path).status_code == 200
    assert ask(service, {**headers, "URL-Methods": "POST,GET"}).status_code == 200
    own = service.client.get(PATH, params={"echo": "true"}, headers={"X-Auth-Token": "t-member-a", **CLIENT})
    assert [each["body"] for each in own.json()["messages"]] == ["shared"]


def test_a_signature_gives_access_to_nothing_else(service):
    headers = headers_of(share(service, {"paths": ["messages", "claims"]}).json())
    assert ask(service, headers).status_code == 200
    told = set()
    for method, path in (
        ("POST", PATH), ("DELETE", f"{PATH}?ids=a"), ("GET", "/messaging/v2/queues/q"), ("GET", "/messaging/v2/queues"),
        ("GET", "/messaging/v2/queues/q2/messages"), ("GET", "/messaging/v2/queues/q/subscriptions"),
        ("GET", "/messaging/v2/topics/q/messages"), ("GET", "/messaging/v2/health"), ("GET", "/messaging/v2/queues/q/stats"),
        ("POST", "/messaging/v2/queues/q/share"), ("GET", "/messaging/v2/queues/messages/stats"),
    ):  # fmt: skip
        answer = ask(service, headers, method, path, **({"json": {}} if method == "POST" else {}))
        told.add(refused(answer, 404, "Not found"))
    assert ask(service, {**headers, "X-Auth-Token": "t-admin"}, "POST", json={"messages": [{}]}).status_code == 404
    assert told == {"the signature gives no access to this"}
    assert ask(service, {**headers, "Client-ID": "x"}).status_code == 400
    assert ask(service, CLIENT).status_code == 401


def test_every_changed_byte_is_refused(service):
    headers = headers_of(share(service, {}).json())
    assert ask(service, headers).status_code == 200
    tried = 0
    for name in (*NAMES, "X-Project-ID"):
        text = headers[name]
        changed = {text[:place] + chr(ord(text[place]) ^ bit) + text[place + 1 :] for place in range(len(text)) for bit in (1, 32)}
        # A change of letters that HTTP takes as white space would be taken away on the way.
        for other in {*changed, text[:-1], f"{text}x", f"{text},", "", text.upper() if name == "URL-Signature" else "x"}:
            if other.strip() == text or not other.isprintable():
                continue
            answer = ask(service, {**headers, name: other})
            assert answer.status_code == 404, (name, other)
            tried += 1
    assert tried > 150
    for name in (*NAMES, "X-Project-ID"):
        without = {key: value for key, value in headers.items() if key != name}
        assert ask(service, without).status_code == (401 if name == "URL-Signature" else 404)


def test_a_signature_of_one_project_is_none_of_another(service):
    signed = share(service, {}, token="t-member-b").json()
    assert signed["project"] == "b"
    assert ask(service, headers_of(signed)).json()["messages"] == []
    assert ask(service, {**headers_of(signed), "X-Project-ID": "a"}).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"expires": 3600}, {"expires": "3600"}, {"expires": ""}, {"expires": "2999"}, {"expires": "2999-01-31"},
        {"expires": "2000-01-01T00:00:00"}, {"expires": "2999-02-30T00:00:00"}, {"expires": "2999-01-01T00:00:60"},
        {"expires": "9999-12-31T23:59:59-23:00"}, {"expires": "tomorrow"}, {"expires": True}, {"paths": []}, {"paths": ["queues"]},
        {"paths": "messages"}, {"paths": ["/v2/queues/q/messages"]}, {"methods": []}, {"methods": ["get"]}, {"methods": ["BREW"]},
        {"methods": [1]}, {"colour": 1}, [], None, "x",
    ],
    ids=str,
)  # fmt: skip
def test_wishes_that_are_refused(service, body):
    refused(share(service, body), 400, "Invalid request body")


def test_a_wish_without_a_body_is_refused(service):
    headers = {"X-Auth-Token": "t-member-a", **CLIENT}
    assert service.client.post("/messaging/v2/queues/q/share", headers=headers).status_code == 400


@pytest.mark.parametrize("text", ["2999-01-01T00:00:00", "2999-01-01T00:00:00Z", "2999-01-01T02:00:00+02:00", "2999-01-01 00:00"])
def test_the_time_of_a_signature_is_in_utc(service, text):
    signed = share(service, {"expires": text}).json()
    assert signed["expires"] == "2999-01-01T00:00:00"
    assert ask(service, headers_of(signed)).status_code == 200


def test_the_hosts_form_of_what_is_signed():
    """Made by hand of what the host's documentation says: a backslash and the letter n between the parts."""
    found = signatures.signature("key", ["/v2/b", "/v2/a"], ["POST", "GET"], "p", "2030-01-01T00:00:00")
    # printf '%s' '/v2/a,/v2/b\nGET,POST\np\n2030-01-01T00:00:00' | openssl dgst -sha256 -hmac key
    assert found == "331ba727054baf6eb108e58917a6d6fb7702e4c3477213befee5a7e585ab7af7"


# -- without a server --------------------------------------------------------------------------------------------------


def caller(
    expires: str = "2999-01-01T00:00:00", path: str = "/v2/queues/q/messages", signed: str | None = None, **more: str
) -> Any:
    """Who asks, with a right signature of these values."""
    paths, methods, project = more.get("paths", "/v2/queues/q/messages"), "GET", more.get("project", "p")
    conf = settings.current()
    conf.set_override("secret_key", more.get("key", SECRET), "messaging")
    try:
        text = signatures.signature(SECRET, paths.split(","), [methods], project, expires) if signed is None else signed
        headers = {
            "URL-Signature": text, "URL-Expires": expires, "URL-Methods": methods, "URL-Paths": paths, "X-Project-ID": project,
        }  # fmt: skip
        return signatures.caller(falcon.testing.create_req(headers=headers), path, conf)
    finally:
        conf.clear_override("secret_key", "messaging")


def test_a_signature_is_a_caller_without_roles():
    found = caller()
    assert (found.project, found.user, found.roles, found.is_global) == ("p", None, frozenset(), False)


@pytest.mark.parametrize(
    "expires",
    [
        "2000-01-01T00:00:00", "3600", "", "2999", "2999-01-01", "2999-01-01T00:00:00Z", "2999-01-01T00:00:00.5",
        "2999-13-01T00:00:00",
        "2999-01-01T00:00:00+00:00", "2999-W01-1T00:00:00", "\u0662999-01-01T00:00:00", "2999-01-01T00:00", "20990101T000000",
    ],
)  # fmt: skip
def test_times_that_are_none_give_no_access(expires):
    with pytest.raises(NotFound, match="gives no access"):
        caller(expires)


@pytest.mark.parametrize(
    ("path", "paths", "is_covered"),
    [
        ("/v2/queues/q/messages", "/v2/queues/q/messages", True), ("/v2/queues/q/messages/1", "/v2/queues/q/messages", True),
        ("/v2/queues/q/messages/", "/v2/queues/q/messages", True), ("/v2/queues/q/messages", "/v2/x,/v2/queues/q/messages", True),
        ("/v2/queues/q/messages2", "/v2/queues/q/messages", False), ("/v2/queues/q", "/v2/queues/q/messages", False),
        ("/v2/queues/q2/messages", "/v2/queues/q", False), ("/v2/queues/q/messages", "", False),
        ("/v2/queues/q/messages", "queues/q/messages", False), ("/v2/queues/q/messages", ",", False),
    ],
)  # fmt: skip
def test_paths_are_covered_by_whole_segments(path, paths, is_covered):
    if is_covered:
        assert caller(path=path, paths=paths).project == "p"
    else:
        with pytest.raises(NotFound):
            caller(path=path, paths=paths)


def test_a_service_without_a_key_knows_no_signature(place):
    unsigned = signatures.signature("", ["/v2/queues/q/messages"], ["GET"], "p", "2999-01-01T00:00:00")
    with pytest.raises(NotFound):
        caller(key="", signed=unsigned)
    with serving(None, messaging=url_of(place)) as service:
        assert signatures.SETTING in refused(Client(service).ask("POST", "/queues/q/share", {}), 400, "Invalid API request")
    with pytest.raises(ConfigInvalid, match="at least 32"):
        signatures.check_key("x" * 31)
    signatures.check_key("x" * 32)


def test_signatures_are_compared_in_constant_time(monkeypatch):
    """By the standard library's function, with all that is wrong about a request; the twin would end at the first byte."""
    compared: list[tuple[bytes, bytes]] = []
    right: Callable[[bytes, bytes], bool] = hmac.compare_digest

    def spy(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return right(a, b)

    monkeypatch.setattr(hmac, "compare_digest", spy)
    for wrong in ({"signed": "0" * 64}, {"expires": "3600"}, {"path": "/v2/queues"}, {"signed": ""}, {"signed": "é"}):
        with pytest.raises(NotFound):
            caller(**wrong)
    assert len(compared) == 5
    assert all(len(wanted) == 64 for wanted, _ in compared)

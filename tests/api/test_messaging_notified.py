"""Subscriptions over HTTP, up to what their receivers get: which are refused, and how one is confirmed."""

from __future__ import annotations

import contextlib
import json
import threading
import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.api.answers import CLIENT
from tests.api.messages import SECRET, Client, refused
from tests.api.service import Service, serving
from tests.conftest import url_of
from tests.datasources.broken import Broken, answers, broken
from tests.unit.messaging.delivery.sending import configured, parted
from undercroft.api.messaging import confirmations
from undercroft.conformance.plugin import Opener
from undercroft.core.errors import ConfigInvalid
from undercroft.messaging.contract import DataDriverBase
from undercroft.messaging.delivery.senders import Senders
from undercroft.messaging.delivery.worker import worker_of

pytestmark = [pytest.mark.kind("messaging"), pytest.mark.one_per_family]
LIMITS = "Invalid API request"
SIGNED = ("URL-Signature", "URL-Methods", "URL-Paths", "URL-Expires", "X-Project-ID")
TOKEN = {"X-Auth-Token": "t-member-a", **CLIENT}


@pytest.fixture(scope="module")
def service(place: Opener, tokens: Any) -> Iterator[Service]:
    """A service with tokens, whose subscriptions are to be confirmed."""
    own = {"secret_key": SECRET, "require_confirmation": True, "notify_allow": "127.0.0.1/32"}
    with serving(None, auth="tokens", token_file=tokens, messaging=url_of(place), messaging_settings=own) as found:
        yield found


@pytest.fixture(scope="module")
def store(place: Opener) -> Iterator[DataDriverBase]:
    """The store of the service."""
    with contextlib.closing(place()) as found:
        yield found


@pytest.fixture
def notify(store: DataDriverBase) -> Callable[[], None]:
    """Sends what waits."""

    def run() -> None:
        conf = configured(require_confirmation=True)
        with contextlib.closing(Senders(conf)) as sender:
            worker_of(store, sender, conf).run(threading.Event(), until_idle=True)

    return run


@pytest.fixture
def receiver() -> Iterator[Broken]:
    """Takes notifications."""
    with broken(answers(204)) as found:
        yield found


class Queue:
    """A queue or topic of its own, asked by a member of its project."""

    def __init__(self, service: Service, base: str = "queues") -> None:
        self._service = service
        self.name = f"q-{uuid.uuid4().hex[:12]}"
        self.path = f"/v2/{base}/{self.name}"

    def ask(self, method: str, path: str = "", body: Any = None, headers: Any = None) -> httpx.Response:
        """An answer, of whatever status."""
        content: Any = {} if body is None else {"json": body}
        return self._service.client.request(method, f"/messaging{self.path}{path}", headers=headers or TOKEN, **content)

    def subscribe(self, subscriber: str, headers: Any = None, **more: Any) -> str:
        """The id of a subscription."""
        answer = self.ask("POST", "/subscriptions", {"subscriber": subscriber, **more}, headers)
        assert answer.status_code == 201, answer.text
        number: str = answer.json()["subscription_id"]
        return number

    def is_confirmed(self, number: str) -> bool:
        """Whether the receiver of a subscription has agreed."""
        found: bool = self.ask("GET", f"/subscriptions/{number}").json()["confirmed"]
        return found

    def post(self, body: Any) -> None:
        """Post a message."""
        assert self.ask("POST", "/messages", {"messages": [{"body": body}]}).status_code == 201


def bodies(receiver: Broken) -> list[Any]:
    """What a receiver was sent since the last time."""
    found = [json.loads(parted(request)[2]) for request in receiver.requests]
    receiver.requests.clear()
    return found


def headers_of(asked: Any) -> dict[str, str]:
    """The headers by which a confirmation is used."""
    return {**CLIENT, **{name: asked[name] for name in SIGNED}}


# -- refused -----------------------------------------------------------------------------------------------------------


@pytest.mark.promise("S2")
@pytest.mark.parametrize(
    "host",
    ["127.0.0.2", "127.2", "2130706434", "0x7f000002", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
     "169.254.169.254", "100.64.0.1", "224.0.0.1", "[fe80::1]", "example.org@10.0.0.1", "0", "10.0.0.1."],
)  # fmt: skip
@pytest.mark.parametrize("scheme", ["http", "HTTPS"])
def test_an_address_that_must_not_be_reached_is_refused_at_once(service, scheme, host):
    own = Queue(service)
    uri = f"{scheme}://{host}:8080/canary"
    told = refused(own.ask("POST", "/subscriptions", {"subscriber": uri}), 400, LIMITS)
    assert "is not allowed" in told
    assert "[messaging] notify_allow" in told
    assert "canary" not in told
    # Nothing was made.
    assert own.ask("GET", "/subscriptions").json()["subscriptions"] == []
    assert own.name not in service.client.get("/messaging/v2/queues", headers=TOKEN, params={"limit": 20, "name": own.name}).text
    number = own.subscribe("http://example.org/")
    refused(own.ask("PATCH", f"/subscriptions/{number}", {"subscriber": uri}), 400, LIMITS)


@pytest.mark.parametrize(
    "uri",
    ["http://a\\b/", "http://m\u00fcller.example/", "http://a..b/", "http://a:0/", "http://a:65536/", "http://[fe80::1%25eth0]/",
     "http://\uff11\uff12\uff17.0.0.1/", "http://@/", "mailto:a@b,c@d", "mailto:a@b?subject=x%0D%0ABcc:%20c@d", "mailto:\u00e9@b"],
)  # fmt: skip
def test_a_uri_to_which_nothing_can_be_sent_is_refused(service, uri):
    assert refused(Queue(service).ask("POST", "/subscriptions", {"subscriber": uri}), 400, LIMITS).startswith("subscriber: ")


@pytest.mark.parametrize(
    "options",
    [
        {"post_headers": []}, {"post_headers": {"Host": "x"}}, {"post_headers": {"webhook-id": "x"}},
        {"post_headers": {"X": "a\r\nb"}}, {"post_headers": {"X": 1}}, {"post_data": 5}, {"webhook_secret": "short"},
        {"webhook_secret": None},
    ],
    ids=str,
)  # fmt: skip
def test_options_with_which_nothing_could_be_sent_are_refused(service, options):
    own = Queue(service)
    body = {"subscriber": "http://example.org/", "options": options}
    assert refused(own.ask("POST", "/subscriptions", body), 400, LIMITS).startswith("options.")
    number = own.subscribe("http://example.org/")
    refused(own.ask("PATCH", f"/subscriptions/{number}", {"options": options}), 400, LIMITS)


@pytest.mark.parametrize("options", [{"subject": "a\r\nBcc: x@example.org"}, {"from": "a@b, c@d"}], ids=str)
def test_options_with_which_no_mail_could_be_sent_are_refused(service, options):
    own = Queue(service)
    body = {"subscriber": "mailto:ops@example.org", "options": options}
    assert refused(own.ask("POST", "/subscriptions", body), 400, LIMITS).startswith("options.")
    assert own.ask("POST", "/subscriptions", {**body, "subscriber": "http://example.org/"}).status_code == 201


def test_what_an_operator_allows_is_taken_and_options_come_back_as_they_were_given(service):
    own = Queue(service)
    options = {"post_headers": {"X-Key": "k"}, "post_data": '"$zaqar_message$"', "webhook_secret": f"whsec_{'A' * 32}", "x": [1]}
    number = own.subscribe("http://u:p@127.0.0.1:1/a", options=options)
    found = own.ask("GET", f"/subscriptions/{number}").json()
    assert (found["subscriber"], found["options"]) == ("http://u:p@127.0.0.1:1/a", options)


def test_settings_with_which_nothing_could_be_confirmed_are_refused():
    confirmations.check(configured(require_confirmation=True, secret_key=SECRET))
    confirmations.check(configured())
    with pytest.raises(ConfigInvalid, match=r"\[messaging\] require_confirmation needs \[messaging\] secret_key"):
        confirmations.check(configured(require_confirmation=True))


# -- confirmed ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["queues", "topics"])
def test_a_subscription_is_confirmed_by_its_receiver_without_a_token(service, receiver, notify, base):
    own = Queue(service, base)
    number = own.subscribe(f"{receiver.url}/hook")
    own.post("before")
    notify()
    (asked,) = bodies(receiver)
    path = f"{own.path}/subscriptions/{number}/confirm"
    expected = {
        "Message_Type": "SubscriptionConfirmation", "Message": f"You have chosen to subscribe to the queue: {own.name}",
        "URL-Methods": "PUT", "URL-Paths": path, "X-Project-ID": "a", "WSGISubscribeURL": f"{service.url}/messaging{path}",
        "SubscribeBody": {"confirmed": True}, "UnsubscribeBody": {"confirmed": False}, "queue_name": own.name,
    }  # fmt: skip
    assert {name: asked[name] for name in expected} == expected
    assert asked.keys() == {*expected, "URL-Signature", "URL-Expires"}
    assert own.is_confirmed(number) is False
    answer = httpx.put(asked["WSGISubscribeURL"], json=asked["SubscribeBody"], headers=headers_of(asked))
    assert answer.status_code == 204
    assert own.is_confirmed(number) is True
    own.post("after")
    notify()
    assert [each["body"] for each in bodies(receiver)] == ["after"]
    # The receiver may think better of it.
    assert httpx.put(asked["WSGISubscribeURL"], json=asked["UnsubscribeBody"], headers=headers_of(asked)).status_code == 204
    own.post("too late")
    notify()
    assert bodies(receiver) == []


@pytest.mark.promise("S4")
def test_a_confirmation_gives_access_to_nothing_else(service, receiver, notify):
    own = Queue(service)
    number, other = own.subscribe(receiver.url), own.subscribe("http://example.org/")
    notify()
    (asked,) = bodies(receiver)
    headers = headers_of(asked)
    for method, path, body in (
        ("PUT", f"/subscriptions/{other}/confirm", {"confirmed": True}), ("GET", f"/subscriptions/{number}", None),
        ("DELETE", f"/subscriptions/{number}", None), ("PATCH", f"/subscriptions/{number}", {"ttl": 60}),
        ("GET", "/subscriptions", None), ("GET", "/messages", None), ("GET", "", None), ("POST", "/messages", {"messages": [{}]}),
        ("GET", f"/subscriptions/{number}/confirm", None),
    ):  # fmt: skip
        assert own.ask(method, path, body, headers).status_code in {404, 405}, (method, path)
    for name in SIGNED:
        for value in (asked[name] + "x", asked[name][:-1], ""):
            changed = {**headers, name: value}
            assert own.ask("PUT", f"/subscriptions/{number}/confirm", {"confirmed": True}, changed).status_code == 404, (
                name,
                value,
            )
    assert own.is_confirmed(number) is own.is_confirmed(other) is False
    assert own.ask("PUT", f"/subscriptions/{number}/confirm", {"confirmed": True}, headers).status_code == 204


def test_one_that_is_not_confirmed_is_asked_again_and_one_that_is_in_the_way(service, receiver, notify):
    own = Queue(service)
    number = own.subscribe(receiver.url)
    assert own.subscribe(receiver.url) == number
    notify()
    first, second = bodies(receiver)
    assert first["URL-Paths"] == second["URL-Paths"]
    assert own.ask("PUT", f"/subscriptions/{number}/confirm", {"confirmed": True}, headers_of(second)).status_code == 204
    refused(own.ask("POST", "/subscriptions", {"subscriber": receiver.url}), 409, "Resource conflict")
    notify()
    assert bodies(receiver) == []


def test_another_receiver_has_to_agree_too(service, receiver, notify):
    own = Queue(service)
    number = own.subscribe(f"{receiver.url}/a")
    notify()
    (asked,) = bodies(receiver)
    confirm = f"/subscriptions/{number}/confirm"
    assert own.ask("PUT", confirm, {"confirmed": True}, headers_of(asked)).status_code == 204
    # What leaves the receiver as it is needs no confirmation.
    for changes in ({"ttl": 100}, {"options": {"a": 1}}, {"subscriber": f"{receiver.url}/a"}):
        assert own.ask("PATCH", f"/subscriptions/{number}", changes).status_code == 204
    own.subscribe(f"{receiver.url}/b")
    refused(own.ask("PATCH", f"/subscriptions/{number}", {"subscriber": f"{receiver.url}/b"}), 409, "Resource conflict")
    assert own.is_confirmed(number) is True
    notify()
    bodies(receiver)
    assert own.ask("PATCH", f"/subscriptions/{number}", {"subscriber": f"{receiver.url}/c"}).status_code == 204
    assert own.is_confirmed(number) is False
    own.post("not yet")
    notify()
    paths = [parted(request)[0].split()[1] for request in receiver.requests]
    (asked,) = bodies(receiver)
    assert (paths, asked["Message_Type"]) == (["/c"], "SubscriptionConfirmation")
    assert own.ask("PUT", confirm, {"confirmed": True}, headers_of(asked)).status_code == 204
    assert own.ask("PATCH", "/subscriptions/unknown", {"subscriber": f"{receiver.url}/d"}).status_code == 404


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ({"X-Forwarded-Proto": "https", "X-Forwarded-Host": "cloud.example"}, "https://cloud.example/messaging"),
        ({"Forwarded": 'proto=https;host="cloud.example:8443"'}, "https://cloud.example:8443/messaging"),
        ({"Host": "cloud.example"}, "http://cloud.example/messaging"),
    ],
)  # fmt: skip
def test_the_url_is_that_by_which_the_subscription_was_made(service, receiver, notify, headers, base):
    own = Queue(service)
    own.subscribe(receiver.url, {**TOKEN, **headers})
    notify()
    (asked,) = bodies(receiver)
    assert asked["WSGISubscribeURL"] == base + asked["URL-Paths"]


def test_an_operator_names_the_url_and_without_confirmation_nothing_is_asked(place, receiver, notify):
    own = {"secret_key": SECRET, "public_url": "https://cloud.example/queues/", "notify_allow": "127.0.0.1/32"}
    for requires in (True, False):
        with serving(None, messaging=url_of(place), messaging_settings={**own, "require_confirmation": requires}) as found:
            client = Client(found)
            answer = client.ask("POST", "/queues/q/subscriptions", {"subscriber": receiver.url})
            assert answer.status_code == 201
            notify()
        if requires:
            (asked,) = bodies(receiver)
            assert asked["WSGISubscribeURL"] == f"https://cloud.example/queues{asked['URL-Paths']}"
            assert urllib.parse.quote(client.project) == asked["X-Project-ID"]
        else:
            assert bodies(receiver) == []

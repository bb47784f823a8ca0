"""Webhooks: what receivers get, and what their answers mean."""

from __future__ import annotations

import base64
import datetime as dt
import json
import time as clock
import uuid
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.datasources.broken import answers, broken, drips, half, in_turn, keeps, reset, silent
from tests.unit.messaging.delivery.sending import LATE, MESSAGE, SOON, kind, parted, senders, sent
from undercroft.conformance.limits import within
from undercroft.core import time
from undercroft.core.errors import InvalidInput
from undercroft.messaging.delivery import form
from undercroft.messaging.delivery.notification import Kind

SECRET = f"whsec_{base64.b64encode(bytes(range(24))).decode()}"
ASKED = b'{"Message_Type":"SubscriptionConfirmation","URL-Paths":"/v2/queues/fizbit"}'


def request(options: Any = None, path: str = "/hook?a=1", login: str = "", **changes: Any) -> tuple[str, dict[str, str], bytes]:
    """The request that a receiver gets; a header comes once."""
    with broken(answers(204)) as server, senders() as found:
        subscriber = f"http://{login}127.0.0.1:{server.port}{path}"
        outcome = sent(found, subscriber, options, **changes)
        assert outcome.kind is Kind.DELIVERED, outcome
        assert len(server.requests) == 1
        first, headers, body = parted(server.requests[0])
        assert len(dict(headers)) == len(headers)
        assert dict(headers)["host"] == f"127.0.0.1:{server.port}"
        return first, dict(headers), body


def test_the_form_is_that_of_the_host():
    first, headers, body = request()
    assert first == "POST /hook?a=1 HTTP/1.1"
    assert body == b'{"body":{"event":"BackupStarted","n":1.50},"ttl":300,"Message_Type":"Notification","queue_name":"fizbit"}'
    assert headers["content-type"] == "application/json"
    assert headers["content-length"] == str(len(body))
    assert headers.keys() == {
        "host", "accept", "content-type", "user-agent", "webhook-id", "webhook-timestamp", "content-length",
    }  # fmt: skip


def test_a_confirmation_is_sent_as_it_was_made():
    assert request(confirmation=ASKED, body=b"null")[2] == ASKED
    assert request({"post_data": '{"m": "$zaqar_message$"}'}, confirmation=ASKED)[2] == b'{"m": ' + ASKED + b"}"


def test_headers_of_a_subscription_win_where_they_may():
    given = {
        "Content-Type": "text/plain", "X-Auth-Token": "t", "user-agent": "mine", "Authorization": "Bearer b",
        "X-Name": "J\u00fcrgen",
    }  # fmt: skip
    _, headers, _ = request({"post_headers": given})
    assert {name: headers[name.lower()] for name in given} == given


@pytest.mark.parametrize(
    "name",
    ["Host", "CONTENT-LENGTH", "Transfer-Encoding", "connection", "Expect", "Upgrade", "Webhook-Id", "webhook-signature",
     "webhook-timestamp", "webhook-x", "Proxy-Authorization", "TE", "Trailer", "Keep-Alive"],
)  # fmt: skip
def test_headers_of_the_service_are_not_a_subscriptions_to_set(name):
    with pytest.raises(InvalidInput, match="is set by the service"):
        form.check_options({"post_headers": {name: "x"}})
    # Through the host's own API it is not refused.
    before, after = request()[1], request({"post_headers": {name: "x"}})[1]
    for each in ("host", "webhook-timestamp"):
        assert after.pop(each)[:5] == before.pop(each)[:5]
    assert after == before


@pytest.mark.parametrize(
    "given",
    [
        {"X\r\nHost": "x"}, {"X": "a\r\nHost: b"}, {"X": "a\nb"}, {"X": "a\rb"}, {"X": "a\r\n b"}, {"X": "\x00"}, {"X": "\x7f"},
        {"": "x"}, {"a b": "x"}, {"a:": "x"}, {"\u00e4": "x"}, {"X": "\u20ac"}, {"X": 1}, {"X": None}, {"X": ["a"]},
        {"X": "a" * 8_193}, {f"X-{n}": "" for n in range(65)}, {"X\x00": "a"},
    ],
    ids=lambda given: str(given)[:24],
)  # fmt: skip
def test_headers_that_would_begin_others_are_not_sent(given):
    with pytest.raises(InvalidInput, match="post_headers"):
        form.check_options({"post_headers": given})
    with broken(answers(204)) as server, senders() as found:
        outcome = sent(found, server.url, {"post_headers": given})
        assert (outcome.kind, server.requests) == (Kind.REFUSED, [])


@pytest.mark.parametrize(
    "options", [{"post_headers": []}, {"post_headers": "X: 1"}, {"post_data": {}}, {"post_data": None}], ids=str
)
def test_options_of_another_form_are_refused_when_they_are_given_and_else_ignored(options):
    with pytest.raises(InvalidInput, match="options"):
        form.check_options(options)
    assert request(options)[2] == form.message(MESSAGE)


def test_a_short_text_does_not_make_a_request_of_any_size():
    text = '"$zaqar_message$"'
    form.check_options({"post_data": text * 8})
    with pytest.raises(InvalidInput, match=r"options\.post_data: has .* 9 times, more than 8"):
        form.check_options({"post_data": text * 9})
    # Through the host's own API it was taken.
    with broken(answers(204)) as server, senders() as found:
        outcome = sent(found, server.url, {"post_data": text * 9})
        assert (outcome.kind, server.requests) == (Kind.REFUSED, [])


def test_options_have_a_size():
    form.check_options({"x": "a" * (65_536 - len('{"x":""}'))})
    for value in ("a" * 65_529, "\u20ac" * 21_843):
        with pytest.raises(InvalidInput, match=r"options: 65,5\d\d bytes as JSON are more than 65,536"):
            form.check_options({"x": value})


def test_post_data_has_the_message_in_each_place():
    text = '{"a": "$zaqar_message$", "b": ["$zaqar_message$"], "c": "x $zaqar_message$", "\u00e9": 1}'
    body = request({"post_data": text})[2]
    message = form.message(MESSAGE).decode()
    assert body.decode() == text.replace('"$zaqar_message$"', message)
    assert json.loads(body)["b"] == [json.loads(message)]
    assert request({"post_data": ""})[2] == b""


def test_the_login_of_the_uri_is_a_header():
    first, headers, _ = request(login="us%40er:p%3A%C3%A4@")
    assert first == "POST /hook?a=1 HTTP/1.1"
    assert base64.b64decode(headers["authorization"].removeprefix("Basic ")).decode() == "us@er:p:\u00e4"
    assert request({"post_headers": {"authorization": "mine"}}, login="u:p@")[1]["authorization"] == "mine"


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("", "/"), ("/", "/"), ("?x", "/?x"), ("/a%20b?c=%0D%0A#part", "/a%20b?c=%0D%0A"), ("/\u00e9?\u00fc", "/%C3%A9?%C3%BC"),
        ('/"<>', "/%22%3C%3E"),
    ],
)  # fmt: skip
def test_the_path_is_one_of_http(path, line):
    assert request(path=path)[0] == f"POST {line} HTTP/1.1"


# -- signatures --------------------------------------------------------------------------------------------------------


def test_a_signature_is_verified_by_the_official_code():
    number = str(uuid.uuid4())
    _, headers, body = request({"webhook_secret": SECRET, "post_data": '{"m": "$zaqar_message$", "e": "\u00e9"}'}, message=number)
    assert Webhook(SECRET).verify(body, headers)["m"]["queue_name"] == "fizbit"
    assert headers["webhook-id"] == number
    assert abs(dt.datetime.fromtimestamp(int(headers["webhook-timestamp"]), dt.UTC) - time.now()) < dt.timedelta(seconds=30)
    for changed in (
        {**headers, "webhook-id": "other"}, {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)},
        {name: value for name, value in headers.items() if name != "webhook-signature"},
    ):  # fmt: skip
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(body, changed)
    for secret, other in ((SECRET, body + b" "), (f"whsec_{base64.b64encode(bytes(24)).decode()}", body)):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(other, headers)


def test_without_a_secret_nothing_is_signed():
    assert "webhook-signature" not in request()[1]


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", SECRET.removeprefix("whsec_"), "whsec_!!!", f"whsec_{base64.b64encode(bytes(23)).decode()}", 5, None, ["x"],
     f"whsec_{base64.b64encode(bytes(65)).decode()}", "whsec_\u00e9"],
)  # fmt: skip
def test_a_secret_that_cannot_sign_is_refused(secret):
    with pytest.raises(InvalidInput, match="webhook_secret") as caught:
        form.check_options({"webhook_secret": secret})
    assert not secret or secret == "whsec_" or str(secret) not in str(caught.value)
    if secret is not None:
        with broken(answers(204)) as server, senders() as found:
            outcome = sent(found, server.url, {"webhook_secret": secret})
            assert (outcome.kind, server.requests) == (Kind.REFUSED, [])


# -- what answers mean -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *((status, Kind.DELIVERED) for status in (200, 201, 202, 204, 299)),
        *((status, Kind.RETRY) for status in (408, 425, 429, 500, 502, 503, 504, 599)),
        *((status, Kind.REFUSED) for status in (300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 410, 413, 422, 499)),
    ],
)  # fmt: skip
def test_what_a_status_means(status, expected):
    with broken(answers(status, b"")) as server, senders() as found:
        outcome = sent(found, server.url)
        assert outcome.kind is expected
        assert (str(status) in outcome.reason) is (expected is not Kind.DELIVERED)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "header", "after"),
    [(429, "7", 7), (503, "0", 0), (500, "12", 12), (503, "999999999", 3_600), (503, "-1", None), (503, "soon", None),
     (400, "7", None), (503, "Mon, 30 Nov 1998 13:00:00 GMT", 0), (200, "7", None)],
)  # fmt: skip
def test_what_a_receiver_asks_to_wait(status, header, after):
    with broken(answers(status, b"", f"Retry-After: {header}")) as server, senders() as found:
        assert sent(found, server.url).after == after


@pytest.mark.parametrize(
    "behaviour",
    [
        silent, reset, answers(100), answers(101),
        lambda _server, connection, _request: None,
        lambda _server, connection, _request: connection.sendall(b"HTTP/1.1 20"),
        lambda _server, connection, _request: connection.sendall(b"HTTP/1.1 200 OK\r\nX: 1\r\n"),
        lambda _server, connection, _request: connection.sendall(b"SSH-2.0-OpenSSH\r\n"),
        lambda _server, connection, _request: connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 200),
        lambda _server, connection, _request: connection.sendall(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000),
        lambda _server, connection, _request: connection.sendall(b"HTTP/1.1 abc OK\r\n\r\n"),
    ],
)  # fmt: skip
def test_what_is_not_an_answer_is_tried_again(behaviour):
    with broken(behaviour) as server, senders(seconds=SOON) as found:
        began = clock.monotonic()
        outcome = sent(found, f"http://u:canary@127.0.0.1:{server.port}/canary")
        assert outcome.kind is Kind.RETRY
        assert "canary" not in outcome.reason
        within(clock.monotonic() - began, SOON + LATE)
        # It may have been taken, so it is sent once: when to send it again is the policy's matter.
        assert len(server.requests) == 1


def test_an_answer_that_breaks_off_behind_its_head_was_given():
    with broken(half) as server, senders() as found:
        assert kind(found, server.url) is Kind.DELIVERED


def test_a_port_without_a_listener():
    with broken(silent) as server, senders() as found:
        server.refuse()
        outcome = sent(found, f"{server.url}/canary")
        assert (outcome.kind, outcome.reason) == (Kind.RETRY, "no connection: Connection refused")


@pytest.mark.parametrize(
    "uri", ["ftp://127.0.0.1/", "trust+http://127.0.0.1/", "", "x", "http:", "http://", "http://[", "http://a b/"]
)
def test_a_uri_of_no_receiver_is_refused(uri):
    with senders() as found:
        assert kind(found, uri) is Kind.REFUSED


# -- connections -------------------------------------------------------------------------------------------------------


def test_a_connection_is_used_again():
    with broken(keeps()) as server, senders() as found:
        ports = set()
        server_behaviour = server.behaviour

        def counting(own: Any, connection: Any, request: bytes) -> None:
            ports.add(connection.getpeername())
            server_behaviour(own, connection, request)

        server.behaviour = counting
        for path in ("/a", "/b?c", "/a"):
            assert kind(found, server.url + path) is Kind.DELIVERED
        assert (len(server.requests), len(ports)) == (3, 1)


def test_a_connection_that_the_receiver_closed_is_made_anew_without_a_failure():
    def closes(server: Any, connection: Any, _request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 204 X\r\n\r\n")

    def resets_the_next(server: Any, connection: Any, request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 204 X\r\n\r\n")
        connection.recv(1)
        reset(server, connection, request)

    for behaviour in (closes, resets_the_next):
        with broken(in_turn(behaviour, keeps())) as server, senders() as found:
            assert [kind(found, server.url) for _ in range(3)] == [Kind.DELIVERED] * 3


def test_a_connection_on_which_more_came_than_was_asked_is_not_used_again():
    def chatty(server: Any, connection: Any, _request: bytes) -> None:
        # At once: what comes later could be the answer to the next request.
        connection.sendall(b"HTTP/1.1 204 X\r\n\r\n" + b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n" * 400)
        server.stopped.wait()

    with broken(in_turn(chatty, keeps())) as server, senders() as found:
        assert [kind(found, server.url) for _ in range(2)] == [Kind.DELIVERED] * 2


def test_slow_answers_do_not_outlast_the_deadline():
    with broken(drips) as server, senders(seconds=SOON) as found:
        began = clock.monotonic()
        kind(found, server.url)
        within(clock.monotonic() - began, SOON + LATE)

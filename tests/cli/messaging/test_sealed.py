"""`undercroft queue` and queues whose messages are encrypted: opened with the key, refused without."""

from __future__ import annotations

import base64
import contextlib
import json

import pytest

import undercroft
from undercroft.core import settings
from undercroft.messaging.sealing import MARK

pytestmark = pytest.mark.kind("messaging")
KEYS = [base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2)]
SECRET = {"password": "canary"}


@pytest.fixture
def key(monkeypatch):
    """Set the key, or take it away."""

    def call(value):
        if value is None:
            monkeypatch.delenv("UNDERCROFT_MESSAGING__ENCRYPTION_KEY", raising=False)
        else:
            monkeypatch.setenv("UNDERCROFT_MESSAGING__ENCRYPTION_KEY", value)
        settings.current.cache_clear()

    yield call
    monkeypatch.undo()
    settings.current.cache_clear()


@pytest.fixture
def queue(queue, key):
    """Run `undercroft queue COMMAND`; the store has an encrypted queue with a message, and dead letters of it."""
    key(KEYS[0])
    queue("create", "letters", "_enable_encrypt_messages=true")
    queue("post", "letters", json.dumps(SECRET))
    queue("post", "other", json.dumps(SECRET), "--project", "p")
    queue("create", "source", "_enable_encrypt_messages=true", "_max_claim_count=0", "_dead_letter_queue=dead")
    queue("post", "source", json.dumps(SECRET))
    queue("claim", "source")
    return queue


def stored(place, queue):
    with contextlib.closing(undercroft.connect("messaging", place)) as store:
        return [message["body"] for message in next(store.message_controller.list(queue, echo=True, include_claimed=True))]


def test_bodies_are_stored_sealed_and_come_out_open(queue, place):
    for name in ("letters", "dead"):
        (body,) = stored(place, name)
        assert body.keys() == {MARK}
        assert "canary" not in json.dumps(body)
    assert json.loads(queue("tail", "letters").stdout)["body"] == SECRET
    claim = json.loads(queue("claim", "letters").stdout)
    assert claim["messages"][0]["body"] == SECRET
    queue("claim", "letters", "--release", claim["id"])
    assert json.loads(queue("pop", "letters").stdout)["body"] == SECRET
    queue("redrive", "dead", "--to", "letters")
    assert json.loads(queue("pop", "letters").stdout)["body"] == SECRET


@pytest.mark.parametrize("command", [("post", "1"), ("post", "-"), ("claim",), ("pop",), ("tail",)])
def test_without_a_key_the_queue_is_refused(queue, place, key, command):
    before = stored(place, "letters")
    key(None)
    name, *rest = command
    refused = queue(name, "letters", *rest, code=2, stdin="1\n")
    assert "the messages of queue 'letters' are encrypted: set [messaging] encryption_key" in refused.stderr
    assert refused.stdout == ""
    assert stored(place, "letters") == before
    (found,) = json.loads(queue("stats", "letters", "--format", "json").stdout)
    assert (found["free"], found["claimed"]) == (1, 0)


@pytest.mark.parametrize("command", ["claim", "pop", "tail"])
@pytest.mark.parametrize(("name", "other"), [("letters", KEYS[1]), ("dead", KEYS[1]), ("dead", None)])
def test_what_cannot_be_opened_is_neither_shown_nor_lost(queue, key, command, name, other):
    key(other)
    refused = queue(command, name, code=1)
    assert "encryption_key" in refused.stderr
    assert MARK not in refused.stdout
    (found,) = json.loads(queue("stats", name, "--format", "json").stdout)
    assert (found["free"], found["claimed"]) == (1, 0)


def test_other_queues_need_no_key(queue, key):
    key(None)
    assert json.loads(queue("pop", "other", "--project", "p").stdout)["body"] == SECRET


def test_a_body_that_looks_sealed_comes_back_as_it_was(queue):
    body = {MARK: ["letters", "AAAA"]}
    queue("post", "plain", json.dumps(body))
    assert json.loads(queue("pop", "plain").stdout)["body"] == body


def test_a_malformed_key(queue, key):
    key("short")
    assert "encryption_key is not 32 bytes in base64" in queue("pop", "letters", code=2).stderr

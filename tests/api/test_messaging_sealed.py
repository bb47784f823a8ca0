"""Queues that encrypt their messages: what is stored, what is answered, and what becomes of both without the right key."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.messages import KEY, Client, refused
from tests.api.service import Service, serving
from tests.conftest import url_of
from undercroft.conformance.plugin import Opener
from undercroft.core.errors import ConfigInvalid, Corrupt
from undercroft.messaging.sealing import MARK, Sealer

pytestmark = [pytest.mark.kind("messaging"), pytest.mark.one_per_family]
ON = {"_enable_encrypt_messages": True}
OTHER = base64.b64encode(b"x" * 32).decode()
BODIES: list[Any] = [{"é": [1, 2.5, None]}, "canary-body", None, 0, [], {MARK: ["q", "AAAA"]}, 2**63 - 1]


@pytest.fixture(scope="module")
def service(place: Opener) -> Iterator[Service]:
    """A service with a key."""
    with serving(None, messaging=url_of(place), messaging_settings={"encryption_key": KEY}) as found:
        yield found


def stored(place: Opener, own: Client, queue: str) -> list[Any]:
    """What a store has of a queue."""
    page = place.opened[0].message_controller.list(queue, own.project, None, 100, echo=True, include_claimed=True)
    return [each["body"] for each in next(page)]


@pytest.mark.parametrize("base", ["queues", "topics"])
def test_bodies_are_encrypted_where_they_are_stored(service, place, base):
    own = Client(service)
    assert own.ask("PUT", f"/{base}/q", ON).status_code == 201
    sent = own.ask("POST", f"/{base}/q/messages", {"messages": [{"body": body} for body in [*BODIES, "canary-body"]]})
    assert sent.status_code == 201
    listed = own.get(f"/{base}/q/messages", echo="true")["messages"]
    assert [each["body"] for each in listed] == [*BODIES, "canary-body"]
    found = stored(place, own, "q" if base == "queues" else "topic/q")
    assert all(each.keys() == {MARK} for each in found)
    assert "canary" not in json.dumps(found)
    # Equal bodies are not equal where they are stored.
    assert len({json.dumps(each) for each in found}) == len(found)
    assert own.get(listed[1]["href"])["body"] == "canary-body"
    assert own.get(f"/{base}/q/messages", ids=listed[1]["id"])["messages"][0]["body"] == "canary-body"


def test_claims_and_pops_of_encrypted_messages(service):
    own = Client(service)
    own.ask("PUT", "/queues/q", ON)
    own.post("q", *BODIES)
    location, found = own.claim("q", limit=3)
    assert [each["body"] for each in found] == [each["body"] for each in own.get(location)["messages"]] == BODIES[:3]
    popped = own.ask("DELETE", "/queues/q/messages", pop=20).json()["messages"]
    assert [each["body"] for each in popped] == BODIES[3:]


def test_a_queue_may_begin_and_end_to_encrypt(service, place):
    own = Client(service)
    own.post("q", "plain")
    own.patch("/queues/q", {"op": "add", "path": "/metadata/_enable_encrypt_messages", "value": True})
    own.post("q", "sealed")
    own.patch("/queues/q", {"op": "replace", "path": "/metadata/_enable_encrypt_messages", "value": False})
    own.post("q", "plain again")
    assert own.bodies("q") == ["plain", "sealed", "plain again"]
    assert [isinstance(each, dict) for each in stored(place, own, "q")] == [False, True, False]


@pytest.mark.parametrize(
    "body", [{MARK: ["q", "AAAA"]}, {MARK: [1]}, {MARK: 5}, {MARK: ["q", "AAAA"], "more": 1}, {MARK: [{MARK: [1]}]}], ids=str
)
def test_bodies_that_look_encrypted_are_as_they_were_posted(service, body):
    own = Client(service)
    own.post("q", body)
    assert own.bodies("q") == [body]
    assert own.ask("DELETE", "/queues/q/messages", pop=1).json()["messages"][0]["body"] == body


def test_dead_letters_can_be_read(service):
    own = Client(service)
    own.ask("PUT", "/queues/q", {**ON, "_max_claim_count": 1, "_dead_letter_queue": "dead"})
    own.post("q", "poison")
    own.ask("DELETE", own.claim("q")[0])
    assert own.ask("POST", "/queues/q/claims", {}).status_code == 204
    assert own.bodies("dead") == ["poison"]


# -- keys that are missing or wrong ------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, OTHER], ids=["no key", "another key"])
def test_without_the_key_nothing_is_told_and_nothing_is_lost(service, place, key):
    own = Client(service)
    own.ask("PUT", "/queues/q", ON)
    ids = own.post("q", "canary-body", "second")
    sealed = stored(place, own, "q")
    settings = {} if key is None else {"encryption_key": key}
    with serving(None, messaging=url_of(place), messaging_settings=settings) as other:
        without = Client(other, own.project)
        for method, path, body in (
            ("GET", "/queues/q/messages?echo=true", None), ("GET", f"/queues/q/messages/{ids[0]}", None),
            ("GET", f"/queues/q/messages?ids={ids[0]}", None), ("DELETE", "/queues/q/messages?pop=1", None),
            ("POST", "/queues/q/claims", {}),
        ):  # fmt: skip
            answer = without.ask(method, path, body)
            told = refused(answer, 503, "Service temporarily unavailable")
            assert "cannot be decrypted" in told
            assert MARK not in answer.text
            assert not any(each[MARK][1] in answer.text for each in sealed)
        if key is None:
            posted = without.ask("POST", "/queues/q/messages", {"messages": [{}]})
            for answer in (posted, without.ask("PUT", "/queues/new", ON)):
                assert "[messaging] encryption_key" in refused(answer, 400, "Invalid API request")
        # The others are served.
        without.post("plain", 1)
        assert without.bodies("plain") == [1]
    # They are there, free, and in their order.
    assert own.bodies("q") == ["canary-body", "second"]


def test_a_pop_puts_back_what_it_cannot_open(service, place):
    """Messages that lie encrypted in a queue that never was: nothing but the pop itself tells that."""
    own = Client(service)
    own.post("q", 1)
    controller = place.opened[0].message_controller
    controller.post("q", [{"body": Sealer(OTHER).seal("lost?", "q", own.project), "ttl": 100}], None, own.project)
    assert own.ask("DELETE", "/queues/q/messages", pop=2).status_code == 503
    assert sorted(isinstance(each, dict) for each in stored(place, own, "q")) == [False, True]


def test_a_body_is_bound_to_its_project(service, place):
    own, other = Client(service), Client(service)
    for each in (own, other):
        each.ask("PUT", "/queues/q", ON)
    own.post("q", "canary-body")
    (sealed,) = stored(place, own, "q")
    controller = place.opened[0].message_controller
    controller.post("q", [{"body": sealed, "ttl": 100}], None, other.project)
    answer = other.ask("GET", "/queues/q/messages", echo="true")
    assert answer.status_code == 503
    assert "canary" not in answer.text


def test_a_wrong_key_stops_the_start(place):
    for key in ("short", base64.b64encode(b"x" * 31).decode(), "*" * 44):
        with pytest.raises(ConfigInvalid, match="32 bytes in base64"):
            Sealer(key)
    with (
        pytest.raises(AssertionError, match="encryption_key is not 32 bytes"),
        serving(None, messaging=url_of(place), messaging_settings={"encryption_key": "short"}),
    ):
        pass


# -- the sealer --------------------------------------------------------------------------------------------------------


def test_every_changed_byte_is_noticed():
    sealer = Sealer(KEY)
    sealed = sealer.seal({"a": "b"}, "q", "p")
    queue, text = sealed[MARK]
    assert sealer.open(sealed, "p") == {"a": "b"}
    data = base64.b64decode(text)
    for place in range(len(data)):
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(Corrupt):
            sealer.open({MARK: [queue, base64.b64encode(changed).decode()]}, "p")
    wrong: list[Any] = [["q2", text], ["q", text[:-4]], ["q", ""], ["q", "*"], [], ["q", 1], "q", 5, None, ["q", text, 1]]
    for form in wrong:
        with pytest.raises(Corrupt):
            sealer.open({MARK: form}, "p")
    for project in ("p2", "", "P"):
        with pytest.raises(Corrupt):
            sealer.open(sealed, project)
    with pytest.raises(Corrupt, match="encryption_key"):
        Sealer(None).open(sealed, "p")
    with pytest.raises(Corrupt):
        Sealer(OTHER).open(sealed, "p")


def test_queue_and_project_do_not_run_into_each_other():
    sealer = Sealer(KEY)
    text = sealer.seal(1, "b", "a")[MARK][1]
    for queue, project in (("", "ab"), ("ab", ""), ("a", "b"), ('b"', "a"), ("b", 'a"')):
        with pytest.raises(Corrupt):
            sealer.open({MARK: [queue, text]}, project)

"""Posting: what is kept of a message, in which order, all or nothing."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from undercroft.conformance.markers import assumes, clause, essential, needs, promise
from undercroft.conformance.messaging.data import (
    BEFORE,
    BEHIND,
    CLIENT,
    FIELDS,
    OpenStore,
    at,
    bodies,
    everything,
    ids,
    listed,
    make,
    message,
    page,
    post,
)
from undercroft.conformance.rows import rows
from undercroft.core.errors import InvalidInput
from undercroft.messaging import DataDriverBase, MessageDoesNotExist

pytestmark = essential

BODIES: list[Any] = [
    None, True, False, 0, 1, -1, -0.0, 0.1, 1.5, 1e300, 5e-324, 2**31, 2**53 + 1, -(2**63), 2**63, 2**64 - 1,
    "", "a", " a ", "\u00e9", "e\u0301", "\U0001f600", "\uffff", "a\x00b", "\x00", "\n\t\r", '"\\/', "%s", "{}", "$where",
    "'; drop table",
    "\x7f\x80\u2028", "x" * 70_000, [], {}, [[]], [None], [1, "a", None, 1.5, [True, {}]], {"": ""}, {"a.b": {"$c": [None]}},
    {"\U0001f600": "\u00e9\x00"}, {"b": 1, "a": 2}, {"k": {"k": {"k": [[[[1]]]]}}}, list(range(2_000)),
    {f"k{n}": n for n in range(500)},
]  # fmt: skip


@clause("Q19")
@promise("C7", "S3")
@rows("body", BODIES)
def test_bodies_are_any_json(store: DataDriverBase, body: Any) -> None:
    (only,) = post(store, body)
    wanted = repr(body)
    assert repr(store.message_controller.get("q", only)["body"]) == wanted
    assert repr(everything(store)[-1]["body"]) == wanted
    first = store.message_controller.first("q")
    assert first is not None
    assert repr(first["body"]) == wanted
    (gone,) = store.message_controller.pop("q", 1)
    assert repr(gone["body"]) == wanted


@clause("Q19")
@promise("C7")
def test_numbers_of_any_size_come_back(store: DataDriverBase) -> None:
    """Whole numbers beyond 64 bits, too, or they are refused: never another number."""
    for number in (2**64, 10**30, -(10**30)):
        try:
            (only,) = post(store, {"n": number})
        except InvalidInput:
            continue
        assert store.message_controller.get("q", only)["body"]["n"] == number


@clause("Q19")
def test_a_message_has_its_form(store: DataDriverBase) -> None:
    with at(0.3):
        (only,) = store.message_controller.post("q", [{"ttl": 60, "body": {"k": 1}, "other": 5, "id": "mine", "age": 7}], CLIENT)
        assert isinstance(only, str)
    with at(30.6):
        wanted = {"id": only, "ttl": 60, "age": 30, "body": {"k": 1}, "claim_id": None, "claim_count": 0}
        assert store.message_controller.get("q", only) == wanted
        assert everything(store) == list(store.message_controller.bulk_get("q", [only])) == [wanted]
        assert store.message_controller.first("q") == {**wanted, "created": "2024-03-01T12:00:00Z"}
        assert store.message_controller.pop("q", 1) == [wanted]
    assert wanted.keys() == FIELDS


@clause("Q19")
def test_what_is_left_out_has_a_default(store: DataDriverBase) -> None:
    given: list[dict[str, Any]] = [{}, {"ttl": None, "delay": None}, {"body": None}, {"ttl": 7}]
    found = store.message_controller.bulk_get("q", store.message_controller.post("q", given, CLIENT))
    assert [(one["body"], one["ttl"]) for one in found] == [({}, 3_600), ({}, 3_600), (None, 3_600), ({}, 7)]
    assert len(listed(store)) == 4


@clause("Q19")
@rows(
    "messages",
    [
        [], (), iter([]), [message("a")], (message(n) for n in range(3)), tuple(message(n) for n in range(2)),
        iter([message("a"), message("b")]), {"k": message("a")}.values(),
    ],
)  # fmt: skip
def test_messages_are_any_iterable(store: DataDriverBase, messages: Any) -> None:
    before = len(everything(store))
    found = store.message_controller.post("q", messages, CLIENT)
    assert ids(everything(store))[before:] == found


@clause("Q19", "Q20")
def test_ids_come_in_the_order_of_the_messages(store: DataDriverBase) -> None:
    seen: list[str] = []
    for count in (1, 2, 100, 1, 999):
        found = post(store, *range(len(seen), len(seen) + count))
        assert len(found) == count
        seen += found
    assert len(set(seen)) == len(seen) == 1_103
    back = store.message_controller.bulk_get("q", seen[::-1])
    assert [(one["id"], one["body"]) for one in back] == [(name, n) for n, name in enumerate(seen)]


@clause("Q20")
@assumes("fifo")
def test_messages_are_in_the_order_of_their_posts(store: DataDriverBase, open_store: OpenStore) -> None:
    """Through any object, beside other queues, at the same moment and at later ones, and whatever the clock says."""
    other = open_store(init=False)
    for n, seconds in enumerate([0, 0, 0, 5, 5, 3, 100, 1, 0]):
        with at(seconds):
            post(store if n % 2 else other, [n, 0], [n, 1], [n, 2])
            post(other, n, queue="r")
    with at(50):
        assert listed(store) == [[n, k] for n in range(9) for k in range(3)]
        assert listed(store, "r") == list(range(9))


@clause("Q20", "Q21")
@rows(
    "bad",
    [
        {"ttl": -1}, {"ttl": "60"}, {"ttl": 1.5}, {"ttl": True}, {"ttl": 10**12}, {"delay": -1}, {"delay": "1"},
        {"body": float("nan")}, {"body": object()}, {"body": b"text"}, {"body": {1, 2}},
        {"body": "\ud800"}, {"dedup_id": ""}, {"dedup_id": 5}, {"dedup_id": "x" * 256},
        5, None, "text", ["ttl", 60],
    ],
)  # fmt: skip
def test_all_or_nothing(store: DataDriverBase, bad: Any) -> None:
    wrong = message("bad") | bad if isinstance(bad, dict) else bad
    with pytest.raises(InvalidInput) as caught:
        store.message_controller.post("q", [message("a"), wrong, message("b")], CLIENT)
    assert caught.value.field.startswith("messages[1]")
    assert everything(store) == []


@clause("Q20")
def test_nothing_is_kept_where_the_messages_break_off(store: DataDriverBase) -> None:
    def broken() -> Iterator[Any]:
        yield message("a")
        raise RuntimeError("the source ended")

    with pytest.raises(RuntimeError):
        store.message_controller.post("q", broken(), CLIENT)
    assert everything(store) == []


@clause("Q20")
def test_a_list_of_messages_has_a_bound(store: DataDriverBase) -> None:
    def endless() -> Iterator[Any]:
        while True:
            yield message("a")

    with pytest.raises(InvalidInput, match="10,000"):
        store.message_controller.post("q", endless(), CLIENT)
    assert everything(store) == []


@clause("Q20")
def test_a_large_post_is_one_post(store: DataDriverBase) -> None:
    found = post(store, *range(3_000))
    assert len(set(found)) == 3_000
    assert bodies(page(store, limit=5_000)[0]) == list(range(3_000))


@clause("Q20")
@assumes("durability", "survives_restart")
def test_what_was_posted_is_there_for_everybody(store: DataDriverBase, open_store: Any) -> None:
    before = open_store(init=False)
    make(store, "q", k=1)
    (only,) = post(store, "a")
    open_store.close(store)
    for each in (before, open_store(init=False)):
        assert each.message_controller.get("q", only)["body"] == "a"
        assert each.queue_controller.get("q") == {"k": 1}
        assert listed(each) == ["a"]


@clause("Q21")
def test_the_queue_need_not_exist(store: DataDriverBase) -> None:
    (only,) = post(store, "a", queue="new", project="p")
    assert store.message_controller.get("new", only, "p")["body"] == "a"
    assert listed(store, "new", project="p") == ["a"]
    assert listed(store, "new") == []
    assert store.queue_controller.exists("new", "p") is True
    assert store.queue_controller.exists("new") is False
    assert bodies(store.message_controller.pop("new", 1, "p")) == ["a"]


@clause("Q12", "Q19")
@rows("ttl", [1, 60, 3_600, 1_209_600])
@needs("claims")
def test_a_message_lives_for_its_ttl(store: DataDriverBase, ttl: int) -> None:
    """Nothing shows it from then on, and nothing before that misses it."""
    queue, messages = f"q{ttl}", store.message_controller
    make(store, queue)
    with at(0):
        (only,) = post(store, "a", ttl=ttl, queue=queue)
    with at(ttl + BEFORE):
        assert listed(store, queue) == ["a"]
        assert messages.get(queue, only)["age"] == ttl - 1
        assert bodies(messages.bulk_get(queue, [only])) == ["a"]
        assert messages.first(queue) is not None
    with at(ttl + BEHIND):
        assert everything(store, queue) == []
        with pytest.raises(MessageDoesNotExist):
            messages.get(queue, only)
        assert list(messages.bulk_get(queue, [only])) == []
        assert messages.first(queue) is messages.first(queue, sort=-1) is None
        assert messages.pop(queue, 1) == []
        assert store.claim_controller.create(queue, {"ttl": 60, "grace": 60}) == (None, [])
        messages.delete(queue, only)
        messages.delete(queue, only, claim="x")
        messages.bulk_delete(queue, [only], claim_ids=[])
        assert messages.redrive(queue, "target") == 0


@clause("Q12")
def test_a_message_without_a_life_is_never_seen(store: DataDriverBase) -> None:
    make(store, "q")
    with at(0):
        (only,) = post(store, "a", ttl=0)
        post(store, "b")
    with at(BEHIND):
        assert listed(store) == ["b"]
        with pytest.raises(MessageDoesNotExist):
            store.message_controller.get("q", only)


CLIENTS: list[Any] = [
    uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005", "00000000000000000000000000000005",
    "{00000000-0000-0000-0000-000000000005}", "a client", "\u00e9\U0001f600", "x" * 255, "'",
]  # fmt: skip


@clause("Q19", "Q14")
@rows("number", range(len(CLIENTS)))
def test_a_client_is_a_uuid_or_any_text(store: DataDriverBase, number: int) -> None:
    queue, client, other = f"q{number}", CLIENTS[number], uuid.UUID(int=6)
    post(store, "mine", queue=queue, client=client)
    post(store, "another's", queue=queue, client=other)
    assert listed(store, queue, client_uuid=client) == ["another's"]
    assert listed(store, queue, client_uuid=client, echo=True) == ["mine", "another's"]
    assert listed(store, queue, client_uuid=other) == ["mine"]

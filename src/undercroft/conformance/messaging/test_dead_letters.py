"""Dead letters: messages that were claimed too often go to another queue, and back by a redrive."""

from __future__ import annotations

from typing import Any

import pytest

from undercroft.conformance.markers import assumes, clause, needs, promise
from undercroft.conformance.messaging.data import (
    BEFORE,
    BEHIND,
    OpenStore,
    at,
    bodies,
    claim,
    claimed,
    counts,
    everything,
    ids,
    listed,
    make,
    page,
    post,
    walk,
)
from undercroft.conformance.rows import rows
from undercroft.conformance.threads import numbered
from undercroft.core.errors import InvalidInput
from undercroft.messaging import DataDriverBase

pytestmark = needs("claims")


def make_pair(store: DataDriverBase, most: int = 1, *, queue: str = "q", target: str = "dead", **more: Any) -> None:
    """A queue whose messages become dead letters after so many claims, and the queue where they go."""
    make(store, queue, _max_claim_count=most, _dead_letter_queue=target, **more)
    make(store, target)


def wear_out(store: DataDriverBase, times: int = 1, queue: str = "q") -> None:
    """Claim all messages and release them, so many times."""
    for _ in range(times):
        made, _ = claimed(store, queue=queue, limit=1_000)
        store.claim_controller.delete(queue, made)


@clause("Q31")
def test_a_message_that_was_claimed_too_often_becomes_a_dead_letter(store: DataDriverBase) -> None:
    make_pair(store, 2)
    with at(0):
        (name,) = post(store, {"k": "\U0001f600"}, ttl=600)
        wear_out(store, 2)
        assert counts(store, "dead") == (0, 0, 0)
    with at(100):
        assert claim(store) == (None, [])
        assert everything(store) == []
        assert counts(store) == (0, 0, 0)
        (found,) = everything(store, "dead")
        wanted = {"id": name, "body": {"k": "\U0001f600"}, "claim_count": 2, "claim_id": None}
        assert {key: found[key] for key in wanted} == wanted
        assert found["ttl"] == 600
        assert store.message_controller.get("dead", name) == found
        assert counts(store, "dead") == (1, 0, 1)
        assert list(store.message_controller.bulk_get("q", [name])) == []
    with at(600 + BEFORE):
        assert ids(everything(store, "dead")) == [name]
    with at(600 + BEHIND):
        assert everything(store, "dead") == []


@clause("Q31")
def test_a_dead_letter_is_free_at_once(store: DataDriverBase) -> None:
    make_pair(store)
    with at(0):
        (name,) = post(store, "a")
        claimed(store, ttl=30)
    with at(31):
        assert claim(store) == (None, [])
        assert listed(store, "dead") == ["a"]
        made, found = claimed(store, queue="dead")
        assert [(one["id"], one["claim_count"]) for one in found] == [(name, 2)]
        store.message_controller.delete("dead", name, claim=made)
        assert everything(store, "dead") == []


@clause("Q31")
def test_a_dead_letter_may_have_a_life_of_its_own(store: DataDriverBase) -> None:
    make_pair(store, _dead_letter_queue_messages_ttl=50)
    with at(0):
        post(store, "long", ttl=10_000)
        post(store, "short", ttl=120)
        wear_out(store)
    with at(100):
        assert claim(store) == (None, [])
        assert [(one["body"], one["ttl"], one["age"]) for one in everything(store, "dead")] == [("long", 50, 0), ("short", 50, 0)]
    with at(150 + BEFORE):
        assert listed(store, "dead") == ["long", "short"]
        assert everything(store, "dead")[0]["age"] == 49
    with at(150 + BEHIND):
        assert everything(store, "dead") == []


@clause("Q31")
def test_the_others_of_a_claim_are_handed_out(store: DataDriverBase) -> None:
    make_pair(store)
    posted = post(store, "a", "b", "c")
    made, _ = claimed(store, limit=2)
    store.claim_controller.delete("q", made)
    more = post(store, "d")
    _, found = claimed(store, limit=10)
    assert ids(found) == [posted[2], *more]
    assert listed(store, "dead") == ["a", "b"]
    assert counts(store) == (0, 2, 2)
    assert counts(store, "dead") == (2, 0, 2)


@clause("Q31")
def test_all_of_them_become_dead_letters_in_their_order(store: DataDriverBase) -> None:
    make_pair(store)
    post(store, "there", queue="dead")
    posted = post(store, *range(7))
    wear_out(store)
    for _ in range(4):
        assert claim(store, limit=3) == (None, [])
    assert everything(store) == []
    assert ids(everything(store, "dead"))[1:] == posted
    assert listed(store, "dead") == walk(store, 2, "dead") == ["there", *range(7)]


@clause("Q31")
@promise("C4")
def test_a_reader_of_dead_letters_sees_each_once(store: DataDriverBase) -> None:
    """They come behind what is there, whatever their ids are; markers and ids lead on."""
    make_pair(store)
    old = post(store, "old")
    wear_out(store)
    post(store, "there", queue="dead")
    found, marker = page(store, "dead")
    assert bodies(found) == ["there"]
    assert claim(store) == (None, [])
    found, _ = page(store, "dead", marker=marker)
    assert ids(found) == old
    post(store, "last", queue="dead")
    assert listed(store, "dead") == walk(store, 1, "dead") == ["there", "old", "last"]
    assert bodies(page(store, "dead", marker=old[0])[0]) == ["last"]
    first, last = (store.message_controller.first("dead", sort=sort) for sort in (1, -1))
    assert [one and one["body"] for one in (first, last)] == ["there", "last"]


@clause("Q31")
@rows(
    "metadata",
    [{"_max_claim_count": 1}, {"_dead_letter_queue": "dead"}, {"_max_claim_count": None, "_dead_letter_queue": "dead"},
     {"_max_claim_count": 1, "_dead_letter_queue": None}, {"_dead_letter_queue_messages_ttl": 5},
     {"_max_claim_count": 1, "_dead_letter_queue": ""},
     {"_max_claim_count": "1", "_dead_letter_queue": "dead"}, {"max_claim_count": 1, "dead_letter_queue": "dead"}],
)  # fmt: skip
def test_both_attributes_are_needed(store: DataDriverBase, metadata: dict[str, Any]) -> None:
    queue = f"q{metadata}"
    make(store, queue, **metadata)
    post(store, "a", queue=queue)
    wear_out(store, 5, queue)
    _, found = claimed(store, queue=queue)
    assert [one["claim_count"] for one in found] == [6]
    assert everything(store, "dead") == []


@clause("Q31", "Q6")
def test_what_the_metadata_say_now_counts(store: DataDriverBase, open_store: OpenStore) -> None:
    other = open_store(init=False)
    make(store, "q", "dead")
    post(store, "a")
    wear_out(store, 3)
    other.queue_controller.set_metadata("q", {"_max_claim_count": 3, "_dead_letter_queue": "dead"})
    assert claim(store) == (None, [])
    assert listed(other, "dead") == ["a"]
    post(store, "b")
    wear_out(other, 3)
    store.queue_controller.set_metadata("q", {})
    wear_out(other)
    assert listed(store) == ["b"]


@clause("Q31", "Q21")
def test_the_queue_of_dead_letters_need_not_exist(store: DataDriverBase) -> None:
    make(store, "q", project="p", _max_claim_count=1, _dead_letter_queue="new")
    post(store, "a", project="p")
    made, _ = claimed(store, project="p")
    store.claim_controller.delete("q", made, "p")
    assert claim(store, project="p") == (None, [])
    assert listed(store, "new", project="p") == ["a"]
    assert listed(store, "new") == []
    assert store.queue_controller.exists("new", "p") is True
    assert store.queue_controller.exists("new") is False
    assert store.queue_controller.get("new", "p") == {}


@clause("Q31")
def test_dead_letters_of_dead_letters(store: DataDriverBase) -> None:
    make_pair(store, 1, queue="a", target="b")
    store.queue_controller.set_metadata("b", {"_max_claim_count": 2, "_dead_letter_queue": "c"})
    (name,) = post(store, "x", queue="a")
    wear_out(store, 1, "a")
    assert claim(store, queue="a") == (None, [])
    wear_out(store, 1, "b")
    assert claim(store, queue="b") == (None, [])
    (found,) = everything(store, "c")
    assert (found["id"], found["claim_count"]) == (name, 2)


@clause("Q31")
def test_two_dead_letters_of_two_queues_meet(store: DataDriverBase) -> None:
    names = []
    make(store, "dead")
    for queue in ("a", "b"):
        make(store, queue, _max_claim_count=1, _dead_letter_queue="dead")
        names += post(store, queue, queue=queue)
        wear_out(store, 1, queue)
    for queue in ("b", "a"):
        assert claim(store, queue=queue) == (None, [])
    assert ids(everything(store, "dead")) == names[::-1]
    store.message_controller.delete("dead", names[0])
    assert listed(store, "dead") == ["b"]


@clause("Q31", "Q28")
@promise("C1")
@assumes("concurrent_writers")
def test_dead_letters_while_many_claim(store: DataDriverBase, open_store: OpenStore) -> None:
    """Each message is handed out as often as allowed, and is a dead letter once."""
    stores = [store, open_store(init=False)]
    make_pair(store, 2)
    post(store, *range(30))

    def work(number: int) -> list[Any]:
        own, seen, nothing = stores[number % 2], [], 0
        while nothing < 3:
            made, found = claim(own, ttl=600, limit=4)
            nothing = 0 if made or found else nothing + 1
            seen += bodies(found)
            own.claim_controller.delete("q", made)
        return seen

    seen = [body for each in numbered(8, work) for body in each]
    while listed(store):
        made, found = claim(store, limit=100)
        seen += bodies(found)
        store.claim_controller.delete("q", made)
    assert sorted(seen) == sorted([*range(30)] * 2)
    assert sorted(listed(store, "dead")) == list(range(30))
    assert counts(store) == (0, 0, 0)
    assert counts(store, "dead") == (30, 0, 30)


# -- redrive ---------------------------------------------------------------------------------------------------------


@clause("Q27")
def test_a_redrive_gives_messages_a_new_life(store: DataDriverBase) -> None:
    with at(0):
        posted = post(store, "a", "b", ttl=100)
        wear_out(store, 3)
    with at(90):
        make(store, "target")
        there = post(store, "there", queue="target")
        assert store.message_controller.redrive("q", "target") == 2
        assert everything(store) == []
        found = everything(store, "target")
        assert ids(found) == [*there, *posted]
        assert [(one["body"], one["ttl"], one["age"], one["claim_count"], one["claim_id"]) for one in found[1:]] == [
            ("a", 100, 0, 0, None), ("b", 100, 0, 0, None)
        ]  # fmt: skip
        assert store.message_controller.get("target", posted[0])["body"] == "a"
        assert counts(store, "target") == (3, 0, 3)
        assert store.message_controller.redrive("q", "target") == 0
    with at(190 + BEFORE):
        assert listed(store, "target") == ["there", "a", "b"]
        assert bodies(claimed(store, queue="target")[1]) == ["there", "a", "b"]
    with at(190 + BEHIND + 120):
        assert listed(store, "target") == ["there"]


@clause("Q27")
def test_a_redrive_moves_the_oldest_first(store: DataDriverBase) -> None:
    posted = post(store, *range(10))
    moved = []
    while count := store.message_controller.redrive("q", "new", limit=4):
        moved.append(count)
        assert ids(everything(store, "new")) == posted[: sum(moved)]
        assert ids(everything(store)) == posted[sum(moved) :]
    assert moved == [4, 4, 2]
    assert listed(store, "new") == walk(store, 3, "new") == list(range(10))


@clause("Q27")
@pytest.mark.parametrize("source", ["q", "unknown"])
def test_a_redrive_of_nothing_makes_no_queue(store: DataDriverBase, source: str) -> None:
    make(store, "q")
    with at(0):
        post(store, "expired", ttl=5)
    with at(10):
        assert store.message_controller.redrive(source, "new") == 0
        assert store.queue_controller.exists("q")
        assert not store.queue_controller.exists("new")
        assert not store.queue_controller.exists("unknown")


@clause("Q27")
def test_claimed_and_delayed_messages_stay(store: DataDriverBase) -> None:
    make(store, "q")
    with at(0):
        post(store, "claimed")
        claimed(store, ttl=600)
        post(store, "delayed", delay=600)
        post(store, "expired", ttl=5)
        post(store, "free")
    with at(10):
        assert store.message_controller.redrive("q", "new") == 1
        assert bodies(everything(store)) == ["claimed", "delayed"]
        assert listed(store, "new") == ["free"]
        assert counts(store) == (1, 1, 2)
        assert counts(store, "new") == (1, 0, 1)
    with at(600 + BEHIND):
        assert store.message_controller.redrive("q", "new") == 2
        assert listed(store, "new") == ["free", "claimed", "delayed"]


@clause("Q27", "Q31")
def test_dead_letters_go_back(store: DataDriverBase) -> None:
    make_pair(store, 1, _dead_letter_queue_messages_ttl=1_000)
    with at(0):
        posted = post(store, *range(3))
        wear_out(store)
        assert claim(store) == (None, [])
        more = post(store, 3)
    with at(500):
        assert store.message_controller.redrive("dead", "q") == 3
        assert ids(everything(store)) == [*more, *posted]
        _, found = claimed(store)
        assert [(one["body"], one["claim_count"]) for one in found] == [(3, 1), (0, 1), (1, 1), (2, 1)]
        assert everything(store, "dead") == []


@clause("Q27")
def test_a_message_may_go_to_and_fro(store: DataDriverBase) -> None:
    (name,) = post(store, "a", queue="a")
    post(store, "b", queue="b")
    for _ in range(3):
        store.message_controller.redrive("a", "b")
        assert ids(everything(store, "b"))[-1] == name
        store.message_controller.redrive("b", "a")
        assert len(everything(store, "a")) == 2
    assert store.message_controller.get("a", name)["body"] == "a"
    store.message_controller.delete("a", name)
    assert listed(store, "a") == ["b"]


@clause("Q27", "Q11")
def test_a_redrive_is_within_its_project(store: DataDriverBase) -> None:
    post(store, "a")
    post(store, "b", project="p")
    assert store.message_controller.redrive("q", "r", "p") == 1
    assert listed(store, "r", project="p") == ["b"]
    assert listed(store) == ["a"]
    assert listed(store, "r") == []
    assert store.message_controller.redrive("unknown", "r") == 0
    with pytest.raises(InvalidInput, match="target"):
        store.message_controller.redrive("q", "q")


@clause("Q27")
@promise("C1")
@assumes("concurrent_writers")
def test_redrives_beside_each_other_and_beside_claims(store: DataDriverBase, open_store: OpenStore) -> None:
    stores = [store, open_store(init=False)]
    make(store, "q", "r")
    post(store, *range(100))

    def work(number: int) -> list[Any]:
        own, done = stores[number % 2], []
        for _ in range(60):
            if number < 4:
                own.message_controller.redrive("q", "r", limit=7)
                continue
            made, found = claim(own, queue="qr"[number % 2], limit=3, ttl=600)
            for one in found:
                own.message_controller.delete("qr"[number % 2], one["id"], claim=made)
                done.append(one["body"])
        return done

    done = [body for each in numbered(8, work) for body in each]
    left = listed(store, "r") + listed(store)
    assert sorted(done + left) == list(range(100))
    assert counts(store)[2] + counts(store, "r")[2] == len(left)


@clause("Q15", "Q27")
def test_the_id_of_a_moved_message_marks_its_place_when_it_is_gone(store: DataDriverBase) -> None:
    """It was posted before those that it came behind."""
    make(store, "q", "target")
    (moved,) = post(store, "moved")
    post(store, "there", queue="target")
    assert store.message_controller.redrive("q", "target") == 1
    post(store, "behind", queue="target")
    assert listed(store, "target") == ["there", "moved", "behind"]
    assert listed(store, "target", marker=moved) == ["behind"]
    store.message_controller.delete("target", moved)
    assert listed(store, "target") == ["there", "behind"]
    assert listed(store, "target", marker=moved) == ["behind"]


@clause("Q18", "Q27")
def test_a_message_that_goes_there_and_back_is_found_by_its_id(store: DataDriverBase) -> None:
    make(store, "q", "target")
    (moved,) = post(store, "moved")
    for source, target in (("q", "target"), ("target", "q"), ("q", "target"), ("target", "q")):
        assert store.message_controller.redrive(source, target) == 1
        assert store.message_controller.get(target, moved)["body"] == "moved"
        assert list(store.message_controller.bulk_get(source, [moved])) == []
    store.message_controller.bulk_delete("target", [moved])
    assert listed(store, "q") == ["moved"]
    store.message_controller.bulk_delete("q", [moved])
    assert listed(store, "q") == []

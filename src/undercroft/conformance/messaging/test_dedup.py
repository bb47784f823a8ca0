"""Posts with a dedup id store once; posts with a receipt are answered as the first time."""

from __future__ import annotations

from typing import Any

import pytest

from undercroft.conformance.markers import assumes, clause, needs, promise
from undercroft.conformance.messaging.data import (
    BEFORE,
    BEHIND,
    CLIENT,
    OTHER,
    OpenStore,
    at,
    bodies,
    claimed,
    counts,
    everything,
    ids,
    listed,
    make,
    message,
    post,
)
from undercroft.conformance.rows import rows
from undercroft.conformance.threads import numbered
from undercroft.messaging import DataDriverBase

pytestmark = needs("deduplication")


@clause("Q22")
@promise("C8")
def test_the_first_id_is_given_back(store: DataDriverBase) -> None:
    make(store, "q")
    (first,) = post(store, "a", dedup_id="x")
    for n, client in enumerate([CLIENT, OTHER, None]):
        assert post(store, n, dedup_id="x", client=client) == [first]
    assert listed(store) == ["a"]
    assert counts(store) == (1, 0, 1)
    (second,) = post(store, "b", dedup_id="y")
    assert second != first
    assert len(set(post(store, "c", "d"))) == 2
    assert listed(store) == ["a", "b", "c", "d"]


@clause("Q22")
@promise("C8")
@needs("claims")
@rows("how", ["deleted", "popped", "finished", "moved", "bulk"])
def test_it_is_remembered_when_the_message_is_gone(store: DataDriverBase, how: str) -> None:
    messages = store.message_controller
    with at(0):
        (first,) = post(store, "a", queue=how, dedup_id="x", ttl=600)
    with at(100):
        if how == "deleted":
            messages.delete(how, first)
        elif how == "popped":
            messages.pop(how, 1)
        elif how == "finished":
            made, _ = claimed(store, queue=how)
            messages.delete(how, first, claim=made)
        elif how == "moved":
            messages.redrive(how, "target")
        else:
            messages.bulk_delete(how, [first])
        assert post(store, "b", queue=how, dedup_id="x") == [first]
        assert everything(store, how) == []
    with at(600 + BEFORE):
        store.gc()
        assert post(store, "c", queue=how, dedup_id="x") == [first]
    with at(600 + BEHIND):
        assert post(store, "d", queue=how, dedup_id="x") != [first]
        assert listed(store, how) == ["d"]


@clause("Q22")
def test_it_is_remembered_for_the_first_messages_ttl(store: DataDriverBase) -> None:
    """Not for that of the posts that stored nothing."""
    with at(0):
        (first,) = post(store, "a", ttl=100, dedup_id="x")
    with at(90):
        assert post(store, "b", ttl=1_000, dedup_id="x") == [first]
    with at(100 + BEHIND):
        (second,) = post(store, "c", ttl=50, dedup_id="x")
        assert second != first
        assert post(store, "d", dedup_id="x") == [second]
        assert listed(store) == ["c"]
    with at(150 + 3 * BEHIND):
        (third,) = post(store, "e", dedup_id="x")
        assert third not in {first, second}
        assert listed(store) == ["e"]


@clause("Q22", "Q30")
@needs("claims")
def test_a_claim_does_not_prolong_it(store: DataDriverBase) -> None:
    with at(0):
        (first,) = post(store, "a", ttl=100, dedup_id="x")
    with at(50):
        claimed(store, ttl=500)
    with at(100 + BEHIND):
        assert post(store, "b", dedup_id="x") != [first]
        assert bodies(everything(store)) == ["a", "b"]


@clause("Q22", "Q11")
def test_it_is_of_its_queue_and_project(store: DataDriverBase) -> None:
    places: list[tuple[str, str | None]] = [("q", None), ("r", None), ("q", "p"), ("Q", None)]
    found = [post(store, list(place), queue=place[0], project=place[1], dedup_id="x")[0] for place in places]
    assert len(set(found)) == 4
    for (queue, project), name in zip(places, found, strict=True):
        assert post(store, "again", queue=queue, project=project, dedup_id="x") == [name]
        assert len(everything(store, queue, project)) == 1


@clause("Q22")
@promise("C7", "S3")
def test_ids_are_compared_exactly(store: DataDriverBase) -> None:
    given = ["x", "X", "x ", " x", "\u00e9", "e\u0301", "\U0001f600", "\uffff", "x\x00", "\x00", "%", "'", "a" * 255, "a" * 254]
    found = {dedup: post(store, dedup, dedup_id=dedup)[0] for dedup in given}
    assert len(set(found.values())) == len(given)
    for dedup, name in found.items():
        assert post(store, "again", dedup_id=dedup) == [name]
    assert listed(store) == given


@clause("Q22", "Q19")
def test_some_of_a_post_are_known(store: DataDriverBase) -> None:
    known, other = post(store, "x", dedup_id="x") + post(store, "y", dedup_id="y")
    given = [
        message("a"), message("x again", dedup_id="x"), message("z", dedup_id="z"), message("b", dedup_id=None),
        message("z again", dedup_id="z"), message("y again", dedup_id="y"), message("c"),
    ]  # fmt: skip
    found = store.message_controller.post("q", given, CLIENT)
    assert len(found) == 7
    assert (found[1], found[5]) == (known, other)
    assert found[2] == found[4]
    assert len(set(found)) == 6
    assert listed(store) == ["x", "y", "a", "z", "b", "c"]
    assert ids(everything(store)) == [known, other, found[0], found[2], found[3], found[6]]


@clause("Q22")
def test_a_post_of_known_messages_only_stores_nothing(store: DataDriverBase) -> None:
    first = post(store, "a", dedup_id="x")
    assert store.message_controller.post("q", [message(n, dedup_id="x") for n in range(5)], CLIENT) == first * 5
    assert listed(store) == ["a"]


@clause("Q22")
@promise("C8")
@assumes("concurrent_writers")
def test_of_sixteen_equal_posts_one_stores(store: DataDriverBase, open_store: OpenStore) -> None:
    stores = [store, open_store(init=False)]
    make(store, "q")
    for n in range(5):

        def work(number: int, dedup: str = f"x{n}") -> list[str]:
            return post(stores[number % 2], number, dedup_id=dedup)

        found = numbered(16, work)
        assert len({name for (name,) in found}) == 1
        (only,) = everything(store)[n:]
        assert found[only["body"]] == [only["id"]]
    assert counts(store) == (5, 0, 5)


@clause("Q22")
@promise("C8")
@assumes("concurrent_writers")
def test_posts_of_the_same_ids_in_other_orders(store: DataDriverBase, open_store: OpenStore) -> None:
    """They neither wait for each other without end, nor store anything twice."""
    stores = [store, open_store(init=False)]
    names = [f"x{n}" for n in range(12)]

    def work(number: int) -> dict[str, str]:
        order = names if number % 2 else names[::-1]
        order = order[number:] + order[:number]
        given = [message(name, dedup_id=name) for name in order]
        return dict(zip(order, stores[number % 2].message_controller.post("q", given, CLIENT), strict=True))

    first, *others = numbered(8, work)
    assert all(other == first for other in others)
    assert {one["body"]: one["id"] for one in everything(store)} == first
    assert len(everything(store)) == 12


@clause("Q22", "Q42")
def test_cleaning_forgets_only_what_is_over(store: DataDriverBase) -> None:
    with at(0):
        gone = post(store, "a", ttl=10, dedup_id="short")
        kept = post(store, "b", ttl=1_000, dedup_id="long")
        store.message_controller.bulk_delete("q", gone + kept)
    with at(20):
        for _ in range(3):
            store.gc()
        assert post(store, "c", dedup_id="long") == kept
        found: list[Any] = post(store, "d", dedup_id="short")
        assert found != gone
        assert listed(store) == ["d"]


@clause("Q22")
def test_without_a_dedup_id_equal_messages_are_two(store: DataDriverBase) -> None:
    assert len(set(post(store, "a", "a") + post(store, "a", dedup_id=None))) == 3
    with pytest.raises(ValueError, match="dedup_id"):
        post(store, "a", dedup_id="")
    assert listed(store) == ["a"] * 3

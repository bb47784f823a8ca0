"""Single messages: the first, the last, one by its id, some by their ids."""

from __future__ import annotations

from typing import Any

import pytest

from undercroft.conformance.markers import clause, needs, promise
from undercroft.conformance.messaging.data import BEHIND, MALFORMED, at, bodies, claimed, everything, ids, make, page, post
from undercroft.conformance.rows import rows
from undercroft.messaging import DataDriverBase, MessageDoesNotExist


def ends(store: DataDriverBase, queue: str = "q") -> list[Any]:
    """The bodies of the first and the last message."""
    found = [store.message_controller.first(queue, sort=sort) for sort in (1, -1)]
    return [one and one["body"] for one in found]


@clause("Q17")
@needs("claims")
def test_the_first_and_the_last_message(store: DataDriverBase) -> None:
    assert ends(store) == ends(store, "unknown") == [None, None]
    make(store, "q")
    assert ends(store) == [None, None]
    with at(0):
        first, *_ = post(store, "a", "b", ttl=60)
        post(store, "c", "d")
        post(store, "e", ttl=30)
        assert ends(store) == ["a", "e"]
        made, _ = claimed(store, limit=1, ttl=10)
        found = store.message_controller.first("q")
        assert found is not None
        assert (found["id"], found["claim_id"], found["claim_count"]) == (first, made, 1)
    with at(30 + BEHIND):
        assert ends(store) == ["a", "d"]
    with at(60 + BEHIND):
        assert ends(store) == ["c", "d"]
        store.message_controller.pop("q", 1)
        assert ends(store) == ["d", "d"]


@clause("Q17")
def test_the_first_message_says_when_it_was_posted(store: DataDriverBase) -> None:
    with at(0.25):
        post(store, "a")
    with at(60):
        found = store.message_controller.first("q")
        assert found is not None
        assert found["created"] == "2024-03-01T12:00:00Z"


@clause("Q17")
@rows("sort", [0, 2, -2, "1", None])
def test_an_order_is_upwards_or_downwards(store: DataDriverBase, sort: Any) -> None:
    with pytest.raises(ValueError, match="sort"):
        store.message_controller.first("q", sort=sort)


@clause("Q18")
@promise("S3")
@rows("name", MALFORMED)
def test_malformed_ids_are_not_found(store: DataDriverBase, name: str) -> None:
    if not everything(store):
        post(store, "a")
    with pytest.raises(MessageDoesNotExist):
        store.message_controller.get("q", name)
    assert list(store.message_controller.bulk_get("q", [name])) == []
    store.message_controller.delete("q", name)
    store.message_controller.bulk_delete("q", [name])
    assert bodies(everything(store)) == ["a"]


@clause("Q18")
def test_an_unknown_id_is_told_with_its_queue(store: DataDriverBase) -> None:
    (gone,) = post(store, "a", project="p")
    store.message_controller.delete("q", gone, "p")
    with pytest.raises(MessageDoesNotExist, match=f"Message {gone} does not exist in queue q for project p"):
        store.message_controller.get("q", gone, "p")
    with pytest.raises(MessageDoesNotExist):
        store.message_controller.get("unknown", gone, "p")


@clause("Q18", "Q14")
@needs("claims")
def test_one_message_whatever_its_state(store: DataDriverBase) -> None:
    with at(0):
        free, held = post(store, "free", "held")[::-1]
        (delayed,) = post(store, "delayed", delay=60)
        made, _ = claimed(store, limit=1)
        found = {name: store.message_controller.get("q", name) for name in (free, held, delayed)}
        assert [one["body"] for one in found.values()] == ["held", "free", "delayed"]
        assert found[held]["claim_id"] == made
        assert found[free]["claim_id"] is found[delayed]["claim_id"] is None
        assert bodies(store.message_controller.bulk_get("q", [delayed, held, free])) == ["free", "held", "delayed"]


@clause("Q18")
def test_some_messages_by_their_ids(store: DataDriverBase) -> None:
    with at(0):
        posted = post(store, *range(30))
        short = post(store, "gone", ttl=5)
    with at(10):
        messages = store.message_controller
        found = messages.bulk_get("q", [*posted[5:8], "x", *short, posted[2], posted[5], "9" * 30])
        assert next(found)["body"] == 2
        assert bodies(found) == [5, 6, 7]
        assert list(messages.bulk_get("q", [])) == list(messages.bulk_get("q", iter(()))) == []
        assert list(messages.bulk_get("unknown", posted)) == []
        assert bodies(messages.bulk_get("q", iter(posted))) == list(range(30))


@clause("Q11")
@promise("C7")
@needs("claims")
def test_an_id_means_nothing_outside_its_queue_and_project(store: DataDriverBase) -> None:
    messages = store.message_controller
    (own,) = post(store, "own")
    places = [("r", None), ("q", "p"), ("r", "p")]
    for queue, project in places:
        post(store, "theirs", queue=queue, project=project)
        theirs, _ = claimed(store, queue=queue, project=project)
        with pytest.raises(MessageDoesNotExist):
            messages.get(queue, own, project)
        assert list(messages.bulk_get(queue, [own], project)) == []
        messages.delete(queue, own, project)
        messages.bulk_delete(queue, [own], project)
        messages.bulk_delete(queue, [own], project, claim_ids=[theirs])
        assert bodies(everything(store, queue, project)) == ["theirs"]
    assert messages.get("q", own)["body"] == "own"
    assert ids(page(store)[0]) == [own]

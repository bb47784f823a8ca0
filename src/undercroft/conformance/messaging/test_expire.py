"""Removing what has expired: nothing that is to be seen goes, and the work of a call is bounded."""

from __future__ import annotations

import threading

import pytest

from undercroft.conformance.markers import assumes, clause, needs, promise
from undercroft.conformance.messaging.data import (
    BEFORE,
    BEHIND,
    OpenStore,
    at,
    bodies,
    claimed,
    counts,
    everything,
    listed,
    make,
    page,
    post,
    subscribers,
    walk,
)
from undercroft.conformance.threads import numbered, together
from undercroft.messaging import ClaimDoesNotExist, DataDriverBase


def cleaned(store: DataDriverBase) -> list[int]:
    """Clean until nothing is left; how many went with each call."""
    found: list[int] = []
    while count := store.clean():
        found.append(count)
    return found


@clause("Q42")
@promise("C5")
@needs("claims")
@pytest.mark.usefixtures("examined")
def test_nothing_that_is_to_be_seen_goes(store: DataDriverBase) -> None:
    with at(0):
        make(store, "q", "empty", k=1)
        post(store, "gone", ttl=50)
        post(store, "prolonged", ttl=50)
        post(store, "stays")
        post(store, "delayed", delay=1_000)
        store.message_controller.redrive("q", "x", limit=1)
        store.message_controller.redrive("x", "q")
        claimed(store, limit=1, ttl=600, grace=60)
        store.subscription_controller.create("q", "http://short", 50, {})
        store.subscription_controller.create("q", "http://long", 1_000, {})
        store.topic_controller.create("t", {"k": 2})
    with at(50 + BEFORE):
        assert cleaned(store) == []
        assert bodies(everything(store)) == ["prolonged", "stays", "delayed", "gone"]
    with at(50 + BEHIND):
        before = everything(store), counts(store), page(store), store.depths(10), subscribers(store)
        # A driver may remove what it comes across.
        assert sum(cleaned(store)) <= 1
        store.gc()
        assert cleaned(store) == []
        assert before == (everything(store), counts(store), page(store), store.depths(10), subscribers(store))
        assert bodies(before[0]) == ["prolonged", "stays", "delayed"]
        assert store.queue_controller.get("q") == store.queue_controller.get("empty") == {"k": 1}
        assert store.topic_controller.get("t") == {"k": 2}
        assert subscribers(store) == ["http://long"]


@clause("Q12", "Q14", "Q22", "Q28", "Q35")
@promise("C2", "C5")
@needs("claims")
@needs("deduplication")
def test_what_ends_ends_at_its_moment(store: DataDriverBase) -> None:
    """To the millisecond: a life, a delay, a claim, a subscription, and what is remembered of a dedup id."""
    with at(0):
        (gone,) = post(store, "gone", ttl=60, dedup_id="x")
        (held,) = post(store, "claimed", queue="r")
        made, _ = claimed(store, queue="r", ttl=60)
        post(store, "delayed", queue="s", delay=60)
        store.subscription_controller.create("q", "http://a", 60, {})
    with at(59.999):
        assert listed(store) == ["gone"]
        assert store.message_controller.get("q", gone)["age"] == 59
        assert store.claim_controller.get("r", made)[0]["age"] == 59
        assert listed(store, "r") == listed(store, "s") == []
        assert subscribers(store) == ["http://a"]
        assert post(store, "again", dedup_id="x") == [gone]
        assert store.clean() == 0
    with at(60):
        assert listed(store) == list(store.message_controller.bulk_get("q", [gone])) == []
        assert store.message_controller.first("q") is None
        assert store.message_controller.pop("q", 1) == []
        assert counts(store) == (0, 0, 0)
        assert counts(store, "r") == counts(store, "s") == (1, 0, 1)
        with pytest.raises(ClaimDoesNotExist):
            store.claim_controller.get("r", made)
        assert store.message_controller.get("r", held)["claim_id"] is None
        assert listed(store, "r") == ["claimed"]
        assert listed(store, "s") == ["delayed"]
        assert bodies(claimed(store, queue="r")[1]) == ["claimed"]
        assert bodies(claimed(store, queue="s")[1]) == ["delayed"]
        assert subscribers(store) == []
        assert store.subscription_controller.create("q", "http://a", 60, {}) is not None
        assert post(store, "new", dedup_id="x") != [gone]
        assert listed(store) == ["new"]


@clause("Q42")
@promise("C5")
def test_a_call_does_bounded_work(store: DataDriverBase) -> None:
    with at(0):
        make(store, "q", "r")
        for queue in ("q", "r"):
            post(store, *range(3_000), ttl=10, queue=queue)
        post(store, "stays")
    with at(20):
        removed = cleaned(store)
        assert sum(removed) == 6_000
        assert max(removed) <= 5_000
        assert len(removed) > 1
        assert listed(store) == ["stays"]
        assert counts(store) == (1, 0, 1)
        assert counts(store, "r") == (0, 0, 0)


@clause("Q42")
@promise("C5")
def test_what_expires_a_moment_later_stays(store: DataDriverBase) -> None:
    """Beside messages of its queue that go."""
    with at(0):
        make(store, "q")
        post(store, "gone", ttl=50)
    with at(0.5):
        post(store, "stays", ttl=50)
    with at(50.3):
        assert cleaned(store) == [1]
        assert listed(store) == ["stays"]
        assert counts(store) == (1, 0, 1)
    with at(50.7):
        assert cleaned(store) == [1]


@clause("Q42", "Q8")
@promise("C5")
@pytest.mark.usefixtures("examined")
def test_messages_of_deleted_queues_are_removed(store: DataDriverBase) -> None:
    with at(0):
        make(store, "q", "r")
        post(store, *range(1_500))
        post(store, "theirs", queue="r")
        store.queue_controller.delete("q")
        make(store, "q")
        post(store, "new")
    with at(1_000):
        # They may have gone with their queue.
        assert sum(cleaned(store)) in {0, 1_500}
        assert listed(store) == ["new"]
        assert listed(store, "r") == ["theirs"]
        assert cleaned(store) == []


@clause("Q42", "Q15")
@promise("C4", "C5")
def test_cleaning_moves_no_marker(store: DataDriverBase) -> None:
    with at(0):
        for n in range(30):
            post(store, n, ttl=10 if n % 3 else 1_000)
        _, marker = page(store, limit=11)
    with at(20):
        wanted = walk(store, 2, marker=marker)
        cleaned(store)
        assert walk(store, 2, marker=marker) == wanted == [12, 15, 18, 21, 24, 27]
        (name,) = post(store, "later")
        assert listed(store)[-1] == "later"
        assert page(store, marker=name)[0] == []


@clause("Q42")
def test_an_empty_store_has_nothing_to_remove(store: DataDriverBase) -> None:
    assert store.clean() == 0
    store.gc()
    make(store, "q")
    assert cleaned(store) == []


@clause("Q42")
@promise("C5")
@needs("claims")
@assumes("concurrent_writers")
@pytest.mark.usefixtures("examined")
def test_many_clean_while_others_work(store: DataDriverBase, open_store: OpenStore) -> None:
    """Expired messages are removed once; concurrent posts, claims and deletions lose nothing."""
    others = [open_store(init=False) for _ in range(3)]
    with at(0):
        make(store, "q")
        for n in range(10):
            post(store, *(["gone"] * 200), ttl=10)
            post(store, n)
    done = threading.Event()
    removed: list[int] = []

    def clean(by: DataDriverBase) -> None:
        while not done.is_set():
            removed.append(by.clean())

    def work() -> None:
        try:
            for n in range(10, 40):
                (name,) = post(others[2], n)
                if n % 2:
                    others[2].message_controller.delete("q", name)
                if n % 5 == 0:
                    made, _ = claimed(others[2], limit=3)
                    others[2].claim_controller.delete("q", made)
        finally:
            done.set()

    with at(20):
        together(lambda: clean(store), lambda: clean(others[0]), lambda: clean(others[1]), work)
        numbered(3, lambda number: cleaned([store, *others][number]))
        assert listed(store) == [*range(10), *range(10, 40, 2)]
        assert counts(store) == (25, 0, 25)
    assert sum(removed) <= 2_000

"""Statistics of queues: what is free, what is claimed, and the ends."""

from __future__ import annotations

import pytest

from undercroft.conformance.markers import assumes, clause, needs
from undercroft.conformance.messaging.data import (
    BEFORE,
    BEHIND,
    OpenStore,
    at,
    claimed,
    counts,
    make,
    post,
)
from undercroft.conformance.threads import numbered
from undercroft.messaging import DataDriverBase, QueueDoesNotExist
from undercroft.messaging.contract.topic import queue_of


@clause("Q9")
def test_a_queue_without_messages_has_no_ends(store: DataDriverBase) -> None:
    make(store, "q")
    wanted = {"messages": {"free": 0, "claimed": 0, "total": 0}}
    assert store.queue_controller.stats("q") == wanted
    with at(0):
        post(store, "a", ttl=10)
    with at(10 + BEHIND):
        assert store.queue_controller.stats("q") == wanted


@clause("Q9")
def test_the_ends_say_when(store: DataDriverBase) -> None:
    make(store, "q")
    with at(0.3):
        first, *_ = post(store, "a", "b")
    with at(100.3):
        *_, last = post(store, "c", "d")
    with at(130.6):
        found = store.queue_controller.stats("q")["messages"]
    assert found.keys() == {"free", "claimed", "total", "oldest", "newest"}
    assert found["oldest"] == {"id": first, "age": 130, "created": "2024-03-01T12:00:00Z"}
    assert found["newest"] == {"id": last, "age": 30, "created": "2024-03-01T12:01:40Z"}


@clause("Q9", "Q21")
@needs("claims")
def test_a_queue_that_was_not_made_has_statistics_of_its_messages(store: DataDriverBase) -> None:
    messages = store.message_controller
    assert messages.stats("q") == {"messages": {"free": 0, "claimed": 0, "total": 0}}
    with pytest.raises(QueueDoesNotExist):
        store.queue_controller.stats("q")
    with at(0):
        post(store, *range(5))
        claimed(store, limit=2)
        assert counts(store) == (3, 2, 5)
        assert messages.stats("q") == store.queue_controller.stats("q")
        assert messages.stats("q", "p")["messages"]["total"] == 0
        assert store.queue_controller.create("q") is False
        assert counts(store) == (3, 2, 5)


@clause("Q9")
def test_the_ends_of_one_message_are_the_same(store: DataDriverBase) -> None:
    make(store, "q")
    with at(0):
        (only,) = post(store, "a")
    with at(1 + BEHIND):
        found = store.queue_controller.stats("q")["messages"]
    assert found["oldest"] == found["newest"]
    assert found["oldest"]["id"] == only


@clause("Q9", "Q12")
def test_messages_that_expired_do_not_count(store: DataDriverBase) -> None:
    """Nothing was removed yet."""
    make(store, "q")
    with at(0):
        post(store, "a", ttl=10)
        (second,) = post(store, "b", ttl=30)
        post(store, "c", ttl=20)
    for seconds, wanted in (
        (10 + BEFORE, 3),
        (10 + BEHIND, 2),
        (20 + BEFORE, 2),
        (20 + BEHIND, 1),
        (30 + BEFORE, 1),
        (30 + BEHIND, 0),
    ):
        with at(seconds):
            assert counts(store) == (wanted, 0, wanted)
            found = store.queue_controller.stats("q")["messages"]
            if wanted == 1:
                assert found["oldest"]["id"] == found["newest"]["id"] == second


@clause("Q9", "Q28", "Q34")
@needs("claims")
def test_messages_under_a_claim_are_claimed_until_it_is_over(store: DataDriverBase) -> None:
    make(store, "q")
    with at(0):
        post(store, *range(10))
        made, found = claimed(store, ttl=30, limit=4)
        assert counts(store) == (6, 4, 10)
        store.message_controller.delete("q", found[0]["id"], claim=made)
        assert counts(store) == (6, 3, 9)
        other, _ = claimed(store, ttl=60, limit=2)
        assert counts(store) == (4, 5, 9)
    with at(30 + BEFORE):
        assert counts(store) == (4, 5, 9)
    with at(30 + BEHIND):
        assert counts(store) == (7, 2, 9)
        store.claim_controller.update("q", other, {"ttl": 100, "grace": 60})
    with at(60 + BEHIND):
        assert counts(store) == (7, 2, 9)
        store.claim_controller.delete("q", other)
        assert counts(store) == (9, 0, 9)
        claimed(store, ttl=30, limit=3)
        assert counts(store) == (6, 3, 9)


@clause("Q9", "Q12", "Q30")
@needs("claims")
def test_claimed_and_expired_messages_count_right_together(store: DataDriverBase) -> None:
    """Messages whose claim ran out, messages that expired after that, messages that a claim kept, all at once."""
    make(store, "q")
    with at(0):
        post(store, "a", "b", ttl=20)
        post(store, "c", "d", ttl=500)
        claimed(store, ttl=30, grace=20, limit=3)
        assert counts(store) == (1, 3, 4)
    with at(40):
        assert counts(store) == (4, 0, 4)
    with at(50 + BEHIND):
        assert counts(store) == (2, 0, 2)
        _, found = claimed(store, ttl=10, limit=1)
        assert found[0]["body"] == "c"
        assert counts(store) == (1, 1, 2)
    with at(70):
        assert counts(store) == (2, 0, 2)
    with at(500 + BEHIND):
        assert counts(store) == (0, 0, 0)


@clause("Q9")
def test_delayed_messages_are_free(store: DataDriverBase) -> None:
    make(store, "q")
    with at(0):
        post(store, "a", delay=100)
        assert counts(store) == (1, 0, 1)
        post(store, "b")
        assert counts(store) == (2, 0, 2)
    with at(100 + BEHIND):
        assert counts(store) == (2, 0, 2)


@clause("Q9", "Q24", "Q25", "Q26")
@needs("claims")
def test_what_is_deleted_does_not_count(store: DataDriverBase, open_store: OpenStore) -> None:
    other = open_store(init=False)
    make(store, "q")
    with at(0):
        ids = post(store, *range(12))
        made, _ = claimed(store, limit=5)
        store.message_controller.bulk_delete("q", ids[:2] + ids[10:])
        assert counts(store) == counts(other) == (5, 3, 8)
        store.message_controller.bulk_delete("q", [ids[2]], claim_ids=[made])
        assert counts(store) == counts(other) == (5, 2, 7)
        store.message_controller.pop("q", 3)
        assert counts(store) == counts(other) == (2, 2, 4)
        store.message_controller.delete("q", ids[9])
        assert counts(store) == counts(other) == (1, 2, 3)
        store.message_controller.bulk_delete("q", ids)
        assert counts(store) == counts(other) == (0, 0, 0)


@clause("Q9", "Q42")
@needs("claims")
def test_statistics_stay_right_over_many_calls_and_cleanings(store: DataDriverBase) -> None:
    make(store, "q")
    wanted = 0
    for n in range(40):
        with at(n * 10):
            post(store, n, "short", ttl=1_000_000)
            post(store, "gone", ttl=5)
            wanted += 2
            # The oldest ones, so none of the short lives.
            made, found = claimed(store, ttl=5, limit=1)
            if n % 3:
                store.message_controller.delete("q", found[0]["id"], claim=made)
                wanted -= 1
        with at(n * 10 + 9):
            if n % 5 == 0:
                store.gc()
            free, under_claim, total = counts(store)
            assert under_claim == 0
            assert free == total == wanted


@clause("Q9")
@needs("claims")
def test_depths_of_all_queues_the_fullest_first(store: DataDriverBase) -> None:
    with at(0):
        make(store, "a", "empty")
        make(store, "b", project="p")
        store.topic_controller.create("t")
        post(store, "x", queue="a")
        post(store, *range(5), queue="b", project="p")
        post(store, "gone", ttl=5, queue="a")
    with at(10):
        post(store, *range(3), queue=queue_of("t"))
        claimed(store, ttl=60, queue="b", project="p", limit=2)
    with at(30 + BEHIND):
        found, left_out = store.depths(100)
        wanted = [("p", "b", 3, 2, 30), ("", queue_of("t"), 3, 0, 20), ("", "a", 1, 0, 30), ("", "empty", 0, 0, 0)]
        assert [tuple(one) for one in found] == wanted
        assert left_out == 0
        for limit in (1, 2, 4):
            found, left_out = store.depths(limit)
            assert [tuple(one) for one in found] == wanted[:limit]
            assert left_out == 4 - limit


@clause("Q9", "Q21")
def test_depths_of_a_queue_that_nothing_made(store: DataDriverBase) -> None:
    """A host that keeps queues elsewhere posts to such."""
    store.makes_queues = False
    with at(0):
        post(store, 1, 2, queue="unmade")
        assert [tuple(one) for one in store.depths(10).queues] == [("", "unmade", 2, 0, 0)]
        store.message_controller.pop("unmade", 2)
        assert sum(one.free for one in store.depths(10).queues) == 0


@clause("Q9", "Q20")
@needs("claims")
@assumes("concurrent_writers")
def test_statistics_are_right_after_many_writers(store: DataDriverBase, open_store: OpenStore) -> None:
    stores = [store, open_store(init=False)]
    make(store, "q")

    def work(number: int) -> int:
        own, left = stores[number % 2], 0
        for n in range(10):
            post(own, *range(n % 3 + 1))
            left += n % 3 + 1
            if n % 2:
                made, found = own.claim_controller.create("q", {"ttl": 600, "grace": 60}, limit=1)
                if n % 4 == 1 and found:
                    own.message_controller.delete("q", found[0]["id"], claim=made)
                    left -= 1
                elif found:
                    own.claim_controller.delete("q", made)
        return left

    left = sum(numbered(8, work))
    assert counts(store) == counts(stores[1]) == (left, 0, left)

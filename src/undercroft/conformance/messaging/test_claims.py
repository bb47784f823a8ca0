"""Claims: what is taken, for how long, and what becomes of the messages."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from undercroft.conformance.markers import assumes, clause, needs, promise
from undercroft.conformance.messaging.data import (
    BEFORE,
    BEHIND,
    FIELDS,
    MALFORMED,
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
    post,
)
from undercroft.conformance.rows import rows
from undercroft.core.errors import InvalidInput
from undercroft.messaging import ClaimDoesNotExist, DataDriverBase, MessageDoesNotExist

pytestmark = needs("claims")


@clause("Q29")
def test_the_oldest_messages_are_claimed_in_order(store: DataDriverBase) -> None:
    with at(0):
        posted = post(store, *range(12))
        made, found = store.claim_controller.create("q", {"ttl": 60, "grace": 60})
        assert isinstance(made, str)
        assert made
        assert ids(found) == posted[:10]
        assert bodies(found) == list(range(10))
        assert all(one.keys() == FIELDS for one in found)
        assert {(one["claim_id"], one["claim_count"], one["ttl"], one["age"]) for one in found} == {(made, 1, 3_600, 0)}
        other, found = claim(store, limit=1)
        assert bodies(found) == [10]
        third, found = claim(store, limit=5)
        assert bodies(found) == [11]
        assert len({made, other, third}) == 3


@clause("Q29")
def test_nothing_to_claim(store: DataDriverBase) -> None:
    with at(0):
        assert claim(store, queue="unknown") == (None, [])
        assert claim(store, queue="unknown", project="p") == (None, [])
        make(store, "q")
        assert claim(store) == (None, [])
        post(store, "delayed", delay=60)
        post(store, "expired", ttl=5)
    with at(10):
        assert claim(store) == (None, [])
        post(store, "a")
        claimed(store)
        assert claim(store) == (None, [])


@clause("Q29", "Q12")
@promise("C5")
def test_only_what_is_free_is_claimed(store: DataDriverBase) -> None:
    with at(0):
        post(store, "claimed", "released")
        post(store, "delayed", delay=60)
        post(store, "expired", ttl=10)
        post(store, "free")
        claimed(store, limit=1)
        made, _ = claimed(store, limit=1)
        store.claim_controller.delete("q", made)
    with at(11):
        _, found = claimed(store, limit=10)
        assert [(one["body"], one["claim_count"]) for one in found] == [("released", 2), ("free", 1)]


@clause("Q29")
@rows("limit", [1, 2, 7, 100, 10_000])
def test_a_claim_has_its_limit(store: DataDriverBase, limit: int) -> None:
    queue = f"q{limit}"
    post(store, *range(120), queue=queue)
    _, found = claimed(store, limit=limit, queue=queue)
    assert bodies(found) == list(range(min(limit, 120)))
    assert len(listed(store, queue)) == max(0, 120 - limit)


@clause("Q29", "Q34")
def test_free_ones_of_any_past_are_claimed_in_the_order_of_their_posts(store: DataDriverBase) -> None:
    """Never claimed, released, run out, delayed until now."""
    with at(0):
        post(store, "run out")
        claimed(store, limit=1, ttl=30)
        post(store, "delayed", delay=20)
        post(store, "released")
        made, _ = claimed(store, limit=1, ttl=300)
        post(store, "never")
        post(store, "delayed too", delay=30)
        post(store, "never too")
        store.claim_controller.delete("q", made)
    with at(40):
        wanted = ["run out", "delayed", "released", "never", "delayed too", "never too"]
        assert listed(store) == wanted
        for first in range(0, 6, 2):
            assert bodies(claimed(store, limit=2)[1]) == wanted[first : first + 2]


@clause("Q28")
@promise("C2")
@rows("ttl", [1, 60, 43_200])
def test_a_claim_ends_with_its_ttl(store: DataDriverBase, ttl: int) -> None:
    """Not before, and without anybody's help."""
    queue = f"q{ttl}"
    with at(0):
        post(store, "a", queue=queue, ttl=1_000_000)
        made, _ = claimed(store, ttl=ttl, queue=queue)
    with at(ttl + BEFORE):
        assert claim(store, queue=queue) == (None, [])
        assert store.claim_controller.get(queue, made)[0] == {"id": made, "ttl": ttl, "age": ttl - 1}
    with at(ttl + BEHIND):
        with pytest.raises(ClaimDoesNotExist):
            store.claim_controller.get(queue, made)
        assert listed(store, queue) == ["a"]
        other, found = claimed(store, queue=queue)
        assert other != made
        assert [(one["body"], one["claim_count"]) for one in found] == [("a", 2)]


@clause("Q28", "Q33")
def test_a_claim_that_is_over_is_not_renewed(store: DataDriverBase) -> None:
    """Also when this is the first that is asked of the queue since."""
    with at(0):
        post(store, "a")
        made, _ = claimed(store, ttl=60)
    with at(60 + BEHIND):
        with pytest.raises(ClaimDoesNotExist):
            store.claim_controller.update("q", made, {"ttl": 60, "grace": 60})
        assert listed(store) == ["a"]


@clause("Q28")
@promise("C2")
def test_a_claim_made_within_a_second_lasts_its_whole_ttl(store: DataDriverBase) -> None:
    with at(0.9):
        post(store, "a")
        claimed(store, ttl=2)
    with at(2.9 + BEFORE):
        assert listed(store) == []
    with at(2.9 + BEHIND):
        assert listed(store) == ["a"]


LIVES: list[tuple[int, int, int, int]] = [
    # The ttl of the message; of the claim, and its grace; and the seconds at which the message goes.
    (100, 60, 60, 100), (100, 90, 1_000, 100), (100, 100, 60, 100), (100, 101, 60, 161), (100, 200, 0, 200), (100, 200, 100, 300),
    (10, 60, 60, 120), (60, 3_600, 60, 3_660),
]  # fmt: skip


@clause("Q30")
@promise("C5")
@rows(("ttl", "span", "grace", "goes"), LIVES)
def test_a_message_outlives_its_claim_by_the_grace(store: DataDriverBase, ttl: int, span: int, grace: int, goes: int) -> None:
    queue = f"{ttl} {span} {grace}"
    with at(0):
        (name,) = post(store, "a", ttl=ttl, queue=queue)
        _, (found,) = claimed(store, ttl=span, grace=grace, queue=queue)
        wanted = ttl if goes == ttl else span + grace
        assert found["ttl"] == wanted
        assert store.message_controller.get(queue, name)["ttl"] == wanted
    with at(goes + BEFORE):
        assert store.message_controller.get(queue, name)["ttl"] == wanted
    with at(goes + BEHIND):
        with pytest.raises(MessageDoesNotExist):
            store.message_controller.get(queue, name)
        assert everything(store, queue) == []


@clause("Q30")
def test_each_message_of_a_claim_is_prolonged_by_itself(store: DataDriverBase) -> None:
    with at(0):
        post(store, "short", ttl=50)
        post(store, "long", ttl=500)
    with at(40):
        post(store, "fresh", ttl=50)
        _, found = claimed(store, ttl=60, grace=30)
        assert [(one["body"], one["ttl"], one["age"]) for one in found] == [("short", 90, 40), ("long", 500, 40), ("fresh", 90, 0)]
    with at(130 + BEFORE):
        assert listed(store) == ["short", "long", "fresh"]
    with at(130 + BEHIND):
        assert listed(store) == ["long"]


@clause("Q30", "Q33", "Q34")
def test_claims_are_counted_whatever_became_of_them(store: DataDriverBase) -> None:
    with at(0):
        (name,) = post(store, "a")

        def count() -> Any:
            return store.message_controller.get("q", name)["claim_count"]

        assert count() == 0
        made, _ = claimed(store, ttl=10)
        assert count() == 1
        store.claim_controller.update("q", made, {"ttl": 10, "grace": 60})
        assert count() == 1
        store.claim_controller.delete("q", made)
        assert count() == 1
        claimed(store, ttl=10)
        assert count() == 2
    with at(11):
        assert count() == 2
        assert [one["claim_count"] for one in everything(store)] == [2]
        _, found = claimed(store)
        assert [one["claim_count"] for one in found] == [3]


@clause("Q32")
def test_a_claim_is_found_with_its_messages(store: DataDriverBase) -> None:
    with at(0):
        post(store, *range(5))
        made, taken = claimed(store, ttl=100, limit=3)
        found, messages = store.claim_controller.get("q", made)
        assert found == {"id": made, "ttl": 100, "age": 0}
        assert list(messages) == taken
    with at(42 + BEHIND):
        found, messages = store.claim_controller.get("q", made)
        assert found == {"id": made, "ttl": 100, "age": 42}
        assert [(one["body"], one["age"], one["claim_id"]) for one in messages] == [(n, 42, made) for n in range(3)]
        store.message_controller.delete("q", taken[1]["id"], claim=made)
        assert bodies(store.claim_controller.get("q", made)[1]) == [0, 2]
        store.message_controller.bulk_delete("q", ids(taken))
        with pytest.raises(ClaimDoesNotExist):
            store.claim_controller.get("q", made)


@clause("Q32", "Q33", "Q34", "Q11")
@promise("S3")
@rows("name", [*MALFORMED, None, "", "123456789", 5])
def test_claims_that_do_not_exist(store: DataDriverBase, name: Any) -> None:
    if not everything(store):
        post(store, "a")
        claimed(store)
    controller = store.claim_controller
    with pytest.raises(ClaimDoesNotExist):
        controller.get("q", name)
    for metadata in ({"ttl": 60, "grace": 60}, {}, {"ttl": 60}):
        with pytest.raises(ClaimDoesNotExist):
            controller.update("q", name, metadata)
    controller.delete("q", name)
    assert counts_of(store) == (0, 1)


def counts_of(store: DataDriverBase) -> tuple[int, int]:
    """How many messages of the queue are free, and under a claim."""
    held = [one["claim_id"] is not None for one in everything(store)]
    return held.count(False), held.count(True)


@clause("Q32", "Q33", "Q34", "Q11")
def test_a_claim_means_nothing_outside_its_queue_and_project(store: DataDriverBase) -> None:
    post(store, "a")
    made, _ = claimed(store)
    for queue, project in (("r", None), ("q", "p"), ("r", "p"), ("unknown", None)):
        if queue != "unknown":
            post(store, "a", queue=queue, project=project)
            claimed(store, queue=queue, project=project)
        with pytest.raises(ClaimDoesNotExist):
            store.claim_controller.get(queue, made, project)
        with pytest.raises(ClaimDoesNotExist):
            store.claim_controller.update(queue, made, {"ttl": 60, "grace": 60}, project)
        store.claim_controller.delete(queue, made, project)
    assert bodies(store.claim_controller.get("q", made)[1]) == ["a"]


@clause("Q33")
def test_a_renewed_claim_begins_anew(store: DataDriverBase) -> None:
    controller = store.claim_controller
    with at(0):
        post(store, *range(3))
        made, taken = claimed(store, ttl=60, limit=2)
    with at(50):
        controller.update("q", made, {"ttl": 100, "grace": 60})
        assert controller.get("q", made)[0] == {"id": made, "ttl": 100, "age": 0}
        assert ids(controller.get("q", made)[1]) == ids(taken)
    with at(150 + BEFORE):
        assert counts_of(store) == (1, 2)
        assert controller.get("q", made)[0]["age"] == 99
    with at(150 + BEHIND):
        assert counts_of(store) == (3, 0)
        with pytest.raises(ClaimDoesNotExist):
            controller.update("q", made, {"ttl": 100, "grace": 60})


@clause("Q33")
def test_a_claim_may_be_shortened(store: DataDriverBase) -> None:
    with at(0):
        post(store, "a")
        made, _ = claimed(store, ttl=600)
        store.claim_controller.update("q", made, {"ttl": 10, "grace": 60})
    with at(10 + BEFORE):
        assert listed(store) == []
    with at(10 + BEHIND):
        assert listed(store) == ["a"]


@clause("Q33", "Q30")
def test_a_renewal_prolongs_the_messages(store: DataDriverBase) -> None:
    with at(0):
        post(store, "short", ttl=100)
        post(store, "long", ttl=10_000)
        made, _ = claimed(store, ttl=60)
    with at(50):
        store.claim_controller.update("q", made, {"ttl": 200, "grace": 30})
        found = store.claim_controller.get("q", made)[1]
        assert [(one["ttl"], one["age"]) for one in found] == [(230, 50), (10_000, 50)]
    with at(280 + BEFORE):
        assert listed(store) == ["short", "long"]
    with at(280 + BEHIND):
        assert listed(store) == ["long"]


@clause("Q34")
def test_a_released_claim_frees_its_messages_at_once(store: DataDriverBase) -> None:
    with at(0):
        post(store, *range(4))
        made, _ = claimed(store, limit=3, ttl=600)
        other, _ = claimed(store, ttl=600)
        for _ in range(2):
            store.claim_controller.delete("q", made)
            assert listed(store) == [0, 1, 2]
        assert bodies(store.claim_controller.get("q", other)[1]) == [3]
        with pytest.raises(ClaimDoesNotExist):
            store.claim_controller.get("q", made)
        third, found = claimed(store)
        assert third not in {made, other}
        assert bodies(found) == [0, 1, 2]
        # What is over cannot free what is under another claim.
        store.claim_controller.delete("q", made)
        assert listed(store) == []


@clause("Q34", "Q28")
def test_a_claim_that_ran_out_frees_nothing_of_the_next_one(store: DataDriverBase) -> None:
    with at(0):
        post(store, "a")
        old, _ = claimed(store, ttl=10)
    with at(20):
        new, _ = claimed(store, ttl=100)
        store.claim_controller.delete("q", old)
        assert listed(store) == []
        with pytest.raises(ClaimDoesNotExist):
            store.claim_controller.update("q", old, {"ttl": 1_000, "grace": 60})
        assert store.claim_controller.get("q", new)[0]["ttl"] == 100
    with at(120 + BEHIND):
        assert listed(store) == ["a"]


@clause("Q28")
def test_a_claim_ends_with_its_queue(store: DataDriverBase) -> None:
    make(store, "q")
    post(store, "a")
    made, _ = claimed(store)
    store.queue_controller.delete("q")
    with pytest.raises(ClaimDoesNotExist):
        store.claim_controller.get("q", made)
    make(store, "q")
    post(store, "b")
    with pytest.raises(ClaimDoesNotExist):
        store.claim_controller.update("q", made, {"ttl": 60, "grace": 60})
    assert listed(store) == ["b"]


@clause("Q29")
def test_a_delayed_message_is_claimed_when_its_delay_is_over(store: DataDriverBase) -> None:
    with at(0):
        post(store, "a", delay=60)
        post(store, "b", delay=10)
    with at(10 + BEFORE):
        assert claim(store) == (None, [])
    with at(10 + BEHIND):
        assert bodies(claimed(store, ttl=500)[1]) == ["b"]
    with at(60 + BEFORE):
        assert claim(store) == (None, [])
    with at(60 + BEHIND):
        assert bodies(claimed(store)[1]) == ["a"]


@clause("Q29")
@rows(
    "metadata",
    [{}, {"ttl": 60}, {"grace": 60}, {"ttl": None, "grace": 60}, {"ttl": "60", "grace": 60}, {"ttl": -1, "grace": 60}, None, 5,
     {"ttl": 60, "grace": 1.5}, {"ttl": True, "grace": 60}],
)  # fmt: skip
def test_spans_that_are_refused(store: DataDriverBase, metadata: Any) -> None:
    if not everything(store):
        post(store, "a", "b")
        claimed(store, limit=1)
    with pytest.raises(InvalidInput, match="metadata"):
        store.claim_controller.create("q", metadata)
    made = everything(store)[0]["claim_id"]
    with pytest.raises(InvalidInput, match="metadata"):
        store.claim_controller.update("q", made, metadata)
    assert counts_of(store) == (1, 1)


@clause("Q28", "Q29")
@promise("C1", "C2")
def test_claims_that_run_out_together_are_claimed_in_order(store: DataDriverBase) -> None:
    with at(0):
        post(store, *range(2_500))
        for _ in range(25):
            claimed(store, limit=100, ttl=30)
        assert claim(store) == (None, [])
    with at(31):
        seen: list[Any] = []
        while len(seen) < 2_500:
            seen += bodies(claimed(store, limit=500, ttl=30)[1])
        assert seen == list(range(2_500))
        assert claim(store) == (None, [])
        assert {one["claim_count"] for one in everything(store)} == {2}


@clause("Q29")
def test_claims_that_ended_together_in_any_order(store: DataDriverBase) -> None:
    """The oldest messages come first, though their claims were the last to end."""
    with at(0):
        post(store, *range(1_000))
        for number in range(10):
            claimed(store, limit=100, ttl=100 - number)
    with at(101):
        assert bodies(claimed(store, limit=10, ttl=60)[1]) == list(range(10))
        assert bodies(store.message_controller.pop("q", 10)) == list(range(10, 20))
        assert bodies(claimed(store, limit=980, ttl=60)[1]) == list(range(20, 1_000))


@clause("Q28")
@promise("C2")
def test_a_real_claim_ends_after_real_seconds(store: DataDriverBase) -> None:
    """By the engine's own clock, which no test moves."""
    post(store, "a")
    claimed(store, ttl=1)
    assert claim(store) == (None, [])
    found: list[dict[str, Any]] = []
    for _ in range(300):
        threading.Event().wait(0.02)
        _, found = claim(store)
        if found:
            break
    assert [(one["body"], one["claim_count"]) for one in found] == [("a", 2)]


@clause("Q28", "Q34")
@assumes("survives_restart")
def test_claims_outlive_the_object_that_made_them(store: DataDriverBase, open_store: OpenStore) -> None:
    make(store, "q")
    post(store, "a", "b")
    made, _ = claimed(store, limit=1)
    store.close()
    other = open_store(init=False)
    assert bodies(other.claim_controller.get("q", made)[1]) == ["a"]
    assert bodies(claimed(other)[1]) == ["b"]
    assert counts(other) == (0, 2, 2)
    other.claim_controller.delete("q", made)
    assert counts(other) == (1, 1, 2)

"""Deleting messages: one by the contract's table, some all or none, and by popping them."""

from __future__ import annotations

from typing import Any

import pytest

from undercroft.conformance.markers import assumes, clause, needs, promise
from undercroft.conformance.messaging.data import (
    BEFORE,
    BEHIND,
    MALFORMED,
    OpenStore,
    at,
    bodies,
    claimed,
    counts,
    everything,
    ids,
    listed,
    make,
    post,
)
from undercroft.conformance.rows import rows
from undercroft.conformance.threads import numbered
from undercroft.core.errors import InvalidInput
from undercroft.messaging import (
    ClaimDoesNotExist,
    ClaimDoesNotMatch,
    DataDriverBase,
    MessageIsClaimed,
    MessageNotClaimed,
    MessageNotClaimedBy,
)

# The state of the message, the claim that is named, and the error; None where the message goes.
TABLE: list[tuple[str, str, type[Exception] | None]] = [
    ("free", "none", None),
    ("free", "unknown", ClaimDoesNotExist),
    ("free", "of another message", MessageNotClaimed),
    ("free", "over", ClaimDoesNotExist),
    ("free", "of another queue", ClaimDoesNotExist),
    ("delayed", "none", None),
    ("delayed", "unknown", ClaimDoesNotExist),
    ("delayed", "of another message", MessageNotClaimed),
    ("claimed", "none", MessageIsClaimed),
    ("claimed", "its own", None),
    ("claimed", "of another message", MessageNotClaimedBy),
    ("claimed", "unknown", ClaimDoesNotExist),
    ("claimed", "over", ClaimDoesNotExist),
    ("claimed", "of another queue", ClaimDoesNotExist),
    ("run out", "none", None),
    ("run out", "its own", ClaimDoesNotExist),
    ("run out", "of another message", MessageNotClaimed),
    ("released", "none", None),
    ("released", "its own", ClaimDoesNotExist),
    ("released", "of another message", MessageNotClaimed),
    ("claimed again", "none", MessageIsClaimed),
    ("claimed again", "its own", None),
    ("claimed again", "over", ClaimDoesNotExist),
    ("renewed", "its own", None),
    ("renewed", "none", MessageIsClaimed),
]


def prepared(store: DataDriverBase, queue: str, state: str) -> tuple[str, dict[str, str | None]]:
    """A message in a state, at START and 100 seconds; its id, and the claims that may be named."""
    named: dict[str, str | None] = {"none": None, "unknown": "123456789", "its own": None}
    with at(0):
        (over,) = post(store, "over", queue=queue)
        named["over"], _ = claimed(store, queue=queue, limit=1, ttl=10)
        store.message_controller.bulk_delete(queue, [over])
        (name,) = post(store, "it", queue=queue, delay=1_000 if state == "delayed" else 0)
        if state not in {"free", "delayed"}:
            spans = {"run out": 50, "claimed again": 50, "renewed": 50}
            named["its own"], found = claimed(store, queue=queue, limit=1, ttl=spans.get(state, 500))
            assert ids(found) == [name]
    with at(40):
        if state == "renewed":
            store.claim_controller.update(queue, named["its own"], {"ttl": 500, "grace": 60})
        if state == "released":
            store.claim_controller.delete(queue, named["its own"])
    with at(60):
        if state == "claimed again":
            named["over"] = named["its own"]
            named["its own"], _ = claimed(store, queue=queue, limit=1, ttl=500)
        # Out of the way of the next claim.
        blocker = claimed(store, queue=queue, limit=1, ttl=500)[0] if state in {"free", "run out", "released"} else None
        (other,) = post(store, "other", queue=queue)
        named["of another message"], found = claimed(store, queue=queue, limit=1, ttl=500)
        assert ids(found) == [other]
        store.claim_controller.delete(queue, blocker)
        post(store, "elsewhere", queue=f"{queue} elsewhere")
        named["of another queue"], _ = claimed(store, queue=f"{queue} elsewhere", ttl=500)
    return name, named


@clause("Q24")
@needs("claims")
@rows(("number", "row"), list(enumerate(TABLE)))
def test_every_row_of_the_table(store: DataDriverBase, number: int, row: tuple[str, str, type[Exception] | None]) -> None:
    (state, by, error), queue = row, f"q{number}"
    name, named = prepared(store, queue, state)
    with at(100):
        if error is None:
            store.message_controller.delete(queue, name, claim=named[by])
            assert bodies(everything(store, queue)) == ["other"]
        else:
            with pytest.raises(error) as caught:
                store.message_controller.delete(queue, name, claim=named[by])
            assert type(caught.value) is error
            assert bodies(everything(store, queue)) == ["it", "other"]


@clause("Q24")
@needs("claims")
@promise("S3")
@rows("name", MALFORMED)
def test_a_malformed_claim_does_not_exist(store: DataDriverBase, name: str) -> None:
    if not everything(store):
        post(store, "claimed", "free")
        claimed(store, limit=1)
    for each in everything(store):
        with pytest.raises(ClaimDoesNotExist):
            store.message_controller.delete("q", each["id"], claim=name)
    assert len(everything(store)) == 2


@clause("Q24")
@needs("claims")
def test_a_message_under_a_claim_goes_from_the_moment_the_claim_is_over(store: DataDriverBase) -> None:
    with at(0):
        (name,) = post(store, "a")
        made, _ = claimed(store, ttl=30)
    with at(30 + BEFORE), pytest.raises(MessageIsClaimed, match=f"Message {name} is claimed"):
        store.message_controller.delete("q", name)
    with at(30 + BEHIND):
        with pytest.raises(ClaimDoesNotExist, match=f"Claim {made} does not exist in queue q for project"):
            store.message_controller.delete("q", name, claim=made)
        store.message_controller.delete("q", name)
        assert everything(store) == []


@clause("Q24", "Q11")
def test_to_delete_what_does_not_exist_is_no_error(store: DataDriverBase) -> None:
    (gone,) = post(store, "a")
    post(store, "b")
    for _ in range(2):
        store.message_controller.delete("q", gone)
    store.message_controller.delete("unknown", gone)
    store.message_controller.delete("q", gone, "p")
    store.message_controller.bulk_delete("unknown", [gone])
    assert listed(store) == ["b"]


@clause("Q24")
@needs("claims")
def test_messages_are_deleted_under_a_claim_one_by_one(store: DataDriverBase) -> None:
    posted = post(store, *range(4))
    made, _ = claimed(store)
    for n, name in enumerate(posted):
        store.message_controller.delete("q", name, claim=made)
        assert bodies(everything(store)) == list(range(n + 1, 4))
    with pytest.raises(ClaimDoesNotExist):
        store.claim_controller.get("q", made)


@clause("Q25")
@needs("claims")
def test_some_are_deleted_whatever_their_state(store: DataDriverBase) -> None:
    with at(0):
        posted = post(store, *range(10)) + post(store, 10, delay=600) + post(store, 11, ttl=5)
        claimed(store, limit=3)
    with at(10):
        store.message_controller.bulk_delete("q", [])
        store.message_controller.bulk_delete("q", iter([*posted[2:5], *posted[2:3], "x", "9" * 30, posted[10], posted[11]]))
        assert bodies(everything(store)) == [0, 1, 5, 6, 7, 8, 9]
        store.message_controller.bulk_delete("q", posted)
        assert everything(store) == []


@clause("Q25")
@needs("claims")
@rows(
    ("names", "by", "error"),
    [
        ("ab", "first", None), ("a", "first", None), ("abcd", "first second", None), ("cd", "second", None),
        ("abcd", "second first unknown", None), ("", "first", None), ("x", "first", None),
        ("ax", "first", None), ("ax", "first x", None),
        ("ac", "first", ClaimDoesNotMatch), ("ca", "first", ClaimDoesNotMatch), ("ab", "second", ClaimDoesNotMatch),
        ("ab", "", ClaimDoesNotMatch), ("a", "unknown", ClaimDoesNotMatch), ("ab", "x", ClaimDoesNotMatch),
        ("ae", "first", MessageNotClaimed), ("ea", "first", MessageNotClaimed), ("e", "first second", MessageNotClaimed),
        ("af", "first", MessageNotClaimed), ("g", "over", MessageNotClaimed), ("ag", "first over", MessageNotClaimed),
        ("h", "first", None), ("ah", "first", None), ("e", "", MessageNotClaimed),
    ],
)  # fmt: skip
def test_some_with_their_claims_all_or_none(store: DataDriverBase, names: str, by: str, error: type[Exception] | None) -> None:
    """A and b are under the first claim, c and d under the second, e is free, f delayed, g's claim is over, h has expired."""
    queue = f"{names} by {by}"
    with at(0):
        named = {"g": post(store, "g", queue=queue)[0]}
        claims = {"over": claimed(store, ttl=10, queue=queue)[0]}
        named |= {"h": post(store, "h", ttl=20, queue=queue)[0]}
        named |= dict(zip("abcd", post(store, *"abcd", queue=queue), strict=True))
        claims |= {"unknown": "123456789", "x": "x"}
        blocker, _ = claimed(store, ttl=5, grace=0, limit=1, queue=queue)
        claims |= {which: claimed(store, ttl=500, limit=2, queue=queue)[0] for which in ("first", "second")}
        store.claim_controller.delete(queue, blocker)
        named |= {"e": post(store, "e", queue=queue)[0], "f": post(store, "f", delay=500, queue=queue)[0], "x": "x"}
    with at(50):
        wanted = [claims[which] for which in by.split()]
        before = set("abcdefg")
        if error is None:
            store.message_controller.bulk_delete(queue, [named[name] for name in names], claim_ids=wanted)
            assert set(bodies(everything(store, queue))) == before - set(names)
        else:
            with pytest.raises(error) as caught:
                store.message_controller.bulk_delete(queue, [named[name] for name in names], claim_ids=iter(wanted))
            assert type(caught.value) is error
            assert set(bodies(everything(store, queue))) == before


@clause("Q25")
def test_thousands_are_deleted_at_once(store: DataDriverBase) -> None:
    posted = post(store, *range(5_000))
    post(store, "stays")
    store.message_controller.bulk_delete("q", posted)
    assert listed(store) == ["stays"]
    with pytest.raises(InvalidInput, match="10,000"):
        store.message_controller.bulk_delete("q", ["x"] * 10_001)


@clause("Q26")
@needs("claims")
def test_the_oldest_that_may_be_claimed_are_popped(store: DataDriverBase) -> None:
    messages = store.message_controller
    with at(0):
        posted = post(store, *range(4)) + post(store, 4, delay=100) + post(store, 5, ttl=5) + post(store, 6, 7, 8)
        claimed(store, limit=2, ttl=60)
    with at(10):
        found = messages.pop("q", 3)
        assert bodies(found) == [2, 3, 6]
        assert ids(found) == [posted[2], posted[3], posted[6]]
        assert [one["claim_id"] for one in found] == [None] * 3
        assert bodies(everything(store)) == [0, 1, 4, 7, 8]
        assert bodies(messages.pop("q", 100)) == [7, 8]
        assert messages.pop("q", 1) == messages.pop("unknown", 1) == []
    with at(60 + BEHIND):
        found = messages.pop("q", 100)
        assert [(one["body"], one["claim_count"], one["claim_id"]) for one in found] == [(0, 1, None), (1, 1, None)]
    with at(100 + BEHIND):
        assert bodies(messages.pop("q", 1)) == [4]
        assert everything(store) == []


@clause("Q26", "Q11")
def test_a_pop_is_of_its_queue_and_project(store: DataDriverBase) -> None:
    post(store, "a")
    post(store, "b", project="p")
    post(store, "c", queue="r")
    assert bodies(store.message_controller.pop("q", 10, "p")) == ["b"]
    assert listed(store) == ["a"]
    assert listed(store, "r") == ["c"]


@clause("Q26")
@promise("C1")
@assumes("concurrent_writers")
def test_no_message_is_popped_twice(store: DataDriverBase, open_store: OpenStore) -> None:
    stores = [store, open_store(init=False)]
    make(store, "q")
    post(store, *range(160))

    def work(number: int) -> list[Any]:
        seen: list[Any] = []
        while found := stores[number % 2].message_controller.pop("q", 1 + number % 3):
            seen += bodies(found)
        return seen

    taken = numbered(8, work)
    assert sorted(body for each in taken for body in each) == list(range(160))
    assert all(each == sorted(each) for each in taken)
    assert counts(store) == (0, 0, 0)


@clause("Q24", "Q25", "Q26")
@needs("claims")
@assumes("concurrent_writers")
def test_deletes_of_the_same_messages_at_once(store: DataDriverBase, open_store: OpenStore) -> None:
    stores = [store, open_store(init=False)]
    make(store, "q")
    posted = post(store, *range(60))
    made, _ = claimed(store, limit=30)

    def work(number: int) -> None:
        own = stores[number % 2].message_controller
        order = posted if number % 3 else posted[::-1]
        if number % 2:
            for n in range(0, 60, 7):
                own.bulk_delete("q", order[n : n + 7])
        else:
            for name in order:
                try:
                    own.delete("q", name, claim=made if name in posted[:30] else None)
                except ClaimDoesNotExist:
                    # The others have finished it.
                    continue

    numbered(8, work)
    assert everything(store) == []
    assert counts(store) == (0, 0, 0)

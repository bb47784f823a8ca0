"""A queue changes its pool: what its users see before, in between and after."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.messaging.pooling.conftest import Open, begin, finish, go, go_on, in_pool, state, until
from undercroft.core.receipt import Receipt
from undercroft.messaging import ClaimDoesNotExist, FlavorDoesNotExist, MessageDoesNotExist, MessageIsClaimed, QueueDoesNotExist
from undercroft.messaging.pooling import placement

pytestmark = pytest.mark.promise("D1")
LEASE = {"ttl": 300, "grace": 60}


def post(store: Any, *bodies: Any, queue: str = "q", **more: Any) -> list[str]:
    found: list[str] = store.message_controller.post(queue, [{"ttl": 3_600, "body": body, **more} for body in bodies], "c")
    return found


def listed(store: Any, queue: str = "q", **given: Any) -> list[Any]:
    return [one["body"] for one in next(store.message_controller.list(queue, limit=1_000, echo=True, **given))]


def claim(store: Any, limit: int = 10, queue: str = "q") -> tuple[str | None, list[Any]]:
    made, found = store.claim_controller.create(queue, LEASE, limit=limit)
    return made, list(found)


def total(store: Any, queue: str = "q") -> int:
    return int(store.queue_controller.stats(queue)["messages"]["total"])


PHASES = ["before", "reads", "posts", "after"]


def bring_to(store: Any, phase: str) -> None:
    if phase in {"reads", "posts"}:
        begin(store, "b")
    if phase == "posts":
        go_on(store)
    if phase == "after":
        go(store, "b")


@pytest.mark.parametrize("phase", PHASES)
def test_messages_are_found_wherever_they_are(store: Any, open_store: Open, phase: str) -> None:
    ids = post(store, *range(5))
    bring_to(store, phase)
    for one in (store, open_store()):
        assert [one.message_controller.get("q", each)["body"] for each in ids] == list(range(5))
        assert sorted(each["id"] for each in one.message_controller.bulk_get("q", ids)) == sorted(ids)
        assert listed(one) == list(range(5))
        assert [one.message_controller.first("q", sort=sort)["body"] for sort in (1, -1)] == [0, 4]
        assert total(one) == 5
        assert one.queue_controller.stats("q")["messages"]["oldest"]["id"] == ids[0]
    assert [each["id"] for each in claim(store)[1]] == ids


@pytest.mark.parametrize("phase", PHASES)
def test_messages_are_deleted_wherever_they_are(store: Any, open_store: Open, phase: str) -> None:
    ids = post(store, *range(6))
    bring_to(store, phase)
    messages = open_store().message_controller
    messages.delete("q", ids[0])
    messages.bulk_delete("q", ids[1:3])
    made, found = claim(store, 2)
    assert [one["id"] for one in found] == ids[3:5]
    with pytest.raises(MessageIsClaimed):
        messages.delete("q", ids[3])
    messages.delete("q", ids[3], claim=made)
    messages.bulk_delete("q", ids[4:5], claim_ids=[made])
    assert [one["body"] for one in messages.pop("q", 10)] == [5]
    if phase != "after":
        finish(store, "b") if phase != "before" else go(store, "b")
    assert total(store) == in_pool(store, "a") == in_pool(store, "b") == 0


@pytest.mark.parametrize("phase", PHASES[1:])
def test_a_claim_outlives_the_change(store: Any, open_store: Open, phase: str) -> None:
    ids = post(store, *range(4))
    made, _ = claim(store, 3)
    if phase == "after":
        # The old pool is not left before the claim is over.
        begin(store, "b")
        go_on(store)
        assert state(store).to == "b"
    else:
        bring_to(store, phase)
    other = open_store()
    about, held = other.claim_controller.get("q", made)
    assert about["id"] == made
    assert [one["id"] for one in held] == ids[:3]
    assert [one["claim_id"] for one in held] == [made] * 3
    other.claim_controller.update("q", made, LEASE)
    assert [one["body"] for one in claim(other)[1]] == [3]
    assert store.queue_controller.stats("q")["messages"]["claimed"] == 4
    other.message_controller.delete("q", ids[0], claim=made)
    with pytest.raises(MessageIsClaimed):
        other.message_controller.delete("q", ids[1])
    other.claim_controller.delete("q", made)
    assert [one["id"] for one in claim(other)[1]] == ids[1:3]
    with pytest.raises(ClaimDoesNotExist):
        other.message_controller.delete("q", ids[1], claim=made)
    assert total(store) == 3
    finish(store, "b")
    assert total(store) == in_pool(store, "b") == 3


def test_to_and_fro_keeps_order_and_ids(store: Any) -> None:
    ids = post(store, *range(10))
    for number, flavor in enumerate("bababa"):
        go(store, flavor)
        more = post(store, 10 + number)
        ids += more
        assert listed(store) == list(range(11 + number))
        assert [one["id"] for one in next(store.message_controller.list("q", limit=100, echo=True))] == ids
        assert in_pool(store, flavor) == len(ids)
        assert [store.message_controller.get("q", one)["id"] for one in ids] == ids
    made, found = claim(store, 100)
    for one in found:
        store.message_controller.delete("q", one["id"], claim=made)
    assert total(store) == 0


def test_what_moves_keeps_its_life_and_its_claims(store: Any) -> None:
    (name,) = post(store, "a")
    for _ in range(2):
        made, _ = claim(store)
        store.claim_controller.delete("q", made)
    before = store.message_controller.get("q", name)
    go(store, "b")
    after = store.message_controller.get("q", name)
    assert {**after, "age": 0} == {**before, "age": 0}
    # Its sender does not see it without an echo.
    assert list(next(store.message_controller.list("q", client_uuid="c"))) == []


def test_a_delayed_message_comes_when_it_is_due(store: Any) -> None:
    post(store, "late", delay=2)
    begin(store, "b")
    assert claim(store) == (None, [])
    assert total(store) == 1
    until(lambda: claim(store)[0] is not None)
    finish(store, "b")
    assert total(store) == 1


@pytest.mark.parametrize("phase", PHASES[1:])
def test_a_post_is_remembered_by_its_dedup_id(store: Any, open_store: Open, phase: str) -> None:
    (first,) = post(store, "a", dedup_id="x")
    bring_to(store, phase)
    other = open_store()
    found = other.message_controller.post("q", [{"ttl": 60, "body": n, "dedup_id": d} for n, d in enumerate("yxy")], None)
    assert found[1] == first
    assert found[0] == found[2]
    assert post(other, "b", dedup_id="x") == [first]
    assert total(store) == 2
    assert other.message_controller.known("q", ["x", "y", "z"]) == {"x": first, "y": found[0]}


@pytest.mark.parametrize("phase", PHASES[1:])
def test_a_post_is_remembered_by_its_receipt(store: Any, open_store: Open, phase: str) -> None:
    def once(one: Any, body: str) -> bytes:
        receipt = Receipt("key", "digest", b"")
        found: bytes = one.message_controller.post_once(
            "q", [{"ttl": 60, "body": body}], None, receipt=receipt, answer=lambda ids: ",".join(ids).encode()
        )
        return found

    told = once(store, "a")
    bring_to(store, phase)
    assert once(open_store(), "a") == told
    assert total(store) == 1


@pytest.mark.parametrize("phase", PHASES[1:])
def test_readers_by_markers_miss_nothing(store: Any, phase: str) -> None:
    messages = store.message_controller
    ids = post(store, *range(6))
    pages = messages.list("q", limit=3, echo=True)
    seen, marker = [one["body"] for one in next(pages)], next(pages)
    if phase == "after":
        messages.delete("q", ids[2])
    bring_to(store, phase)
    post(store, 6)
    while True:
        pages = messages.list("q", marker=marker, limit=2, echo=True)
        found = list(next(pages))
        if not found:
            break
        seen += [one["body"] for one in found]
        marker = next(pages)
    assert set(seen) >= {0, 1, 3, 4, 5, 6}
    if phase != "after":
        assert seen == list(range(7))


@pytest.mark.parametrize("phase", PHASES[1:])
def test_a_queue_is_deleted_with_all_that_it_has(store: Any, open_store: Open, phase: str) -> None:
    post(store, *range(3))
    claim(store, 1)
    bring_to(store, phase) if phase != "after" else begin(store, "b")
    store.queue_controller.delete("q")
    for one in (store, open_store()):
        assert one.queue_controller.exists("q") is False
        with pytest.raises(QueueDoesNotExist):
            one.queue_controller.stats("q")
        assert listed(one, include_claimed=True) == []
    assert store.queue_controller.create("q", {"k": 1}) is True
    assert listed(store) == []
    post(store, "new")
    assert listed(open_store()) == ["new"]


def test_the_entry_of_a_deleted_queue_goes_or_comes_back(store: Any, open_store: Open) -> None:
    other = open_store()
    post(other, 1)
    # It does not know yet, however slow this machine is.
    other.lookup._lease = 60
    store.queue_controller.delete("q")
    post(other, 2)
    until(lambda: bool(store.rebalance()))
    assert store.queue_controller.exists("q") is True
    assert listed(store) == [2]
    store.queue_controller.delete("q")
    until(lambda: bool(store.rebalance()))
    assert store.control_driver.catalogue_controller.exists(None, "q") is False


def test_a_flavor_that_there_is_not_changes_nothing(store: Any) -> None:
    with pytest.raises(FlavorDoesNotExist):
        store.queue_controller.set_metadata("q", {"_flavor": "none"})
    assert store.queue_controller.get("q") == {"_flavor": "a"}
    assert state(store) == placement.Placement("a")


def test_a_second_change_waits_for_the_first(store: Any) -> None:
    post(store, *range(3))
    begin(store, "b")
    store.queue_controller.set_metadata("q", {"_flavor": "a"})
    assert (state(store).to, state(store).wish) == ("b", "a")
    until(lambda: bool(store.rebalance()) and state(store).pool == "b")
    finish(store, "a")
    assert listed(store) == [0, 1, 2]
    assert in_pool(store, "a") == 3


def test_a_post_that_took_long_is_looked_for_where_it_went(store: Any, open_store: Open) -> None:
    slow = open_store()
    post(slow, 0)
    pool = slow.pools.named("a")
    ask = pool.messages._post

    def late(*given: Any) -> Any:
        go(store, "b")
        return ask(*given)

    pool.messages._post = late
    (name,) = post(slow, 1)
    assert listed(open_store()) == [0, 1]
    assert open_store().message_controller.get("q", name)["body"] == 1


def test_a_claim_that_took_long_is_made_again(store: Any, open_store: Open) -> None:
    slow = open_store()
    post(slow, *range(3))
    pool = slow.pools.named("a")
    ask = pool.claims._create

    def late(*given: Any) -> Any:
        pool.claims._create = ask
        begin(store, "b")
        assert listed(store) == [0, 1, 2]
        return ask(*given)

    pool.claims._create = late
    made, found = claim(slow)
    assert [one["body"] for one in found] == [0, 1, 2]
    assert claim(store) == (None, [])
    for one in found:
        slow.message_controller.delete("q", one["id"], claim=made)
    assert total(store) == 0


def test_a_change_that_was_written_too_late_takes_another_moment(store: Any, open_store: Open) -> None:
    post(store, 1)
    store.queue_controller.set_metadata("q", {"_flavor": "b"})
    store.lookup.change("", "q", lambda old: placement.again(old, store.now() - 10_000))
    other = open_store()
    assert placement.view(state(store), store.now()).is_late
    assert [one["body"] for one in claim(other)[1]] == [1]
    assert state(store).reads > store.now() - 10_000
    with pytest.raises(MessageDoesNotExist):
        other.message_controller.get("q", "0~abcdef")

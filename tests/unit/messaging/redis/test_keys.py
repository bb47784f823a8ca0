"""What is kept in the server: nothing of what is gone, and no more commands where there is more."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.messaging.redis.conftest import commands
from undercroft.conformance.messaging.data import claim, claimed, counts, ids, listed, make, page, post
from undercroft.conformance.once import RECEIPT
from undercroft.messaging import ClaimDoesNotExist
from undercroft.messaging.drivers.redis import DataDriver, rows

LEASE = {"ttl": 60, "grace": 60}


def keys(store: DataDriver) -> set[str]:
    """The keys of queues."""
    return {each.decode().partition(":q:")[2] for each in store.store.redis.scan("{undercroft:q:*")}


def test_keys_of_a_deleted_queue_do_not_stay(store: DataDriver) -> None:
    make(store, "q")
    post(store, "a", "b", "c", dedup_id="x")
    post(store, *range(10))
    post(store, "later", delay=100)
    post(store, "there", queue="r")
    store.message_controller.redrive("r", "q")
    made, _ = claimed(store, limit=3)
    store.claim_controller.update("q", made, LEASE)
    store.message_controller.post_once("q", [{"ttl": 60, "body": 1}], None, receipt=RECEIPT, answer=lambda found: found[0].encode())
    store.queue_controller.delete("q")
    store.queue_controller.delete("r")
    (receipt,) = keys(store)
    assert ":receipt:" in receipt
    left = store.store.redis.command(None, "PTTL", f"{{undercroft:q:{receipt}")
    assert dt.timedelta(hours=24) < dt.timedelta(milliseconds=left) < dt.timedelta(hours=26)


def test_an_empty_queue_has_one_key(store: DataDriver) -> None:
    make(store, "q")
    for _ in range(3):
        posted = post(store, *range(10)) + post(store, 10, delay=100)
        made, found = claimed(store, limit=4)
        store.claim_controller.update("q", made, LEASE)
        for each in ids(found):
            store.message_controller.delete("q", each, claim=made)
        other, _ = claimed(store, limit=2)
        store.message_controller.pop("q", 2)
        store.claim_controller.delete("q", other)
        store.message_controller.bulk_delete("q", posted)
    assert [each.partition(":")[2] for each in keys(store)] == ["queue"]


def test_what_is_remembered_is_forgotten(store: DataDriver) -> None:
    now = store.now()
    make(store, "q", "r")
    post(store, "a", ttl=60, queue="r")
    store.message_controller.redrive("r", "q")
    post(store, "b", ttl=60, dedup_id="x")
    store.message_controller.bulk_delete("q", ids(page(store)[0]))
    assert len(keys(store)) > 2
    for _ in range(3):
        store._keeper.sweep()
    assert len(keys(store)) > 2
    store.store.now = lambda: now + 86_400_000 + 61_000
    store.clean()
    assert [each.partition(":")[2] for each in keys(store)] == ["queue", "queue"]


OPERATIONS: dict[str, Callable[[DataDriver], Any]] = {
    "claim": lambda store: claim(store, limit=5),
    "list": lambda store: page(store, limit=5),
    "list with the delayed": lambda store: page(store, limit=5, include_delayed=True),
    "stats": counts,
    "pop": lambda store: store.message_controller.pop("q", 5),
    "post": lambda store: post(store, 1, 2, 3),
    "first": lambda store: store.message_controller.first("q"),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_more_commands_behind_many_claimed_ones(store: DataDriver, name: str) -> None:
    make(store, "q")
    post(store, *range(30))
    operation = OPERATIONS[name]
    claimed(store, limit=1)
    operation(store)

    def counted() -> tuple[int, int]:
        before = commands(store, ""), commands(store, "evalsha")
        operation(store)
        return commands(store, "") - before[0], commands(store, "evalsha") - before[1]

    first = counted()
    post(store, *range(5_000))
    claimed(store, limit=5_000)
    post(store, *range(30))
    assert counted() == first
    assert first[1] == 1


def test_an_order_by_place_is_one_of_texts() -> None:
    assert sorted(rows.ids("0" * 16, [1, 15, 16, 255, 256, 2**40])) == rows.ids("0" * 16, [1, 15, 16, 255, 256, 2**40])


def test_claims_that_end_at_one_moment_are_many(store: DataDriver) -> None:
    make(store, "q")
    post(store, *range(600))
    now = store.now()
    store.store.now = lambda: now
    names = [claimed(store, limit=1)[0] for _ in range(600)]
    assert len(set(names)) == 600
    for number, name in enumerate(names):
        _, (message,) = store.claim_controller.get("q", name)
        assert message["body"] == number
    store.store.now = lambda: now + 60_003
    assert listed(store, limit=1_000) == list(range(600))


def test_ids_and_claims_that_a_server_lost_are_not_given_again(store: DataDriver) -> None:
    """As a power cut or a replica that takes over leaves it: with what was a second before."""
    make(store, "q")
    now = store.now()
    base = store.store.base("", "q")
    store.store.now = lambda: now
    post(store, "before")
    kept = {key: store.store.redis.command(base, "DUMP", key) for key in store.store.redis.scan("{undercroft:q:*")}
    lost = post(store, *range(5_000))
    made, _ = claimed(store)
    _, marker = page(store, limit=10_000)
    for key in store.store.redis.scan("{undercroft:q:*"):
        store.store.redis.command(base, "UNLINK", key, writes=True)
    for key, value in kept.items():
        store.store.redis.command(base, "RESTORE", key, 0, value, writes=True)
    store.store.now = lambda: now + 1_000
    new = post(store, *range(10))
    assert not set(new) & set(lost)
    assert page(store, marker=marker)[0][0]["body"] == 0
    other, _ = claimed(store)
    assert made != other
    with pytest.raises(ClaimDoesNotExist):
        store.claim_controller.get("q", made)

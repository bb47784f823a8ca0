"""The outbox: entries in the slot of the queue, found by a register of queues that have subscriptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.unit.messaging.redis.conftest import commands
from undercroft.conformance.messaging.data import CLIENT, at, ids, listed, message, post, queues
from undercroft.conformance.once import RECEIPT
from undercroft.core.errors import Unavailable
from undercroft.messaging.contract.outbox import lane
from undercroft.messaging.drivers.redis import DataDriver
from undercroft.messaging.models import Due, Posted, Subscribed


def subscribe(store: DataDriver, queue: str = "q", ttl: int = 3_600, project: str | None = None) -> str:
    made = store.subscription_controller.create(queue, "http://a", ttl, {}, project)
    assert made is not None
    return made


def both(store: DataDriver) -> tuple[Subscribed, Subscribed]:
    """Two subscriptions, of a project each."""
    one, two = (Subscribed(project, "q", subscribe(store, project=project)) for project in ("", "p"))
    return one, two


def taken(store: DataDriver, limit: int = 1_000, seconds: int = 60) -> Sequence[Posted]:
    return store.outbox.take(limit, seconds)


def found(posted: Sequence[Posted]) -> list[str]:
    return [each.body.decode() for each in posted]


def keys(store: DataDriver, pattern: str) -> set[str]:
    return {key.decode().rpartition(":")[2] for key in store.store.redis.scan(pattern)}


# -- entries ---------------------------------------------------------------------------------------------------------


def test_what_an_entry_has(store: DataDriver) -> None:
    with at(0):
        subscribe(store, project="p")
        (name,) = post(store, {"a": 1}, ttl=60, project="p")
        (entry,) = taken(store)
        assert entry[1:] == ("p", "q", name, 60, store.now() + 60_000, b'{"a":1}')
        assert store.outbox.waiting() == 1
        store.outbox.remove([entry])
        assert store.outbox.waiting() == 0
        assert keys(store, "*:outbox*") == set()


def test_no_entry_without_a_live_subscription(store: DataDriver) -> None:
    with at(0):
        gone = subscribe(store)
        subscribe(store, "r", ttl=5)
        store.subscription_controller.delete("q", gone)
    with at(6):
        for queue in ("q", "r", "s"):
            post(store, "a", queue=queue)
            post(store, "a", queue=queue, delay=5)
        assert store.outbox.waiting() == 0
        assert keys(store, "*:outbox*") == set()


@pytest.mark.parametrize("fields", [{}, {"delay": 5}])
def test_a_large_post_is_in_groups(store: DataDriver, fields: dict[str, Any]) -> None:
    subscribe(store)
    names = post(store, *range(250), **fields)
    first = taken(store, 101)
    assert [each.id for each in first] == names[:200]
    assert [each.id for each in taken(store, 101)] == names[200:]
    assert taken(store) == []
    store.outbox.remove([*first[:50], *first[:10], *first[150:]])
    assert store.outbox.waiting() == 150
    store.outbox.remove(first)
    assert store.outbox.waiting() == 50
    assert store.store.redis.command("x", "ZCARD", f"{store.store.base('', 'q')}:outbox_held") == 1


def test_what_was_removed_of_a_group_does_not_come_back(store: DataDriver) -> None:
    with at(0):
        subscribe(store)
        post(store, 0, 1, 2, 3)
        store.outbox.remove(taken(store, 1, 10)[1:3])
    with at(9.9):
        assert taken(store) == []
    with at(10):
        assert found(taken(store)) == ["0", "3"]


def test_the_order_of_posts_when_leases_are_over(store: DataDriver) -> None:
    with at(0):
        subscribe(store)
        for number in range(6):
            post(store, number)
        assert found(taken(store, 2, 20)) == ["0", "1"]
        assert found(taken(store, 2, 10)) == ["2", "3"]
    with at(10):
        assert found(taken(store, 3)) == ["2", "3", "4"]
    with at(20):
        assert found(taken(store, 3)) == ["0", "1", "5"]


def test_expired_entries(store: DataDriver) -> None:
    with at(0):
        subscribe(store)
        store.message_controller.post("q", [message(ttl, ttl=ttl) for ttl in (5, 50, 10, 60)], CLIENT)
        post(store, *range(120), ttl=10)
        post(store, "last", ttl=100)
    with at(10):
        assert found(taken(store, 3, 5)) == ["50", "60", '"last"']
        assert store.outbox.waiting() == 3
    with at(50):
        assert store.outbox.waiting() == 2
        assert store.clean() > 0
        assert store.outbox.waiting() == 2
        assert found(taken(store)) == ["60", '"last"']
    with at(100):
        while store.clean():
            pass
        assert keys(store, "*:outbox*") == set()


def test_only_what_was_stored_is_entered(store: DataDriver) -> None:
    subscribe(store)
    post(store, "a", "b", dedup_id="x")
    post(store, "c", dedup_id="x")
    for _ in range(2):
        store.message_controller.post_once("q", [message("d")], None, receipt=RECEIPT, answer=lambda _: b"told")
    store.notifies = False
    post(store, "e")
    post(store, "e", delay=1)
    store.notifies = True
    store.message_controller.redrive("q", "r")
    store.message_controller.redrive("r", "q")
    assert found(taken(store)) == ['"a"', '"d"']


def test_entries_outlive_their_messages_and_their_queue(store: DataDriver) -> None:
    subscribe(store)
    gone = post(store, "a")
    store.message_controller.bulk_delete("q", gone)
    post(store, "b")
    store.queue_controller.delete("q")
    post(store, "c")
    # Messages of a deleted queue and of its successor have no defined order within one millisecond.
    assert sorted(found(taken(store))) == ['"a"', '"b"', '"c"']


def test_each_queue_has_its_turn(store: DataDriver) -> None:
    for queue in "abc":
        subscribe(store, queue)
        for number in range(4):
            post(store, f"{queue}{number}", queue=queue)
    turns = [{each.queue for each in taken(store, 2)} for _ in range(6)]
    assert turns == [{"a"}, {"b"}, {"c"}] * 2
    assert taken(store, 2) == []


def test_few_round_trips_for_many_queues(store: DataDriver) -> None:
    for number in range(30):
        subscribe(store, f"q{number}")
        post(store, number, queue=f"q{number}")
    store.store.redis.command(None, "CONFIG", "RESETSTAT", writes=True)
    assert len(taken(store, 20)) == 20
    assert commands(store, "zrange") == 20
    assert len(taken(store, 20)) == 10


def test_a_full_server_gives_what_it_has(store: DataDriver) -> None:
    one = Subscribed("", "q", subscribe(store))
    post(store, "a")
    store.outbox.wake([one])
    store.store.redis.command(None, "CONFIG", "SET", "maxmemory", 1, writes=True)
    try:
        with pytest.raises(Unavailable):
            post(store, "b")
        assert found(taken(store)) == ['"a"']
        (due,) = store.outbox.due(1, 60)
        assert store.outbox.settle(due, 0)
    finally:
        store.store.redis.command(None, "CONFIG", "SET", "maxmemory", 0, writes=True)
    assert len(store.outbox.due(1, 60)) == 1


# -- the register ----------------------------------------------------------------------------------------------------


def test_a_queue_is_entered_before_its_first_subscription(store: DataDriver) -> None:
    names = f"{store.store.subscribed.base}:names"
    store.store.redis.command(names, "SET", names, "x", writes=True)
    with pytest.raises(Unavailable):
        subscribe(store)
    store.store.redis.command(names, "DEL", names, writes=True)
    assert list(next(store.subscription_controller.list("q"))) == []


def test_queues_leave_the_register(store: DataDriver) -> None:
    def entered() -> list[str]:
        return [entry.name for entry in store.store.subscribed.page(b"", 10)]

    with at(0):
        subscribe(store, "kept")
        subscribe(store, "full", ttl=5)
        post(store, "a", queue="full", ttl=3_000)
        again = subscribe(store, "again", ttl=700)
        gone = subscribe(store, "gone")
        store.subscription_controller.delete("gone", gone)
        store.clean()
        assert entered() == ["again", "full", "gone", "kept"]
    with at(650):
        # Its life begins anew: from now on it is as one that was just made.
        store.subscription_controller.update("again", again, ttl=3)
    with at(655):
        store.clean()
        assert entered() == ["again", "full", "kept"]
        store.outbox.remove(taken(store))
    with at(1_300):
        store.clean()
        assert entered() == ["kept"]


# -- lanes -----------------------------------------------------------------------------------------------------------


def test_lanes_are_in_no_list(store: DataDriver) -> None:
    store.makes_queues = True
    name = lane(subscribe(store))
    post(store, "a", "b", queue=name)
    post(store, "c")
    assert queues(store) == ["q"]
    assert store.queue_controller.calculate_resource_count() == 1
    assert [depth.queue for depth in store.depths(10).queues] == ["q"]
    assert store.depths(10).left_out == 0
    ((depth,), left_out) = store.outbox.backlog(10)
    assert (depth.project, depth.queue, depth.free, depth.claimed, left_out) == ("", name, 2, 0, 0)
    assert store.outbox.backlog(0) == ([], 0)
    assert found(taken(store)) == ['"c"']


def test_lanes_of_subscriptions_that_are_gone(store: DataDriver) -> None:
    with at(0):
        names = [subscribe(store, queue, ttl) for queue, ttl in (("a", 5), ("b", 3_600), ("c", 3_600))]
        for name in (*names, "other"):
            post(store, "m", queue=lane(name), ttl=3_600, dedup_id="x")
        store.subscription_controller.delete("c", names[2])
        # It may have gone there without the lane, by a process that died.
        post(store, "m", queue=lane(names[2]), ttl=3_600)
        assert store.clean() == 1
        assert listed(store, lane(names[0])) == ["m"]
    with at(6):
        assert store.clean() == 1
        assert {depth.queue for depth in store.outbox.backlog(10).queues} == {lane(names[1]), lane("other")}
        assert keys(store, f"{store.store.base('', lane(names[0]))}*") == set()
    with at(3_601):
        while store.clean():
            pass
        assert store.outbox.backlog(10) == ([], 0)


def test_deleting_a_lane(store: DataDriver) -> None:
    name = lane(subscribe(store))
    made = post(store, "a", queue=name)
    assert ids(store.message_controller.bulk_get(name, made)) == made
    store.message_controller.forget(name)
    assert store.store.lanes.count() == 0


# -- subscriptions that are due ----------------------------------------------------------------------------------------


def test_due_the_longest_first(store: DataDriver) -> None:
    with at(0):
        one, two = both(store)
        now = store.now()
        store.outbox.wake([one], now + 5_000)
        store.outbox.wake([two], now + 3_000)
        store.outbox.wake([two], now + 4_000)
        assert store.outbox.due(10, 60) == []
    with at(3):
        ((found, _),) = store.outbox.due(10, 60)
        assert found == two
    with at(63):
        assert [each.subscribed for each in store.outbox.due(10, 60)] == [one, two]
        assert store.outbox.due(10, 60) == []


def test_settled_by_who_has_the_lease(store: DataDriver) -> None:
    with at(0):
        one, two = both(store)
        store.outbox.wake([one, two])
        first, second = store.outbox.due(10, 10)
        assert store.outbox.settle(first, None)
        assert not store.outbox.settle(first, None)
    with at(11):
        # Its lease is over, but nobody else has it.
        assert store.outbox.settle(second, store.now())
        (again,) = store.outbox.due(10, 10)
        assert not store.outbox.settle(second, None)
    with at(12):
        assert store.outbox.settle(again, None)
    with at(1_000):
        assert store.outbox.due(10, 10) == []


def test_woken_while_leased(store: DataDriver) -> None:
    with at(0):
        one, _ = both(store)
        store.outbox.wake([one])
        (due,) = store.outbox.due(1, 60)
        store.outbox.wake([one], store.now() + 90_000)
        assert not store.outbox.settle(due, None)
    with at(59):
        assert store.outbox.due(1, 60) == []
        store.outbox.wake([one])
        assert len(store.outbox.due(1, 60)) == 1


def test_tickets_after_a_server_has_lost_the_last_ones(store: DataDriver) -> None:
    with at(0):
        one, two = both(store)
        store.outbox.wake([one])
        (lost,) = store.outbox.due(1, 1)
        store.store.redis.command(None, "FLUSHALL", writes=True)
    with at(1):
        one, two = both(store)
        store.outbox.wake([one])
        (due,) = store.outbox.due(1, 60)
        assert not store.outbox.settle(lost, None)
        assert not store.outbox.settle(Due(two, due.ticket), None)
        assert store.outbox.settle(due, None)


def test_those_that_are_gone_are_forgotten(store: DataDriver) -> None:
    with at(0):
        one, two = both(store)
        store.outbox.wake([one, two])
        store.outbox.due(1, 20)
        store.subscription_controller.delete("q", one.subscription)
        store.subscription_controller.delete("q", two.subscription, "p")
        store.outbox.wake([one])
        assert len(store.outbox.due(1, 10)) == 1
        store.clean()
        assert keys(store, "*:due") == keys(store, "*:tickets") == set()


# -- what a doctor says ------------------------------------------------------------------------------------------------


def findings(store: DataDriver, check: str) -> list[tuple[str, str]]:
    return [(each.level.value, each.found) for each in store.diagnose(verify=True) if each.check == check]


def test_entries_that_are_handed_out_by_none(store: DataDriver) -> None:
    with at(0):
        subscribe(store)
        post(store, "a", "b")
        assert findings(store, "notifications") == [("ok", "2 messages wait for their subscribers")]
        taken(store, 1, 60)
    with at(601):
        assert findings(store, "notifications") == [("warning", "2 messages wait for their subscribers, the oldest for 10 minutes")]


def test_a_queue_that_is_not_looked_at(store: DataDriver) -> None:
    made = subscribe(store)
    assert [level for level, _ in findings(store, "subscriptions")] == ["ok"]
    (entry,) = store.store.subscribed.page(b"", 10)
    store.store.subscribed.strike(entry)
    assert [level for level, _ in findings(store, "subscriptions")] == ["error"]
    store.subscription_controller.update("q", made, ttl=60)
    assert [level for level, _ in findings(store, "subscriptions")] == ["ok"]

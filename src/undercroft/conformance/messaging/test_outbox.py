"""The outbox: what is posted to queues that have subscriptions waits there, and subscriptions are due, leased and settled."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest

from undercroft.conformance import processes
from undercroft.conformance.markers import assumes, clause, needs, promise
from undercroft.conformance.messaging import workers
from undercroft.conformance.messaging.data import (
    BEFORE,
    BEHIND,
    CLIENT,
    OpenStore,
    arrival,
    at,
    bodies,
    claim,
    claimed,
    contents,
    everything,
    listed,
    make,
    message,
    milliseconds,
    post,
    queues,
    receive,
    subscribe,
    take_all,
)
from undercroft.conformance.plugin import Opener
from undercroft.conformance.rows import rows
from undercroft.conformance.threads import numbered, together
from undercroft.core.receipt import Receipt
from undercroft.messaging import DataDriverBase
from undercroft.messaging.contract.outbox import LANE, lane
from undercroft.messaging.models import Due, Subscribed

RECEIPT = Receipt("k", "d", b"")


def due(store: DataDriverBase, seconds: int = 60, limit: int = 1_000) -> list[Due]:
    """The subscriptions that are due."""
    return list(store.outbox.due(limit, seconds))


def named(found: list[Due]) -> list[str]:
    """Their ids."""
    return [one.subscribed.subscription for one in found]


def wake(store: DataDriverBase, *subscriptions: str, after: float | None = None, queue: str = "q", project: str = "") -> None:
    """Let subscriptions be due, now or that many seconds after START."""
    subscribed = [Subscribed(project, queue, one) for one in subscriptions]
    store.outbox.wake(subscribed, None if after is None else milliseconds(after))


# -- what is posted ------------------------------------------------------------------------------------------------


@clause("O1")
def test_a_post_to_a_queue_with_a_subscription_is_an_entry(store: DataDriverBase) -> None:
    with at(0):
        subscribe(store)
        subscribe(store, "http://b")
        (name,) = post(store, {"k": "\U0001f600"}, ttl=600)
        assert store.outbox.waiting() == 1
        (found,) = take_all(store)
        assert found[1:6] == ("", "q", name, 600, milliseconds(600))
        assert contents([found]) == [{"k": "\U0001f600"}]
        assert listed(store) == [{"k": "\U0001f600"}]


@clause("O1", "Q2", "Q11")
@promise("S1")
def test_an_entry_is_of_its_queue_and_project(store: DataDriverBase) -> None:
    places: list[tuple[str, str]] = [("q", ""), ("q", "p"), ("Q", ""), ("topic/q", "P"), ("\u00e9 ", "p ")]
    with at(0):
        for queue, project in places:
            post(store, "before", queue=queue, project=project)
            subscribe(store, queue=queue, project=project)
            post(store, [queue, project], queue=queue, project=project)
        post(store, "other", queue="other")
        found = take_all(store)
        assert sorted((one.queue, one.project) for one in found) == sorted(places)
        assert all(body == [one.queue, one.project] for one, body in zip(found, contents(found), strict=True))


@clause("O1")
def test_entries_come_in_the_order_of_posts(store: DataDriverBase) -> None:
    with at(0):
        subscribe(store)
        names = post(store, 0, 1, 2) + post(store, 3) + post(store, *range(4, 10))
        found = take_all(store)
        assert [one.id for one in found] == names
        assert contents(found) == list(range(10))


@clause("O1")
def test_a_queue_without_a_live_subscription_has_none(store: DataDriverBase) -> None:
    with at(0):
        gone = subscribe(store, queue="removed")
        store.subscription_controller.delete("removed", gone)
        for queue in ("q", "removed"):
            post(store, "a", queue=queue)
        subscribe(store, queue="expired", ttl=60)
        subscribe(store, queue="other")
        subscribe(store, queue="q", project="p")
    with at(60 + BEHIND):
        post(store, "a", queue="expired")
        post(store, "a")
        assert store.outbox.waiting() == 0
        assert take_all(store) == []
        subscribe(store, "http://b", queue="expired")
        post(store, "b", queue="expired")
        assert contents(take_all(store)) == ["b"]


@clause("O1")
def test_a_subscription_is_heeded_at_once(store: DataDriverBase, open_store: OpenStore) -> None:
    """By every process, whatever it knew before; and its end, too."""
    other = open_store(init=False)
    with at(0):
        post(other, "before")
        made = subscribe(store)
        post(other, "a")
        store.subscription_controller.update("q", made, ttl=100)
        store.subscription_controller.confirm("q", made)
    with at(100 + BEFORE):
        post(other, "b")
        assert contents(take_all(store)) == ["a", "b"]
        store.subscription_controller.delete("q", made)
        post(other, "c")
        assert take_all(store) == []


@clause("O1")
def test_a_host_that_notifies_itself_has_none(store: DataDriverBase) -> None:
    with at(0):
        subscribe(store)
        store.notifies = False
        post(store, "a")
        post(store, "b", dedup_id="x")
        assert store.outbox.waiting() == 0
        store.notifies = True
        post(store, "c")
        assert contents(take_all(store)) == ["c"]


@clause("O1")
def test_a_delay_keeps_nothing_back(store: DataDriverBase) -> None:
    with at(0):
        subscribe(store)
        store.message_controller.post("q", [message("a", delay=100), message("b"), message("c", ttl=70, delay=50)], CLIENT)
        assert [(one.ttl, one.expires) for one in take_all(store)] == [
            (3_600, milliseconds(3_600)),
            (3_600, milliseconds(3_600)),
            (70, milliseconds(70)),
        ]


@clause("O1")
def test_an_entry_stays_when_its_message_is_gone(store: DataDriverBase) -> None:
    messages = store.message_controller
    with at(0):
        subscribe(store)
        post(store, "popped")
        messages.pop("q", 1)
        messages.bulk_delete("q", post(store, "deleted"))
        post(store, "moved")
        messages.redrive("q", "other")
        post(store, "finished")
        made, found = claimed(store)
        messages.delete("q", found[0]["id"], claim=made)
        assert everything(store) == []
        store.gc()
        assert contents(take_all(store)) == ["popped", "deleted", "moved", "finished"]


@clause("O1", "Q22")
@promise("C8")
@needs("deduplication")
def test_one_that_its_dedup_id_kept_out_has_none(store: DataDriverBase) -> None:
    with at(0):
        subscribe(store)
        (first,) = post(store, "a", dedup_id="x")
        post(store, "again", dedup_id="x")
        assert [one.id for one in take_all(store)] == [first]
        given = [message("again", dedup_id="x"), message("b", dedup_id="y"), message("c"), message("b again", dedup_id="y")]
        names = store.message_controller.post("q", given, CLIENT)
        found = take_all(store)
        assert contents(found) == ["b", "c"]
        assert [one.id for one in found] == names[1:3]
        post(store, "again", "again", dedup_id="x")
        assert take_all(store) == []


@clause("O1", "Q23")
@promise("C8")
@needs("store_once")
def test_a_post_with_a_receipt_is_an_entry_once(store: DataDriverBase) -> None:
    subscribe(store)
    told = b""
    for _ in range(2):
        told = store.message_controller.post_once(
            "q", [message("a"), message("b")], CLIENT, receipt=RECEIPT, answer=lambda ids: ",".join(ids).encode()
        )
    found = take_all(store)
    assert contents(found) == ["a", "b"]
    assert told.decode().split(",") == [one.id for one in found]


@clause("O1")
@needs("claims")
def test_what_moves_has_none(store: DataDriverBase) -> None:
    """Dead letters, what is moved back, and what comes from another store: it was posted before."""
    make(store, "q", _max_claim_count=1, _dead_letter_queue="dead")
    make(store, "dead")
    with at(0):
        for queue in ("dead", "target", "received"):
            subscribe(store, queue=queue)
        post(store, "a")
        made, _ = claimed(store)
        store.claim_controller.delete("q", made)
        claim(store)
        assert listed(store, "dead") == ["a"]
        assert store.message_controller.redrive("dead", "target") == 1
        receive(store, arrival("~a", "a"), queue="received")
        assert listed(store, "target") == listed(store, "received") == ["a"]
        assert store.outbox.waiting() == 0
        assert take_all(store) == []


@clause("O1", "Q20")
@promise("C1")
def test_a_large_post_is_an_entry_each(store: DataDriverBase) -> None:
    with at(0):
        subscribe(store)
        names = post(store, *range(1_200))
        assert store.outbox.waiting() == 1_200
        found = take_all(store, limit=2_000)
        assert [one.id for one in found] == names
        store.outbox.remove(found)
        assert store.outbox.waiting() == 0


@clause("O1")
@promise("S3")
def test_any_body_is_handed_out(store: DataDriverBase) -> None:
    given: list[Any] = [None, True, 1, 1.5, "", "\x00 \U0001f600 '\"%s {}", [], {}, {"a": {"b": [None]}}, "x" * 200_000]
    with at(0):
        subscribe(store)
        post(store, *given)
        assert contents(take_all(store)) == given


@clause("O1", "Q21", "Q37")
@promise("C1")
@assumes("concurrent_writers")
def test_a_subscription_that_is_made_while_its_queue_comes_and_goes_is_heeded(store: DataDriverBase, open_store: OpenStore) -> None:
    """What is posted when both are there is entered, whoever was first."""
    other = open_store(init=False)

    def meet(queue: str) -> None:
        together(
            lambda: subscribe(store, queue=queue, ttl=3_600),
            lambda: post(other, "beside", queue=queue),
            lambda: other.queue_controller.delete(queue),
            lambda: store.queue_controller.create(queue, {}),
        )

    for n in range(25):
        meet(f"q{n}")
        take_all(store)
        post(other, n, queue=f"q{n}")
        assert contents(take_all(store)) == [n]


# -- taking and removing -------------------------------------------------------------------------------------------


@clause("O3")
def test_what_was_taken_is_not_given_again_until_its_seconds_are_over(store: DataDriverBase) -> None:
    with at(0):
        subscribe(store, ttl=3_600)
        post(store, "a", "b")
        assert contents(take_all(store, 30)) == ["a", "b"]
        assert take_all(store, 30) == []
        assert store.outbox.waiting() == 2
        post(store, "c")
    with at(30 + BEFORE):
        assert contents(take_all(store, 60)) == ["c"]
    with at(30 + BEHIND):
        post(store, "d")
        assert contents(take_all(store, 10)) == ["a", "b", "d"]
        assert take_all(store, 10) == []
    with at(100):
        assert contents(take_all(store)) == ["a", "b", "c", "d"]


@clause("O3")
def test_what_was_removed_is_gone(store: DataDriverBase) -> None:
    with at(0):
        subscribe(store, ttl=3_600)
        post(store, "a", "b", "c")
        found = take_all(store, 30)
        store.outbox.remove([found[1]])
        store.outbox.remove([found[1], found[0]])
        store.outbox.remove([])
        assert store.outbox.waiting() == 1
        assert listed(store) == ["a", "b", "c"]
    with at(60):
        assert contents(take_all(store)) == ["c"]


@clause("O3")
def test_one_that_was_taken_twice_is_removed_by_either(store: DataDriverBase) -> None:
    with at(0):
        subscribe(store, ttl=3_600)
        post(store, "a", "b")
        first = take_all(store, 30)
    with at(31):
        second = take_all(store, 30)
        store.outbox.remove(first[:1])
        store.outbox.remove(second)
    with at(100):
        assert take_all(store) == []
        assert store.outbox.waiting() == 0


@clause("O3")
def test_a_take_has_a_limit(store: DataDriverBase) -> None:
    """The oldest come first; only a post that stored several may bring more."""
    with at(0):
        subscribe(store)
        for n in range(10):
            post(store, n)
        seen: list[Any] = []
        for limit in (1, 2, 3):
            found = contents(take_all(store, limit=limit))
            assert len(found) == limit
            seen += found
        assert seen == list(range(6))
        assert contents(take_all(store)) == [6, 7, 8, 9]


@clause("O2")
def test_an_expired_entry_is_not_given(store: DataDriverBase) -> None:
    with at(0):
        subscribe(store, ttl=3_600)
        store.message_controller.post("q", [message("a", ttl=60), message("b", ttl=600), message("c", ttl=60)], CLIENT)
        post(store, "d", ttl=50)
        post(store, "e", ttl=0)
    with at(50 + BEHIND):
        assert contents(take_all(store, 5)) == ["a", "b", "c"]
    with at(60 + BEFORE):
        assert contents(take_all(store, 0)) == ["a", "b", "c"]
    with at(60 + BEHIND):
        assert store.outbox.waiting() == 1
        assert contents(take_all(store)) == ["b"]


@clause("O2", "Q42")
@pytest.mark.usefixtures("examined")
def test_cleaning_removes_expired_entries_only(store: DataDriverBase) -> None:
    with at(0):
        subscribe(store, ttl=3_600)
        post(store, *range(20), ttl=60)
        post(store, "kept", ttl=600)
        take_all(store, 600, limit=5)
    with at(61):
        for _ in range(3):
            store.gc()
        assert store.outbox.waiting() == 1
        assert contents(take_all(store)) == ["kept"]


@clause("O1", "O3")
@promise("C1")
@assumes("concurrent_writers")
def test_no_entry_is_taken_twice(store: DataDriverBase, open_store: OpenStore) -> None:
    """While four threads post, four take and remove."""
    stores = [store, open_store(init=False)]
    subscribe(store)
    each = 40
    taken: list[list[int]] = []
    lock = threading.Lock()

    def work(number: int) -> None:
        own = stores[number % 2]
        if number < 4:
            for n in range(each // 2):
                post(own, [number, 2 * n], [number, 2 * n + 1])
            return
        while len(taken) < 4 * each:
            found = take_all(own, 600, limit=number)
            with lock:
                taken.extend(contents(found))
            own.outbox.remove(found)

    numbered(8, work)
    assert Counter(map(tuple, taken)) == {(by, n): 1 for by in range(4) for n in range(each)}
    assert store.outbox.waiting() == 0


@clause("O1", "O3")
@promise("C1")
@assumes("concurrent_writers")
@assumes("survives_restart")
def test_processes_that_hand_out(store: DataDriverBase, open_store: Opener) -> None:
    subscribe(store, ttl=3_600)
    make(store, "q", "taken")
    many = 40
    processes.run(workers.hand_out, open_store.url, open_store.namespace, many)
    workers.once_each(listed(store, "taken"), many * processes.PROCESSES)
    assert store.outbox.waiting() == 0


@clause("O1")
@promise("D1")
@assumes("survives_restart")
def test_entries_survive_a_restart(store: DataDriverBase, open_store: Opener) -> None:
    made = subscribe(store, ttl=3_600)
    post(store, "a", "b")
    wake(store, made)
    open_store.close(store)
    other = open_store(init=False)
    assert contents(take_all(other)) == ["a", "b"]
    assert named(due(other)) == [made]


# -- subscriptions that are due ------------------------------------------------------------------------------------


@clause("O3")
def test_a_subscription_that_was_woken_is_due(store: DataDriverBase) -> None:
    with at(0):
        made = subscribe(store, ttl=3_600)
        other = subscribe(store, queue="r", project="p", ttl=3_600)
        assert due(store) == []
        wake(store, made)
        found = due(store, 30)
        assert [one.subscribed for one in found] == [Subscribed("", "q", made)]
        assert due(store, 30) == []
        wake(store, other, queue="r", project="p")
        assert [one.subscribed for one in due(store, 100)] == [Subscribed("p", "r", other)]
    with at(30 + BEFORE):
        assert due(store) == []
    with at(30 + BEHIND):
        assert named(due(store)) == [made]


@clause("O3")
def test_settling_says_when_it_is_due_next(store: DataDriverBase) -> None:
    with at(0):
        made = subscribe(store, ttl=3_600)
        wake(store, made)
        (found,) = due(store, 30)
        assert store.outbox.settle(found, milliseconds(20)) is True
    with at(20 + BEFORE):
        assert due(store) == []
    with at(20 + BEHIND):
        (found,) = due(store, 30)
        assert store.outbox.settle(found, None) is True
    with at(1_000):
        assert due(store) == []
        wake(store, made)
        (found,) = due(store)
        assert store.outbox.settle(found, milliseconds(1_000)) is True
        assert named(due(store)) == [made]


@clause("O3")
def test_one_that_was_woken_while_it_is_leased_is_due(store: DataDriverBase) -> None:
    """What its holder settles then changes nothing, so that nothing that came while it was served is forgotten."""
    with at(0):
        made = subscribe(store, ttl=3_600)
        wake(store, made)
        (first,) = due(store, 30)
        wake(store, made)
        assert store.outbox.settle(first, None) is False
        (second,) = due(store, 30)
        assert second.subscribed == first.subscribed
        assert store.outbox.settle(first, milliseconds(0)) is False
        assert due(store) == []
        assert store.outbox.settle(second, None) is True
        assert due(store) == []
    with at(100):
        assert due(store) == []


@clause("O3")
def test_one_that_was_woken_for_later_while_it_is_leased_is_due_then(store: DataDriverBase) -> None:
    """At the latest: whoever has it may settle for never, and ends before that moment."""
    with at(0):
        made = subscribe(store, ttl=3_600)
        wake(store, made)
        (found,) = due(store, 30)
        wake(store, made, after=100)
        assert store.outbox.settle(found, None) is False
    with at(100 + BEHIND):
        assert named(due(store)) == [made]


@clause("O3")
def test_one_that_was_leased_since_is_its_new_holders(store: DataDriverBase) -> None:
    with at(0):
        made = subscribe(store, ttl=3_600)
        wake(store, made)
        (first,) = due(store, 30)
    with at(31):
        (second,) = due(store, 30)
        assert store.outbox.settle(first, None) is False
    with at(62):
        (third,) = due(store, 30)
        assert store.outbox.settle(second, None) is False
        assert store.outbox.settle(third, None) is True
    with at(100):
        assert due(store) == []


@clause("O3")
def test_a_late_holder_settles_where_nothing_came_between(store: DataDriverBase) -> None:
    with at(0):
        made = subscribe(store, ttl=3_600)
        wake(store, made)
        (found,) = due(store, 30)
    with at(60):
        assert store.outbox.settle(found, None) is True
        assert due(store) == []


@clause("O3")
def test_the_earlier_moment_wins(store: DataDriverBase) -> None:
    with at(0):
        made = subscribe(store, ttl=3_600)
        wake(store, made, after=100)
        wake(store, made, after=50)
        wake(store, made, after=200)
        assert due(store) == []
    with at(50 + BEFORE):
        assert due(store) == []
    with at(50 + BEHIND):
        (found,) = due(store, 30)
        wake(store, made, after=60)
        assert due(store) == []
        assert store.outbox.settle(found, None) is False
    with at(60 + BEHIND):
        assert named(due(store)) == [made]


@clause("O3")
def test_the_longest_due_come_first(store: DataDriverBase) -> None:
    with at(0):
        made = [subscribe(store, f"http://{n}", ttl=3_600) for n in range(7)]
        for n, one in enumerate(made):
            wake(store, one, after=10 + (n * 3) % 7)
        wake(store, after=5)
    with at(16 + BEHIND):
        order = sorted(range(7), key=lambda n: (n * 3) % 7)
        assert named(due(store, limit=2)) == [made[n] for n in order[:2]]
        assert named(due(store, limit=1)) == [made[order[2]]]
        assert named(due(store)) == [made[n] for n in order[3:]]


@clause("O3")
def test_many_are_woken_at_once(store: DataDriverBase) -> None:
    with at(0):
        made = [subscribe(store, f"http://{n}", queue=f"q{n % 3}") for n in range(150)]
        store.outbox.wake([Subscribed("", f"q{n % 3}", one) for n, one in enumerate(made)])
        assert sorted(named(due(store))) == sorted(made)


@clause("O3")
def test_one_that_is_gone_may_be_woken(store: DataDriverBase) -> None:
    """Nothing fails, and the others are woken."""
    with at(0):
        kept = subscribe(store, "http://kept", ttl=3_600)
        removed, expired = subscribe(store, "http://removed"), subscribe(store, "http://expired", ttl=60)
        wake(store, removed)
        (found,) = due(store)
        store.subscription_controller.delete("q", removed)
        assert store.outbox.settle(found, None) in {True, False}
        wake(store, removed, "x", kept, "", "0000000000000001")
        assert kept in named(due(store))
        wake(store, expired, after=100)
    with at(101):
        wake(store, kept)
        found, *_ = [one for one in due(store) if one.subscribed.subscription == kept]
        assert store.outbox.settle(found, None) is True
        for _ in range(3):
            store.gc()
        wake(store, expired)
    with at(200):
        assert expired not in named(due(store))


@clause("O3")
@promise("C1")
@assumes("concurrent_writers")
def test_no_subscription_is_leased_twice(store: DataDriverBase, open_store: OpenStore) -> None:
    stores = [store, open_store(init=False)]
    made = [subscribe(store, f"http://{n}") for n in range(60)]
    wake(store, *made)

    def work(number: int) -> list[str]:
        seen: list[str] = []
        while found := due(stores[number % 2], 600, limit=1 + number % 3):
            seen += named(found)
            assert all(stores[number % 2].outbox.settle(one, None) for one in found)
        return seen

    seen = [one for each in numbered(6, work) for one in each]
    seen += named(due(store))
    assert Counter(seen) == dict.fromkeys(made, 1)


@clause("O3")
@promise("C1")
@assumes("concurrent_writers")
@assumes("survives_restart")
def test_processes_that_serve(store: DataDriverBase, open_store: Opener) -> None:
    many = 80
    make(store, "taken")
    for n in range(many):
        queue = f"{n:03}"
        wake(store, subscribe(store, queue=queue, ttl=3_600), queue=queue)
    processes.run(workers.serve, open_store.url, open_store.namespace, many)
    assert Counter(queue for _, queue in listed(store, "taken")) == {f"{n:03}": 1 for n in range(many)}


@clause("O3")
@promise("C1", "C4")
@assumes("concurrent_writers")
def test_nothing_that_came_while_a_subscription_is_settled_is_forgotten(store: DataDriverBase, open_store: OpenStore) -> None:
    """One posts to the lane and wakes, others take all that is there and settle for never: nothing is left over in the end."""
    other = open_store(init=False)
    made = subscribe(store, ttl=3_600)
    many, done = 60, threading.Event()
    seen: list[Any] = []
    lock = threading.Lock()

    def write() -> None:
        try:
            for n in range(many):
                post(store, n, queue=lane(made))
                wake(store, made)
        finally:
            done.set()

    def serve_once(own: DataDriverBase) -> bool:
        leased = due(own, 600)
        for one in leased:
            while found := own.message_controller.pop(lane(made), 10):
                with lock:
                    seen.extend(bodies(found))
            own.outbox.settle(one, None)
        return bool(leased)

    def serve() -> None:
        while not done.is_set() or serve_once(other):
            serve_once(other)

    together(write, serve, serve)
    while serve_once(store):
        pass
    assert everything(store, lane(made)) == []
    assert sorted(seen) == list(range(many))


# -- lanes ---------------------------------------------------------------------------------------------------------


@clause("O4", "Q21", "Q3")
def test_a_lane_is_no_queue_of_its_project(store: DataDriverBase) -> None:
    with at(0):
        made = subscribe(store, project="p", ttl=3_600)
        make(store, "q", "r", project="p")
        name = lane(made)
        assert name.startswith(LANE)
        subscribe(store, queue=name, project="p")
        post(store, "a", "b", queue=name, project="p")
        assert listed(store, name, project="p") == ["a", "b"]
        assert queues(store, project="p") == ["q", "r"]
        assert queues(store, 1, project="p") == ["q", "r"]
        assert queues(store, project="p", detailed=True, name=name) == []
        assert store.queue_controller.exists(name, "p") is False
        assert store.queue_controller.calculate_resource_count("p") == 2
        assert sorted(one.queue for one in store.depths(100).queues) == ["q", "r"]
        assert store.depths(1).left_out == 1
        assert store.outbox.waiting() == 0
        assert store.message_controller.stats(name, "p")["messages"]["total"] == 2


@clause("O4")
def test_the_backlog_is_of_lanes(store: DataDriverBase) -> None:
    with at(0):
        made = [subscribe(store, f"http://{n}", project="p", ttl=3_600) for n in range(3)]
        assert store.outbox.backlog(10) == ([], 0)
        post(store, "a", project="p")
        for n, one in enumerate(made):
            post(store, *range(n + 1), queue=lane(one), project="p")
        claimed(store, queue=lane(made[2]), project="p", limit=2)
    with at(50):
        found = store.outbox.backlog(10)
        assert [(one.project, one.queue, one.free, one.claimed, one.oldest_age) for one in found.queues] == [
            ("p", lane(made[2]), 1, 2, 50),
            ("p", lane(made[1]), 2, 0, 50),
            ("p", lane(made[0]), 1, 0, 50),
        ]
        assert found.left_out == 0
        few = store.outbox.backlog(1)
        assert ([one.queue for one in few.queues], few.left_out) == ([lane(made[2])], 2)


@clause("O4", "Q42")
@pytest.mark.usefixtures("examined")
@rows("how", ["removed", "expired", "late"])
def test_a_lane_goes_with_its_subscription(store: DataDriverBase, how: str) -> None:
    """Also what was posted to it by one that had read the subscription before."""
    with at(0):
        made, kept = subscribe(store, "http://gone", queue=how), subscribe(store, "http://kept", ttl=3_600, queue=how)
        if how != "late":
            post(store, *range(5), queue=lane(made))
        post(store, "kept", queue=lane(kept))
        if how != "expired":
            store.subscription_controller.delete(how, made)
            assert everything(store, lane(made)) == []
        if how == "late":
            post(store, *range(5), queue=lane(made))
    for moment in (61, 1_000, 1_001):
        with at(moment):
            for _ in range(2):
                store.gc()
            assert everything(store, lane(made)) == []
            assert listed(store, lane(kept)) == ["kept"]
            assert lane(made) not in [one.queue for one in store.outbox.backlog(100).queues]
            assert store.message_controller.stats(lane(made))["messages"]["total"] == 0


@clause("O4", "Q36")
@promise("S1")
def test_a_lane_stays_where_another_projects_subscription_is_removed(store: DataDriverBase) -> None:
    with at(0):
        made = subscribe(store, project="p")
        post(store, "a", queue=lane(made), project="p")
        for queue, project in (("q", None), ("q", "other"), ("r", "p")):
            store.subscription_controller.delete(queue, made, project)
        assert listed(store, lane(made), project="p") == ["a"]
        store.subscription_controller.delete("q", made, "p")
        assert listed(store, lane(made), project="p") == []

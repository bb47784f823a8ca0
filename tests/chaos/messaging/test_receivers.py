"""Receivers that fail, hang, are slow or go away: each message comes as often as the retry policy says, and nobody else waits."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.chaos.messaging.receivers import Receiver, receiving
from undercroft.conformance.limits import within
from undercroft.conformance.plugin import Opener
from undercroft.messaging import settings
from undercroft.messaging.contract.outbox import lane
from undercroft.messaging.delivery.counts import Counts
from undercroft.messaging.delivery.senders import Senders
from undercroft.messaging.delivery.worker import Options, Worker
from undercroft.messaging.models import Subscribed

pytestmark = [pytest.mark.kind("messaging"), pytest.mark.timeout(300)]
QUEUE, PROJECT = "jobs", "p"
# A sender's deadline, and the shortest policy that has all phases.
_SECONDS = 1.5
SHORT = {
    "retries_with_no_delay": 1, "minimum_delay_retries": 1, "minimum_delay": 0, "maximum_delay": 10, "maximum_delay_retries": 0,
}  # fmt: skip


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def store(opener: Opener) -> Any:
    return opener()


def worker_on(store: Any, **options: Any) -> Worker:
    """A worker that may send to this machine."""
    conf = settings.defaults()
    for group, declared in settings.GROUPS:
        conf.register_opts(declared, group=group)
    conf.set_override("notify_allow", ["127.0.0.0/8"], "messaging")
    return Worker(store, Senders(conf, seconds=_SECONDS), Options(**options))


@contextlib.contextmanager
def running(worker: Worker) -> Iterator[threading.Event]:
    """A worker that delivers until the block ends, or the event is set."""
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join()
        worker._sender.close()  # type: ignore[attr-defined]


def subscribe(store: Any, uri: str, queue: str = QUEUE, ttl: int = 600, **options: Any) -> str:
    found: str = store.subscription_controller.create(queue, uri, ttl, options, PROJECT)
    return found


def post(store: Any, *bodies: Any, queue: str = QUEUE, ttl: int = 600) -> None:
    store.message_controller.post(queue, [{"ttl": ttl, "body": body} for body in bodies], None, PROJECT)


def waiting(store: Any, subscription: str) -> int:
    """How much a lane has."""
    total: int = store.message_controller.stats(lane(subscription), PROJECT)["messages"]["total"]
    return total


def soon(is_so: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Whether something comes to be true."""
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            return False
        threading.Event().wait(0.02)
    return True


def test_what_fails_first_comes_again(store: Any, receiver: Receiver):
    subscribe(store, receiver.url("first"))
    with running(worker := worker_on(store)):
        post(store, *range(20))
        assert receiver.wait(lambda: set(receiver.taken["/first/a"]) == set(range(20)), 20)
    assert worker.tally.now.delivered == 20
    assert worker.tally.now.failed >= 1


@pytest.mark.parametrize("behaviour", ["dead", "reset"])
def test_a_dead_receiver_is_tried_as_the_policy_says(store: Any, receiver: Receiver, behaviour: str, caplog: Any):
    made = subscribe(store, receiver.url(behaviour), _retry_policy=SHORT)
    worker = worker_on(store)
    with caplog.at_level(logging.INFO, "undercroft"), running(worker):
        post(store, 1)
        assert soon(lambda: worker.tally.now.dropped == 1)
    # The first attempt, and each delay of 0, 0, 0 and 5 seconds.
    assert receiver.tried[f"/{behaviour}/a"] == [1] * 5
    assert worker.tally.now == Counts(handed=1, delivered=0, failed=4, dropped=1, expired=0)
    assert waiting(store, made) == 0
    (line,) = [each for each in caplog.records if each.getMessage() == "notifications are given up"]
    assert (line.subscription, line.queue, line.host, line.messages) == (made, QUEUE, "127.0.0.1", 1)
    assert not any("secret-of" in str(vars(each)) or behaviour in str(vars(each)) for each in caplog.records)


def test_the_policy_of_the_queue_counts(store: Any, receiver: Receiver):
    store.queue_controller.create(QUEUE, {"_retry_policy": SHORT}, PROJECT)
    subscribe(store, receiver.url("dead"))
    with running(worker := worker_on(store)):
        post(store, 1)
        assert soon(lambda: worker.tally.now.dropped == 1)
    assert receiver.tried["/dead/a"] == [1] * 5


def test_what_is_refused_is_not_sent_again(store: Any, receiver: Receiver):
    subscribe(store, receiver.url("gone"))
    with running(worker := worker_on(store)):
        post(store, 1, 2)
        assert soon(lambda: worker.tally.now.dropped == 2)
    assert sorted(receiver.tried["/gone/a"]) == [1, 2]


def test_a_receiver_that_asks_for_time_gets_it(store: Any, receiver: Receiver):
    subscribe(store, receiver.url("busy"))
    with running(worker_on(store)):
        post(store, 1)
        assert soon(lambda: len(receiver.tried["/busy/a"]) == 1)
        began = time.monotonic()
        assert soon(lambda: len(receiver.tried["/busy/a"]) == 2)
        assert time.monotonic() - began > 1.8


def test_one_that_never_takes_a_message_gets_the_others(store: Any, receiver: Receiver):
    receiver.behaviours["picky"] = lambda _me, _path, body: 500 if body == 0 else 200
    subscribe(store, receiver.url("picky"))
    with running(worker_on(store)):
        for number in range(30):
            post(store, number)
        assert receiver.wait(lambda: set(receiver.taken["/picky/a"]) == set(range(1, 30)), 20)


# -- who does not get anything any more ------------------------------------------------------------------------------


def test_an_unsubscribed_receiver_gets_nothing_more(store: Any, receiver: Receiver):
    made = subscribe(store, receiver.url("slow"))
    with running(worker_on(store)):
        post(store, *range(100))
        assert soon(lambda: len(receiver.tried["/slow/a"]) > 0)
        store.subscription_controller.delete(QUEUE, made, PROJECT)
        # What is under way is finished.
        threading.Event().wait(2)
        had = len(receiver.tried["/slow/a"])
        post(store, 100)
        threading.Event().wait(1)
    assert len(receiver.tried["/slow/a"]) == had < 50
    assert soon(lambda: waiting(store, made) == 0, 5)


def test_an_expired_subscription_gets_nothing_more(store: Any, receiver: Receiver):
    subscribe(store, receiver.url("ok"), ttl=1)
    other = subscribe(store, receiver.url("ok", "b"))
    post(store, 1)
    threading.Event().wait(2)
    with running(worker_on(store)):
        assert receiver.wait(lambda: receiver.taken["/ok/b"] == [1], 10)
    assert receiver.tried["/ok/a"] == []
    assert waiting(store, other) == 0


def test_an_expired_message_is_not_sent(store: Any, receiver: Receiver):
    subscribe(store, receiver.url("ok"))
    post(store, 1, ttl=1)
    post(store, 2)
    threading.Event().wait(1.1)
    with running(worker_on(store)):
        assert receiver.wait(lambda: bool(receiver.taken["/ok/a"]), 10)
        threading.Event().wait(0.2)
    assert receiver.taken["/ok/a"] == [2]


def test_one_whose_time_ends_while_it_waits_is_not_sent(store: Any, receiver: Receiver):
    subscribe(store, receiver.url("busy"))
    with running(worker_on(store)):
        post(store, 1, ttl=1)
        assert soon(lambda: len(receiver.tried["/busy/a"]) == 1)
        threading.Event().wait(3)
    assert receiver.tried["/busy/a"] == [1]


def test_only_those_who_agreed_get_messages(store: Any, receiver: Receiver):
    made = subscribe(store, receiver.url("ok"))
    store.subscription_controller.confirm(QUEUE, made, PROJECT)
    other = subscribe(store, receiver.url("ok", "b"))
    asks = {"ttl": 60, "body": {"confirmation": {"Message_Type": "SubscriptionConfirmation"}}}
    store.message_controller.post(lane(other), [asks], None, PROJECT)
    store.outbox.wake([Subscribed(PROJECT, QUEUE, other)])
    with running(worker_on(store, requires_confirmation=True)):
        post(store, 1)
        assert receiver.wait(lambda: bool(receiver.taken["/ok/a"] and receiver.taken["/ok/b"]), 10)
        store.subscription_controller.confirm(QUEUE, made, PROJECT, False)
        post(store, 2)
        threading.Event().wait(1.5)
    assert receiver.taken["/ok/a"] == [1]
    assert [each["Message_Type"] for each in receiver.documents["/ok/b"]] == ["SubscriptionConfirmation"]


# -- nobody waits for somebody else ----------------------------------------------------------------------------------


def slowest_beside_hanging_ones(store: Any, receiver: Receiver, *, has_slow_lane: bool) -> float:
    """Seconds that a message to a quick receiver takes at most, while eight others hang."""
    for number in range(8):
        subscribe(store, receiver.url("hang", str(number)), queue=f"hanging-{number}")
    subscribe(store, receiver.url("ok"))
    worker = worker_on(store, parallel=4)
    if not has_slow_lane:
        worker._most_slow = 4
    took = []
    with running(worker):
        post(store, "warm")
        assert receiver.wait(lambda: "warm" in receiver.taken["/ok/a"], 10)
        for number in range(8):
            post(store, number, queue=f"hanging-{number}")
        # Each has hung once, which is how that is known.
        assert soon(lambda: len({path for path in receiver.tried if path.startswith("/hang")}) == 8)
        threading.Event().wait(_SECONDS)
        for number in range(20):
            began = time.monotonic()
            post(store, number)
            assert receiver.wait(lambda number=number: number in receiver.taken["/ok/a"], 30)  # type: ignore[misc]
            took.append(time.monotonic() - began)
    return max(took)


def test_hanging_receivers_hold_up_nobody(store: Any, receiver: Receiver, record: Any):
    slowest = slowest_beside_hanging_ones(store, receiver, has_slow_lane=True)
    record(slowest=f"{slowest:.2f} s")
    within(slowest, 1.2)


def test_twin_without_a_slow_lane_holds_up_others(store: Any, receiver: Receiver, record: Any):
    slowest = slowest_beside_hanging_ones(store, receiver, has_slow_lane=False)
    record(slowest=f"{slowest:.2f} s")
    assert slowest >= 1.2


def test_a_receiver_is_served_by_one_thread_at_a_time(store: Any, receiver: Receiver):
    busy, most, lock = [0], [0], threading.Lock()

    def count(me: Receiver, _path: str, _body: Any) -> int:
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        me.over.wait(0.05)
        with lock:
            busy[0] -= 1
        return 200

    receiver.behaviours["counting"] = count
    subscribe(store, receiver.url("counting"))
    with running(worker_on(store)):
        for number in range(100):
            post(store, number)
        assert receiver.wait(lambda: set(receiver.taken["/counting/a"]) == set(range(100)), 30)
    # What one wave has under way at once, and nothing of a second one.
    assert most[0] <= 8


def test_two_workers_send_everything(store: Any, opener: Opener, receiver: Receiver):
    subscribe(store, receiver.url("ok"))
    subscribe(store, receiver.url("ok", "b"))
    with running(worker_on(store)), running(worker_on(opener())):
        for first in range(0, 300, 10):
            post(store, *range(first, first + 10))
        wanted = set(range(300))
        assert receiver.wait(lambda: set(receiver.taken["/ok/a"]) == set(receiver.taken["/ok/b"]) == wanted, 30)
    assert len(receiver.taken["/ok/a"]) == len(receiver.taken["/ok/b"]) == 300


def test_a_stop_finishes_what_is_under_way(store: Any, receiver: Receiver):
    made = subscribe(store, receiver.url("slow"))
    with running(worker_on(store)) as stop:
        post(store, *range(20))
        assert soon(lambda: len(receiver.tried["/slow/a"]) > 0)
        stop.set()
    had = len(receiver.taken["/slow/a"])
    assert 0 < had == len(receiver.tried["/slow/a"])
    assert waiting(store, made) == 20 - had
    # Others go on at once.
    receiver.behaviours["slow"] = receiver.behaviours["ok"]
    with running(worker_on(store)):
        assert receiver.wait(lambda: sorted(receiver.taken["/slow/a"]) == list(range(20)), 5)


def test_a_run_ends_when_nothing_is_due(store: Any, receiver: Receiver):
    subscribe(store, receiver.url("ok"))
    subscribe(store, receiver.url("busy"))
    post(store, *range(10))
    worker = worker_on(store)
    with contextlib.closing(worker._sender):  # type: ignore[type-var]
        found = worker.run(threading.Event(), until_idle=True)
    assert (found.delivered, found.failed) == (10, 8)
    assert sorted(receiver.taken["/ok/a"]) == list(range(10))

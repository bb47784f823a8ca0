"""Serving: what a lane has is sent, deleted when it was taken, and kept as long as the policy says when it was not."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.unit.messaging.delivery.conftest import DONE, Told
from undercroft.core.errors import Unavailable
from undercroft.messaging.contract.outbox import lane
from undercroft.messaging.delivery import worker as workers
from undercroft.messaging.delivery.counts import Counts, Tally
from undercroft.messaging.delivery.handing import Handing
from undercroft.messaging.delivery.notification import Kind, Notification, Outcome
from undercroft.messaging.delivery.receivers import Receiver
from undercroft.messaging.delivery.serving import Serving
from undercroft.messaging.delivery.worker import Options, Worker
from undercroft.messaging.models import Subscribed
from undercroft.messaging.sealing import Sealer

QUEUE, PROJECT = "jobs", "p"
KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
REFUSED = Outcome(Kind.REFUSED, "the answer is 404")
BUSY = Outcome(Kind.RETRY, "the answer is 503", 7)
FAILED = Outcome(Kind.RETRY, "the answer is 500")


class Lane:
    """One subscription, and what serves it."""

    def __init__(self, store: Any, sender: Told, helpers: Any, options: dict[str, Any] | None = None) -> None:
        self.store, self.sender, self.tally = store, sender, Tally()
        self.id = store.subscription_controller.create(QUEUE, "http://a.example/secret", 600, options or {}, PROJECT)
        self._make: Callable[[bool], Serving] = lambda required: Serving(
            store, sender, Sealer(KEY), helpers, self.tally, requires_confirmation=required
        )
        self.receiver = Receiver()

    def post(self, *bodies: Any, ttl: int = 600) -> None:
        self.store.message_controller.post(QUEUE, [{"ttl": ttl, "body": body} for body in bodies], None, PROJECT)
        Handing(self.store, requires_confirmation=False).step()

    def serve(self, *, required: bool = False, ends: Callable[[], bool] = lambda: False) -> None:
        """Serve it, if it is due."""
        for due in self.store.outbox.due(10, 30):
            self._make(required).serve(due, self.receiver, ends)

    @property
    def waiting(self) -> dict[str, int]:
        """How much it has: free, and claimed."""
        found = self.store.message_controller.stats(lane(self.id), PROJECT)["messages"]
        return {"free": found["free"], "claimed": found["claimed"]}


@pytest.fixture
def helpers() -> Iterator[Any]:
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        yield pool


@pytest.fixture
def one(store: Any, sender: Told, helpers: Any) -> Lane:
    return Lane(store, sender, helpers)


def test_what_is_taken_is_gone(one: Lane):
    one.post(*range(50))
    one.serve()
    assert sorted(int(body) for body in one.sender.bodies) == list(range(50))
    assert one.waiting == {"free": 0, "claimed": 0}
    assert one.tally.now == Counts(0, 50, 0, 0, 0)
    # Nothing is due any more.
    assert one.store.outbox.due(10, 1) == []


def test_a_notification_says_what_receivers_need(one: Lane):
    one.post({"k": 1}, ttl=77)
    one.serve()
    (found,) = one.sender.sent
    assert found.subscriber == "http://a.example/secret"
    assert (found.queue, found.project, found.subscription, found.ttl) == (QUEUE, PROJECT, one.id, 77)
    assert found.body == b'{"k":1}'
    assert found.confirmation is None


def test_a_message_has_one_id_however_often_it_is_sent(one: Lane):
    one.sender.do = lambda _: DONE if len(one.sender.sent) > 2 else FAILED
    one.post(1)
    for _ in range(3):
        one.serve()
    assert len({each.message for each in one.sender.sent}) == 1
    assert len(one.sender.sent) == 3


def test_what_fails_is_free_or_claimed_as_the_policy_says(one: Lane):
    one.sender.do = lambda _: FAILED
    one.post(1, 2)
    for _ in range(3):
        one.serve()
        assert one.waiting == {"free": 2, "claimed": 0}
    one.serve()
    assert one.waiting == {"free": 0, "claimed": 2}
    assert one.receiver.is_slow
    assert 4 < one.receiver.rests <= 5
    assert one.tally.now == Counts(0, 0, 8, 0, 0)
    one.serve()
    assert len(one.sender.sent) == 8


def test_a_policy_of_no_retries_gives_up_at_once(store: Any, sender: Told, helpers: Any, caplog: pytest.LogCaptureFixture):
    none = {
        "retries_with_no_delay": 0, "minimum_delay_retries": 0, "minimum_delay": 9, "maximum_delay": 9, "maximum_delay_retries": 0,
    }  # fmt: skip
    one = Lane(store, sender, helpers, {"_retry_policy": none})
    sender.do = lambda _: FAILED
    one.post(1, 2)
    one.serve()
    assert one.waiting == {"free": 0, "claimed": 0}
    assert one.tally.now == Counts(0, 0, 0, 2, 0)
    (line,) = [vars(each) for each in caplog.records if each.getMessage() == "notifications are given up"]
    assert {key: line[key] for key in ("subscription", "queue", "host", "messages", "reason")} == {
        "subscription": one.id, "queue": QUEUE, "host": "a.example", "messages": 2, "reason": "the answer is 500",
    }  # fmt: skip
    assert "secret" not in str(line)


def test_what_is_refused_is_given_up(one: Lane):
    one.sender.do = lambda notification: REFUSED if notification.body == b"1" else DONE
    one.post(0, 1, 2)
    one.serve()
    assert one.waiting == {"free": 0, "claimed": 0}
    assert one.tally.now == Counts(0, 2, 0, 1, 0)


def test_the_others_go_on_when_one_fails(one: Lane):
    one.sender.do = lambda notification: FAILED if notification.body == b"7" else DONE
    one.post(*range(100))
    one.serve()
    assert one.tally.now.delivered == 99
    assert one.waiting["free"] + one.waiting["claimed"] == 1
    assert not one.receiver.rests


def test_a_receiver_that_asks_for_time_has_it(one: Lane):
    one.sender.do = lambda _: BUSY
    one.post(1)
    one.serve()
    assert one.waiting == {"free": 0, "claimed": 1}
    assert 6 < one.receiver.rests <= 7


def test_what_was_not_sent_stays(one: Lane):
    over = threading.Event()

    def do(_: Notification) -> Outcome:
        over.set()
        return DONE

    one.sender.do = do
    one.receiver.size = 64
    one.post(*range(60))
    one.serve(ends=over.is_set)
    sent = len(one.sender.sent)
    assert 0 < sent < 60
    assert one.waiting == {"free": 60 - sent, "claimed": 0}
    # It is due at once, for somebody else.
    one.serve()
    assert sorted(int(body) for body in one.sender.bodies) == list(range(60))


def test_one_that_was_not_sent_is_never_given_up(store: Any, sender: Told, helpers: Any):
    spread = {"minimum_delay": 0, "maximum_delay": 10, "minimum_delay_retries": 0, "maximum_delay_retries": 0}
    one = Lane(store, sender, helpers, {"_retry_policy": {**spread, "retries_with_no_delay": 1}})
    one.post(1)
    for _ in range(20):
        one.serve(ends=lambda: True)
    assert one.sender.sent == []
    one.serve()
    assert len(one.sender.sent) == 1


def test_an_expired_message_is_not_sent(one: Lane):
    one.post(1, ttl=1)
    one.post(2)
    # A claim lets it live on in the lane.
    claim, _ = one.store.claim_controller.create(lane(one.id), {"ttl": 2, "grace": 60}, PROJECT, 1)
    threading.Event().wait(1.1)
    one.store.claim_controller.delete(lane(one.id), claim, PROJECT)
    one.serve()
    assert one.sender.bodies == [b"2"]
    assert one.tally.now == Counts(0, 1, 0, 0, 1)
    assert one.waiting == {"free": 0, "claimed": 0}


def test_a_subscription_that_has_ended_gets_nothing_and_its_lane_goes(one: Lane):
    one.post(1, 2)
    (due,) = one.store.outbox.due(10, 30)
    one.store.subscription_controller.update(QUEUE, one.id, PROJECT, ttl=0)
    one._make(False).serve(due, one.receiver, lambda: False)
    assert one.sender.sent == []
    assert one.waiting == {"free": 0, "claimed": 0}


def test_one_that_has_not_agreed_gets_what_asks_it_to(one: Lane):
    one.post(1)
    asks = {"ttl": 60, "body": {"confirmation": {"a": 1}}}
    one.store.message_controller.post(lane(one.id), [asks], None, PROJECT)
    one.serve(required=True)
    (found,) = one.sender.sent
    assert found.confirmation == b'{"a":1}'
    assert one.waiting == {"free": 0, "claimed": 0}


def test_encrypted_bodies_are_opened_and_those_that_cannot_be_wait(one: Lane):
    sealed = Sealer(KEY).seal({"k": 1}, QUEUE, PROJECT)
    other = Sealer("YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY=").seal({"k": 2}, QUEUE, PROJECT)
    one.post(sealed, other, Sealer.shield({"undercroft:sealed": 3}))
    one.serve()
    assert one.sender.bodies == [b'{"k":1}', b'{"undercroft:sealed":3}']
    assert one.waiting == {"free": 0, "claimed": 1}
    assert one.tally.now == Counts(0, 2, 0, 0, 0)


def test_a_topic_is_called_by_its_name(store: Any, sender: Told):
    store.subscription_controller.create("topic/news", "http://a", 600, {}, PROJECT)
    store.message_controller.post("topic/news", [{"ttl": 60, "body": 1}], None, PROJECT)
    Worker(store, sender, Options()).run(threading.Event(), until_idle=True)
    (found,) = sender.sent
    assert found.queue == "news"


# -- the worker ------------------------------------------------------------------------------------------------------


def test_slow_receivers_have_at_most_half_of_the_threads(store: Any, sender: Told):
    over, lock = threading.Event(), threading.Lock()
    slow, most = set[str](), [0]

    def do(notification: Notification) -> Outcome:
        if notification.queue == "quick":
            return DONE
        with lock:
            slow.add(notification.subscription)
            most[0] = max(most[0], len(slow))
        over.wait(0.3)
        with lock:
            slow.discard(notification.subscription)
        return FAILED

    sender.do = do
    worker = Worker(store, sender, Options(parallel=4))
    for number in range(6):
        made = store.subscription_controller.create("slow", f"http://a/{number}", 600, {}, PROJECT)
        worker._receivers.of(Subscribed(PROJECT, "slow", made)).is_slow = True
    store.subscription_controller.create("quick", "http://b", 600, {}, PROJECT)
    store.message_controller.post("slow", [{"ttl": 60, "body": 1}], None, PROJECT)
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        for number in range(10):
            store.message_controller.post("quick", [{"ttl": 60, "body": number}], None, PROJECT)
            over.wait(0.1)
    finally:
        stop.set()
        thread.join()
    assert most[0] == 2
    assert sum(each.queue == "quick" for each in sender.sent) >= 9


def test_a_store_that_fails_is_asked_again(store: Any, sender: Told, monkeypatch: pytest.MonkeyPatch):
    store.subscription_controller.create(QUEUE, "http://a", 600, {}, PROJECT)
    store.message_controller.post(QUEUE, [{"ttl": 60, "body": 1}], None, PROJECT)
    monkeypatch.setattr(workers, "_FIRST_REST", 0.05)
    take, failures = store.outbox.take, [2]

    def failing(limit: int, seconds: int) -> Any:
        if failures[0]:
            failures[0] -= 1
            raise Unavailable("away")
        return take(limit, seconds)

    monkeypatch.setattr(store.outbox, "take", failing)
    worker, stop = Worker(store, sender, Options()), threading.Event()
    with pytest.raises(Unavailable):
        worker.run(stop, until_idle=True)

    def do(_: Notification) -> Outcome:
        stop.set()
        return DONE

    sender.do = do
    worker.run(stop)
    assert sender.bodies == [b"1"]


def test_a_run_of_a_time_ends(store: Any, sender: Told):
    Worker(store, sender, Options()).run(threading.Event(), seconds=0.1)
    assert sender.sent == []

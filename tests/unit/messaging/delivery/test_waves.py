"""Waves, and what is learnt of receivers."""

from __future__ import annotations

import concurrent.futures
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from undercroft.conformance.limits import within
from undercroft.messaging.delivery import waves
from undercroft.messaging.delivery.letters import letter
from undercroft.messaging.delivery.notification import Kind, Notification, Outcome
from undercroft.messaging.delivery.receivers import LARGEST, LONGEST_REST, Receiver, Receivers
from undercroft.messaging.delivery.serving import host
from undercroft.messaging.delivery.waves import WIDTH, Sending, Wave
from undercroft.messaging.models import Subscribed

DONE, AGAIN = Outcome(Kind.DELIVERED), Outcome(Kind.RETRY, "busy")
NOTIFICATION = Notification("http://a/secret", {}, "q", "p", "s1", "m", 60, b"1")


class Sender:
    """Does what it is told to."""

    def __init__(self, do: Callable[[str], Outcome]) -> None:
        self._do = do

    def send(self, notification: Notification) -> Outcome:
        return self._do(notification.message)


@pytest.fixture
def helpers() -> Iterator[concurrent.futures.Executor]:
    with concurrent.futures.ThreadPoolExecutor(2 * WIDTH) as pool:
        yield pool


def sent(helpers: Any, do: Callable[[str], Outcome], many: int, ends: Callable[[], bool] = lambda: False) -> Sending:
    found = Sending(Sender(do), [NOTIFICATION._replace(message=str(number)) for number in range(many)], ends)
    found.run(helpers)
    return found


def test_each_is_sent_once_and_has_its_own_outcome(helpers: Any):
    found = sent(helpers, lambda message: DONE if int(message) % 2 else AGAIN, 50)
    assert found.outcomes == [DONE if number % 2 else AGAIN for number in range(50)]


@pytest.mark.parametrize("many", [0, 1, WIDTH - 1, WIDTH, 3 * WIDTH])
def test_no_more_are_under_way_at_once_than_a_wave_is_wide(helpers: Any, many: int):
    busy, most, lock = itertools.count(), [0], threading.Lock()
    under_way = [0]

    def do(_: str) -> Outcome:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        threading.Event().wait(0.02)
        with lock:
            under_way[0] -= 1
        next(busy)
        return DONE

    assert sent(helpers, do, many).outcomes == [DONE] * many
    assert most[0] <= WIDTH
    assert next(busy) == many


def test_one_that_fails_slowly_ends_the_wave(helpers: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(waves, "SLOW", 0.05)

    def do(_: str) -> Outcome:
        threading.Event().wait(0.06)
        return AGAIN

    found = sent(helpers, do, 100)
    assert 1 <= sum(each is not None for each in found.outcomes) <= WIDTH
    assert found.slowest >= 0.06


def test_one_that_is_slow_and_takes_it_does_not_end_the_wave(helpers: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(waves, "SLOW", 0.02)

    def do(_: str) -> Outcome:
        threading.Event().wait(0.03)
        return DONE

    assert sent(helpers, do, 3 * WIDTH).outcomes == [DONE] * (3 * WIDTH)


def test_a_wave_ends_with_its_time_and_with_the_process(helpers: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(waves, "LONGEST", 0.1)

    def do(_: str) -> Outcome:
        threading.Event().wait(0.03)
        return DONE

    began = time.monotonic()
    found = sent(helpers, do, 1_000)
    within(time.monotonic() - began, 5)
    assert 0 < sum(each is not None for each in found.outcomes) < 1_000
    assert sent(helpers, do, 10, lambda: True).outcomes == [None] * 10


def test_a_sender_that_fails_is_tried_again_and_tells_no_secret(helpers: Any, caplog: pytest.LogCaptureFixture):
    def do(_: str) -> Outcome:
        raise ValueError("http://a/secret")

    with caplog.at_level(logging.INFO):
        (found,) = sent(helpers, do, 1).outcomes
    assert found is not None
    assert found.kind is Kind.RETRY
    assert "secret" not in caplog.text + str([vars(each) for each in caplog.records])


# -- what is learnt --------------------------------------------------------------------------------------------------


def test_waves_grow_for_one_that_is_quick():
    receiver = Receiver()
    for _ in range(10):
        receiver.note(Wave(receiver.size, receiver.size, seconds=0.1, is_full=True))
    assert receiver.size == LARGEST
    receiver.note(Wave(LARGEST, LARGEST, seconds=3))
    assert receiver.size == LARGEST // 2
    assert not receiver.is_slow


@pytest.mark.parametrize("wave", [Wave(8, 8, slowest=1.5, seconds=1.5), Wave(8, 0, 8), Wave(8, 0, 1, rest=30)])
def test_one_that_is_slow_or_takes_nothing_is_slow(wave: Wave):
    receiver = Receiver(LARGEST)
    receiver.note(wave)
    assert receiver.is_slow
    assert receiver.size == WIDTH
    receiver.note(Wave(8, 8, seconds=0.1))
    assert not receiver.is_slow


def test_one_that_takes_nothing_rests_and_no_longer_than_some_seconds():
    receiver = Receiver()
    receiver.note(Wave(8, 1, 7, rest=30))
    assert not receiver.rests
    receiver.note(Wave(8, 0, 8, rest=0))
    assert not receiver.rests
    receiver.note(Wave(8, 0, 8, rest=2))
    assert 1 < receiver.rests <= 2
    receiver.note(Wave(8, 0, 8, rest=30))
    assert LONGEST_REST - 1 < receiver.rests <= LONGEST_REST
    receiver.note(Wave(8, 0, 8, rest=30, wish=60))
    assert 59 < receiver.rests <= 60


def test_not_every_receiver_is_remembered(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("undercroft.messaging.delivery.receivers.REMEMBERED", 3)
    known = Receivers()
    first = known.of(Subscribed("p", "q", "0"))
    first.is_slow = True
    for number in range(1, 3):
        known.of(Subscribed("p", "q", str(number)))
    assert known.of(Subscribed("p", "q", "0")) is first
    known.of(Subscribed("p", "q", "3"))
    assert known.of(Subscribed("p", "q", "0")) is first
    assert len(known._known) == 3


# -- letters ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [None, 5, [], {"id": 5}, {"body": {}}, {"confirmation": 1}, {"expires": "x"}])
def test_what_no_lane_was_given_is_no_letter(body: Any):
    assert letter({"id": "1", "claim_count": 1, "ttl": 60, "body": body}) is None


def test_what_asks_to_confirm():
    found = letter({"id": "7", "claim_count": 2, "ttl": 60, "body": {"confirmation": {"a": 1}}})
    assert found is not None
    assert found == ("7", 2, "7", 60, None, b"null", b'{"a":1}')


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://user:pass@Example.org:8443/x?y=z", "example.org"),
        ("mailto:ops@example.org?subject=x", "example.org"),
        ("http://[::1]:80/x", "::1"),
        ("http://[::1", ""),
        ("x", ""),
    ],
)
def test_logs_have_the_host_alone(uri: str, shown: str):
    assert host(uri) == shown

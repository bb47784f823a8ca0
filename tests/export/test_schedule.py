"""When what is tried again, by a clock of the test's own."""

from __future__ import annotations

import pytest

from undercroft.export.schedule import Schedule


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def schedule(clock: Clock, retries: int | None = None) -> Schedule:
    found = Schedule(60, 1, 300, retries, clock)
    found.begin()
    return found


def test_what_is_done_is_due_at_the_next_round_and_rounds_keep_their_distance(clock):
    found = schedule(clock)
    clock.now += 10
    found.done("a")
    assert not found.is_due("a")
    assert found.wait(["a"]) == 50
    clock.now += 50
    assert found.is_due("a")
    # A round that took longer is followed at once.
    found.begin()
    clock.now += 100
    found.done("a")
    assert found.is_due("a")
    assert found.wait(["a"]) == 0


def test_waits_grow_with_full_jitter_up_to_the_longest(clock):
    found = schedule(clock)
    longest = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    waits = [[found.failed(key) for key in range(300)] for _ in longest]
    for bound, each in zip(longest, waits, strict=True):
        assert max(each) <= bound
        assert max(each) > 0.9 * bound
        assert min(each) < 0.1 * bound


def test_a_failure_delays_its_own_key_only(clock):
    found = schedule(clock)
    found.failed("a", longest=True)
    assert not found.is_due("a")
    assert found.is_due("b")
    assert found.wait(["a", "b"]) == 0
    assert found.wait(["a"]) == 300


def test_the_other_side_says_how_long_to_wait(clock):
    found = schedule(clock)
    assert found.failed("a", at_least=900) == 900
    clock.now += 899
    assert not found.is_due("a")
    clock.now += 1
    assert found.is_due("a")


def test_success_begins_anew(clock):
    found = schedule(clock)
    for _ in range(9):
        found.failed("a")
    found.done("a")
    assert found.failed("a") <= 1
    for _ in range(9):
        found.failed("b")
    found.recovered("b")
    assert found.is_due("b")
    assert found.failed("b") <= 1


def test_after_so_many_retries_it_is_left_to_the_next_round(clock):
    found = schedule(clock, retries=2)
    found.failed("a")
    found.failed("a")
    assert not found.is_given_up("a")
    assert not found.is_settled("a")
    assert found.failed("a") == 60
    assert found.is_given_up("a")
    assert found.is_settled("a")
    clock.now += 60
    found.begin()
    found.done("a")
    assert not found.is_given_up("a")


def test_no_retries_at_all(clock):
    found = schedule(clock, retries=0)
    found.failed("a")
    assert found.is_given_up("a")

"""Periodic jobs: one runner does each at a time, a failure stops nothing, a stop waits for what is under way."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading

import pytest

from undercroft.core.jobs import Job, LocalLocks, Runner

HOUR = dt.timedelta(hours=1)
INSTANT = dt.timedelta(milliseconds=1)
LIMIT = 60  # seconds; ends a test that fails, decides nothing else


class CountingLocks(LocalLocks):
    """Tells when `expected` tries to take a lock have been made."""

    def __init__(self, expected: int) -> None:
        super().__init__()
        self.tries = threading.Semaphore(0)
        self.expected = expected

    def acquire(self, name, ttl):
        taken = super().acquire(name, ttl)
        self.tries.release()
        return taken

    def await_tries(self) -> None:
        for _ in range(self.expected):
            assert self.tries.acquire(timeout=LIMIT)


@contextlib.contextmanager
def running(*runners: Runner):
    stop = threading.Event()
    threads = [threading.Thread(target=runner.run, args=(stop,)) for runner in runners]
    for thread in threads:
        thread.start()
    try:
        yield stop
    finally:
        stop.set()
        for thread in threads:
            thread.join(LIMIT)
            assert not thread.is_alive()


def test_one_of_many_runners_does_the_work_of_a_period():
    done = threading.Semaphore(0)
    locks = CountingLocks(expected=4)
    job = Job("count", HOUR, done.release)
    with running(*(Runner([job], locks, jitter=0) for _ in range(4))):
        locks.await_tries()
    assert done.acquire(blocking=False)
    assert not done.acquire(blocking=False)


def test_without_a_common_lock_every_runner_does_it():
    """The twin of the test above: it would see work done twice."""
    done = threading.Semaphore(0)
    several = [CountingLocks(expected=1) for _ in range(4)]
    job = Job("count", HOUR, done.release)
    with running(*(Runner([job], locks, jitter=0) for locks in several)):
        for locks in several:
            locks.await_tries()
    assert [done.acquire(blocking=False) for _ in range(5)] == [True, True, True, True, False]


def test_a_job_never_runs_twice_at_once():
    active: list[str] = []
    overlaps: list[str] = []
    runs = threading.Semaphore(0)

    def work() -> None:
        active.append("x")
        overlaps.extend(active[1:])
        threading.Event().wait(0.002)
        active.pop()
        runs.release()

    locks = LocalLocks()
    with running(*(Runner([Job("work", INSTANT, work)], locks) for _ in range(4))):
        for _ in range(50):
            assert runs.acquire(timeout=LIMIT)
    assert overlaps == []


def test_jobs_come_again_and_do_not_wait_for_each_other():
    runs = threading.Semaphore(0)
    hold = threading.Event()
    slow = Job("slow", INSTANT, lambda: hold.wait(LIMIT))
    quick = Job("quick", INSTANT, runs.release)
    with running(Runner([slow, quick], LocalLocks())):
        for _ in range(5):
            assert runs.acquire(timeout=LIMIT)
        hold.set()


def test_a_failing_job_is_logged_and_tried_again(caplog):
    failures = threading.Semaphore(0)
    others = threading.Semaphore(0)

    def fail() -> None:
        failures.release()
        raise RuntimeError("the disk is full")

    with running(Runner([Job("bad", INSTANT, fail), Job("good", INSTANT, others.release)], LocalLocks())):
        for _ in range(3):
            assert failures.acquire(timeout=LIMIT)
            assert others.acquire(timeout=LIMIT)
    assert "job bad failed" in caplog.text
    assert "the disk is full" in caplog.text
    assert "job good failed" not in caplog.text


def test_a_lock_that_cannot_be_reached_is_a_failure_like_any_other(caplog):
    class Unreachable:
        def acquire(self, name: str, ttl: dt.timedelta) -> None:
            raise ConnectionError("no database")

    assert not Runner([], Unreachable()).run_once(Job("any", HOUR, lambda: pytest.fail("ran without a lock")))
    assert "no database" in caplog.text


def test_stop_waits_for_the_job_under_way():
    began, hold, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        hold.wait(LIMIT)
        ended.set()

    stop = threading.Event()
    thread = threading.Thread(target=Runner([Job("long", HOUR, work)], LocalLocks(), jitter=0).run, args=(stop,))
    thread.start()
    assert began.wait(LIMIT)
    stop.set()
    thread.join(0.1)
    assert thread.is_alive()
    hold.set()
    thread.join(LIMIT)
    assert not thread.is_alive()
    assert ended.is_set()


def test_a_lock_is_kept_for_its_time_and_given_again_after_it():
    locks = LocalLocks()
    lock = locks.acquire("a", HOUR)
    assert lock is not None
    with lock:
        assert locks.acquire("a", HOUR) is None
    assert locks.acquire("a", HOUR) is None
    assert locks.acquire("b", HOUR) is not None
    passed = locks.acquire("c", dt.timedelta(0))
    assert passed is not None
    with passed:
        assert locks.acquire("c", dt.timedelta(0)) is None
    assert locks.acquire("c", dt.timedelta(0)) is not None

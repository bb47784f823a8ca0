"""Retries: how often, how long, and the breaker."""

from __future__ import annotations

import itertools
import logging
import threading
import time
import types

import pytest

from undercroft.conformance.limits import within
from undercroft.core import deadline
from undercroft.core.errors import InvalidInput, NotFound, NotPermitted, Unavailable
from undercroft.datasources import retrying
from undercroft.datasources.retrying import Retrier


class Backend:
    """Raises the errors that it was given, one a call, then answers."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors, self.calls, self.reset = list(errors), 0, list[BaseException]()

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def retrier(backend: Backend, attempts: int = 3, interval: float = 0.0) -> Retrier:
    return Retrier("b", attempts, interval, backend.reset.append)


def test_what_fails_for_a_moment_is_asked_again() -> None:
    errors = [Unavailable("away"), RuntimeError("odd")]
    backend = Backend(*errors)
    given = retrier(backend)
    assert given.call(backend) == "answer"
    assert (backend.calls, backend.reset, given.is_open) == (3, errors, False)


@pytest.mark.parametrize(("error", "is_traced"), [(NotFound("404"), False), (Unavailable("away"), False), (KeyError("odd"), True)])
def test_only_what_is_not_known_is_logged_with_a_traceback(
    caplog: pytest.LogCaptureFixture, error: Exception, is_traced: bool
) -> None:
    backend = Backend(*[error] * 3)
    assert retrier(backend).call(backend) is None
    (told,) = (each for each in caplog.records if each.levelno == logging.ERROR)
    assert bool(told.exc_info) is is_traced


def test_after_the_last_attempt_the_breaker_answers(caplog: pytest.LogCaptureFixture) -> None:
    backend = Backend(*[Unavailable("away")] * 3)
    given = retrier(backend)
    assert given.call(backend) is None
    assert given.is_open
    assert given.call(backend) is None
    assert backend.calls == 3
    assert [each.levelno for each in caplog.records if each.levelno >= logging.ERROR] == [logging.ERROR]


def test_the_breaker_closes_after_its_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1_000.0]
    monkeypatch.setattr("undercroft.datasources.retrying.clock", types.SimpleNamespace(monotonic=lambda: clock[0]))
    backend = Backend(Unavailable("away"))
    given = retrier(backend, attempts=1)
    assert given.call(backend) is None
    clock[0] += 59.9
    assert given.call(backend) is None
    clock[0] += 0.2
    assert given.call(backend) == "answer"


def test_a_refused_question_is_asked_once_and_leaves_the_breaker_closed() -> None:
    backend = Backend(InvalidInput("query", "bad"))
    given = retrier(backend)
    assert given.call(backend) is None
    assert (backend.calls, given.is_open) == (1, False)
    assert given.call(backend) == "answer"


def test_a_refused_login_is_asked_once_and_opens_the_breaker() -> None:
    backend = Backend(NotPermitted("login"))
    given = retrier(backend)
    assert given.call(backend) is None
    assert (backend.calls, given.is_open) == (1, True)


def test_an_ignored_exception_is_none_at_once() -> None:
    backend = Backend(KeyError("x"))
    given = retrier(backend)
    assert given.call(backend, KeyError) is None
    assert (backend.calls, given.is_open, backend.reset) == (1, False, [])


@pytest.mark.parametrize("attempts", [0, -3, 1])
def test_there_is_one_attempt_at_least(attempts: int) -> None:
    backend = Backend(Unavailable("away"), Unavailable("away"))
    assert retrier(backend, attempts).call(backend) is None
    assert backend.calls == 1


def test_no_wait_after_the_last_attempt() -> None:
    backend = Backend(*[Unavailable("away")] * 2)
    began = time.monotonic()
    assert retrier(backend, attempts=2, interval=0.3).call(backend) is None
    took = time.monotonic() - began
    assert took >= 0.3
    within(took, 0.55)


def test_all_attempts_share_one_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every attempt sees the time that is left of it, as clients of drivers do, and none begins when it is over."""
    monkeypatch.setattr(retrying, "BUDGET", 0.5)
    left: list[float] = []

    def hangs() -> None:
        remaining = deadline.remaining()
        assert remaining is not None
        left.append(remaining)
        threading.Event().wait(min(0.2, remaining))
        raise Unavailable("no answer")

    began = time.monotonic()
    given = Retrier("b", 100, 0.05, lambda error: None)
    assert given.call(hangs) is None
    within(time.monotonic() - began, 0.8)
    assert given.is_open
    assert 2 <= len(left) <= 3
    assert all(later < earlier for earlier, later in itertools.pairwise(left))


def test_the_real_budget_is_below_15_seconds() -> None:
    assert retrying.BUDGET < 15
    assert retrying.PAUSE == 60


def test_threads_open_one_breaker() -> None:
    backend = Backend(*[Unavailable("away")] * 50)
    given = retrier(backend, attempts=2)
    threads = [threading.Thread(target=given.call, args=(backend,)) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert given.is_open
    assert backend.calls <= 8
    calls = backend.calls
    assert given.call(backend) is None
    assert backend.calls == calls


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)])
def test_a_process_that_is_stopped_is_stopped(error: BaseException) -> None:
    backend = Backend(error)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        retrier(backend).call(backend)

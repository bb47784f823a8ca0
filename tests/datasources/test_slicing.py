"""A cloud that is too large for one answer is asked for in parts; a backend that is away is not asked for longer because of it."""

from __future__ import annotations

import threading
import time as clock
import types

import pytest

from tests.datasources.memory import Source
from undercroft.conformance.limits import within
from undercroft.core import time
from undercroft.core.errors import TooLarge, Unavailable
from undercroft.datasources import retrying, slicing

TIMEOUT = 0.1
KEYS = [f"{number:02x}" for number in range(256)]


@pytest.fixture
def source() -> Source:
    found = Source(url="memory://", request_timeout=TIMEOUT, query_interval=0)
    found.samples["memory"] = {key: [(time.to_micros(time.now()), 7.0)] for key in KEYS}
    return found


def late() -> None:
    """No answer in time."""
    threading.Event().wait(TIMEOUT)
    raise Unavailable("no answer in time")


def too_large() -> None:
    raise TooLarge("more than we read")


def fails_for_prefixes_shorter_than(source: Source, digits: int, how: object) -> None:
    source.fails = lambda: how() if len(source.asked[-1].prefix) < digits else None  # type: ignore[operator]


@pytest.mark.parametrize("how", [late, too_large])
@pytest.mark.parametrize("digits", [0, 1, 2])
def test_what_is_too_much_is_asked_for_in_parts_from_then_on(source: Source, how: object, digits: int) -> None:
    fails_for_prefixes_shorter_than(source, digits, how)
    found = source.answers("instance_ram_usage")
    assert found is not None
    assert len(found) == len(KEYS)
    # Each attempt that was too much was one query.
    assert len(source.asked) == digits + 16**digits
    source.asked.clear()
    again = source.answers("instance_ram_usage")
    assert again is not None
    assert len(again) == len(KEYS)
    assert len(source.asked) == 16**digits


def test_a_survey_counts_all_parts(source: Source) -> None:
    fails_for_prefixes_shorter_than(source, 1, late)
    found = source.survey("instance_ram_usage")
    assert found is not None
    assert found.resources == len(KEYS)


def test_a_backend_that_fails_at_once_is_not_asked_in_parts(source: Source) -> None:
    def broken() -> None:
        raise Unavailable("502")

    source.fails = broken
    assert source.answers("instance_ram_usage") is None
    assert source.is_resting
    assert [question.prefix for question in source.asked] == [""] * source.options.query_max_retries
    assert source.slicer.digits == {}


def test_a_backend_that_is_silent_costs_one_query(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slicing, "BUDGET", 0.5)
    monkeypatch.setattr(retrying, "BUDGET", 0.5)
    source.fails = late
    began = clock.monotonic()
    assert source.answers("instance_ram_usage") is None
    assert source.is_resting
    # Once for all, once for a sixteenth, then with retries for what time is left.
    assert [len(question.prefix) for question in source.asked[:3]] == [0, 1, 2]
    assert len(source.asked) <= 6
    within(clock.monotonic() - began, 5)


def test_a_backend_that_was_away_is_asked_a_single_question_again(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slicing, "BUDGET", 0.5)
    monkeypatch.setattr(retrying, "PAUSE", 0.0)
    source.fails = late
    assert source.answers("instance_ram_usage") is None
    source.fails = lambda: None
    source.asked.clear()
    assert source.answers("instance_ram_usage") is not None
    assert [question.prefix for question in source.asked] == [""]


def test_a_part_that_fails_is_no_answer(source: Source) -> None:
    source.slicer.digits["memory"] = 1

    def broken() -> None:
        if source.asked[-1].prefix == "7":
            raise Unavailable("502")

    source.fails = broken
    assert source.answers("instance_ram_usage") is None
    assert source.is_resting


def test_hosts_are_asked_for_at_once(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "slicer", types.SimpleNamespace())
    assert source.answers("host_power") is not None

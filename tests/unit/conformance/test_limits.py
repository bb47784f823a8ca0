"""Limits of time: what is over them fails, on a slow machine later."""

from __future__ import annotations

import pytest

from undercroft.conformance import limits


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the piece of work takes: the clock is read before and after it."""
    times = [0.0, 0.0]
    monkeypatch.setattr(limits, "perf_counter", lambda: times.pop(0))
    return times


@pytest.mark.parametrize(("took", "slowness"), [(0.01, 1), (0.05, 1), (0.1, 2), (0.15, 3), (60, 3)])
def test_the_slowness_of_the_machine(pieces, took, slowness):
    pieces[:] = [7, 7 + took]
    assert limits.slowness() == pytest.approx(slowness)


@pytest.mark.parametrize(("seconds", "machine"), [(1.0, None), (1.9, 0.1), (2.9, 60)])
def test_what_is_within_its_limit(pieces, seconds, machine):
    # The machine is asked only where it matters.
    pieces[:] = [] if machine is None else [0, machine]
    limits.within(seconds, 1)
    assert pieces == []


@pytest.mark.parametrize(("seconds", "machine", "allowed"), [(1.1, 0.01, "1.000"), (2.1, 0.1, "2.000"), (3.1, 60, "3.000")])
def test_what_is_not(pieces, seconds, machine, allowed):
    pieces[:] = [0, machine]
    with pytest.raises(limits.TooSlow, match=f"the answer took {seconds:.3f} s; at most 1 s, {allowed} s on this machine now"):
        limits.within(seconds, 1, "the answer")

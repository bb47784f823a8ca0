"""Limits of time: what is over them fails, on a slow machine later."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

from undercroft.conformance import limits

TOP = pathlib.Path(__file__).parent.parent.parent.parent


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


CASES = """
from undercroft.conformance.limits import TooSlow
calls = []

def test_slow_once():
    calls.append(1)
    if len(calls) == 1:
        raise TooSlow

def test_always_slow():
    raise TooSlow

def test_wrong_once():
    calls.append(2)
    assert calls.count(2) > 1
"""


def test_only_a_missed_limit_is_tried_again(tmp_path):
    """By the words of the Makefile, whatever else fails."""
    (words,) = [line for line in (TOP / "Makefile").read_text().splitlines() if line.startswith("PYTEST :=")]
    (tmp_path / "test_it.py").write_text(CASES)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [
        sys.executable,
        *words.partition("$(PY)")[2].split(),
        "-q",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
        "-c",
        "pytest.ini",
        ".",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "2 failed, 1 passed, 3 rerun" in done.stdout, done.stdout
    assert "test_wrong_once - assert" in done.stdout
    assert "test_always_slow - undercroft.conformance.limits.TooSlow" in done.stdout

"""Time limits, and the larger ones for slow machines."""

from __future__ import annotations

import pytest

from undercroft.conformance import limits


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Set the two clock readings, before and after the piece of work."""
    times = [0.0, 0.0]
    monkeypatch.setattr(limits, "perf_counter", lambda: times.pop(0))
    return times


@pytest.mark.parametrize(("took", "slowness"), [(0.01, 1), (0.05, 1), (0.1, 2), (0.5, 10)])
def test_the_slowness_of_the_machine(pieces, took, slowness):
    pieces[:] = [7, 7 + took]
    assert limits.slowness() == pytest.approx(slowness)


@pytest.mark.parametrize("seconds", [0.5, 1.0])
def test_a_limit_that_is_kept(pieces, seconds):
    # Within the limit, the machine is not measured: another clock reading would raise IndexError.
    pieces.clear()
    limits.within(seconds, 1)
    limits.within(seconds, 1, slow=3)


def test_a_limit_is_the_same_on_every_machine(pieces):
    pieces.clear()
    with pytest.raises(limits.TooSlow, match=r"the answer took 1\.001 s; at most 1\.000 s"):
        limits.within(1.001, 1, "the answer")


@pytest.mark.parametrize(
    ("seconds", "machine", "allowed"),
    [(1.9, 0.1, None), (2.9, 60, None), (1.1, 0.01, "1.000"), (2.1, 0.1, "2.000"), (3.1, 60, "3.000")],
)
def test_a_limit_for_slow_machines(pieces, seconds, machine, allowed):
    pieces[:] = [0, machine]
    if allowed is None:
        limits.within(seconds, 1, slow=3)
    else:
        with pytest.raises(limits.TooSlow, match=f"it took {seconds:.3f} s; at most {allowed} s"):
            limits.within(seconds, 1, slow=3)


def test_a_limit_for_slow_machines_is_never_less(pieces):
    pieces[:] = [0, 60]
    with pytest.raises(limits.TooSlow, match=r"at most 5\.000 s"):
        limits.within(6, 5, slow=3)

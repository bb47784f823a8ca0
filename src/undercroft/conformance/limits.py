"""Time limits for tests on machines that may be busy or slow."""

from __future__ import annotations

from time import perf_counter

# Calibration: seconds per piece of work on an idle machine, and the number of pieces (50 ms in total).
_PIECE, _PIECES = 0.002, 25


class TooSlow(AssertionError):
    """An operation exceeded its time limit. `make test` runs such a test again, at most twice, and no other."""


def slowness() -> float:
    """Time a fixed piece of work and return how many times longer it takes than on an idle machine; at least 1."""
    began = perf_counter()
    for _ in range(_PIECES):
        sum(range(200_000))
    return max(1.0, (perf_counter() - began) / (_PIECE * _PIECES))


def within(seconds: float, limit: float, what: str = "it", *, slow: float | None = None) -> None:
    """Check that an operation finished within its time limit.

    Args:
        seconds: how long the operation took.
        limit: how long it may take, in seconds.
        what: the name of the operation, for the error message.
        slow: the largest limit on a slow machine, in seconds. Choose it below the delay that the defect causes.

    Raises:
        TooSlow: the operation took longer.
    """
    if seconds <= limit:
        return
    if slow is not None:
        limit = max(limit, min(slow, limit * slowness()))
    if seconds > limit:
        raise TooSlow(f"{what} took {seconds:.3f} s; at most {limit:.3f} s")

"""Limits of time: a busy or slow machine makes everything take longer, never shorter."""

from __future__ import annotations

from time import perf_counter

# Seconds that a piece of work takes on a quiet machine, and how many pieces are timed: 50 ms together.
_PIECE, _PIECES = 0.002, 25


class TooSlow(AssertionError):
    """A limit of time was missed. `make test` runs such a test again, up to twice, and only such a one."""


def slowness() -> float:
    """Time a fixed piece of work: how many times longer it takes now than on a quiet machine, 1 at least."""
    began = perf_counter()
    for _ in range(_PIECES):
        sum(range(200_000))
    return max(1.0, (perf_counter() - began) / (_PIECE * _PIECES))


def within(seconds: float, limit: float, what: str = "it", *, slow: float | None = None) -> None:
    """Check that something took at most so long.

    Args:
        seconds: how long it took.
        limit: how long it may take, in seconds.
        what: what took so long, for the message.
        slow: how long it may take on a machine that is slow enough for that: less than with the defect that is looked for.

    Raises:
        TooSlow: it took longer.
    """
    if seconds <= limit:
        return
    if slow is not None:
        limit = max(limit, min(slow, limit * slowness()))
    if seconds > limit:
        raise TooSlow(f"{what} took {seconds:.3f} s; at most {limit:.3f} s")

"""Limits of time: a busy or slow machine makes everything take longer, never shorter."""

from __future__ import annotations

from time import perf_counter

# Seconds that a piece of work takes on a quiet machine, and how many pieces are timed: 50 ms together.
_PIECE, _PIECES = 0.002, 25
# No machine is taken for slower: what needs several times its limit there is a defect.
_SLOWEST = 3.0


class TooSlow(AssertionError):
    """A limit of time was missed. `make test` runs such a test again, up to twice, and only such a one."""


def slowness() -> float:
    """Time a fixed piece of work: how many times longer it takes now than on a quiet machine, from 1 to 3."""
    began = perf_counter()
    for _ in range(_PIECES):
        sum(range(200_000))
    return min(_SLOWEST, max(1.0, (perf_counter() - began) / (_PIECE * _PIECES)))


def within(seconds: float, limit: float, what: str = "it") -> None:
    """Check that something took at most so long, for a machine that is as fast as usual.

    Args:
        seconds: how long it took.
        limit: how long it may take on a quiet machine, in seconds.
        what: what took so long, for the message.

    Raises:
        TooSlow: it took longer, also when the machine's slowness is taken into account.
    """
    if seconds > limit and seconds > (allowed := limit * slowness()):
        raise TooSlow(f"{what} took {seconds:.3f} s; at most {limit:g} s, {allowed:.3f} s on this machine now")

"""Ids that an import has not seen below the last one it has: of a transaction that was open, or of nothing."""

from __future__ import annotations

import bisect
import datetime as dt
from collections.abc import Sequence

import msgspec

# How long a gap is asked for, and how many there are at most: those of the highest ids.
KEPT = dt.timedelta(days=1)
MOST = 10_000


class Gap(msgspec.Struct, frozen=True, array_like=True):
    """Ids that had no event.

    Attributes:
        first, last: the ids, both included.
        since: when they were first asked for.
    """

    first: int
    last: int
    since: dt.datetime


def without(gaps: Sequence[Gap], ids: Sequence[int]) -> list[Gap]:
    """What is left of the gaps when events of these ids, in ascending order, have been found."""
    left = []
    for gap in gaps:
        first = gap.first
        for number in ids[bisect.bisect_left(ids, gap.first) : bisect.bisect_right(ids, gap.last)]:
            if first < number:
                left.append(Gap(first, number - 1, gap.since))
            first = number + 1
        if first <= gap.last:
            left.append(Gap(first, gap.last, gap.since))
    return left


def young(gaps: Sequence[Gap], now: dt.datetime) -> list[Gap]:
    """The gaps that may still be filled."""
    return [gap for gap in gaps if now - gap.since < KEPT]

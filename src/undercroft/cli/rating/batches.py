"""Frames of a file, joined to what one push stores."""

from __future__ import annotations

from collections.abc import Sequence

from undercroft.core import time
from undercroft.core.lines import Mark, Refused
from undercroft.rating import DataFrame, parsing


class Batch:
    """What one push stores: frames of whole periods, and the lines among them that were refused.

    Neighbouring frames of one period stay together, however many points they have: equal points of one push are several points,
    equal points of two pushes replace each other.
    """

    def __init__(self, parsed: Sequence[parsing.Parsed] = (), refused: Sequence[Refused] = (), after: Mark | None = None) -> None:
        self.parsed = list(parsed)
        self.refused = list(refused)
        self.after = after or (self.parsed[-1].after if self.parsed else None)

    @property
    def points(self) -> int:
        """How many points it has."""
        return sum(each.points for each in self.parsed)

    def takes(self, period: tuple[int, int], size: int, points: int) -> bool:
        """Whether a frame of that period belongs to this batch, which is of `points` points now."""
        return points < size or not self.parsed or period_of(self.parsed[-1].frame) == period

    def add(self, item: parsing.Parsed | Refused) -> None:
        """Add what was read next."""
        self.parsed.append(item) if isinstance(item, parsing.Parsed) else self.refused.append(item)
        self.after = item.after

    def parted(self) -> tuple[Batch, list[parsing.Parsed]]:
        """Whole periods, and the frames of the last period, to which further lines may belong."""
        last = period_of(self.parsed[-1].frame) if self.parsed else None
        whole = len(self.parsed)
        while whole and period_of(self.parsed[whole - 1].frame) == last:
            whole -= 1
        return Batch(self.parsed[:whole]), self.parsed[whole:]


def period_of(frame: DataFrame) -> tuple[int, int]:
    """Begin and end of a frame, in microseconds."""
    return time.to_micros(frame.start), time.to_micros(frame.end)

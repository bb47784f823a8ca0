"""What a source has to answer, computed from what was fed, in exact fractions. It shares no code with the product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from undercroft.conformance.datasources.data import World
    from undercroft.conformance.datasources.feeding import Series

_CPU = "instance_cpu_usage"
_PERCENT = ("host_cpu_usage", _CPU)


class Oracle:
    """Answers questions about a world.

    Args:
        world: what was fed.
        kinds: how the source stores each meter that it serves: `gauge`, `cumulative`, or `inventory`.
        attributes: what resources themselves say of the meters of the last kind.
    """

    def __init__(self, world: World, kinds: Mapping[str, str], attributes: Mapping[str, float]) -> None:
        self.world, self.kinds, self.attributes = world, kinds, attributes

    def value(self, meter: str, resource: str, period: float, aggregate: str) -> float | None:
        """An aggregate of the samples in (now - period, now]."""
        if self.kinds[meter] == "inventory":
            return 1 if aggregate == "count" else self.attributes[meter]
        until = self.world.micros
        after = until - round(Fraction(period) * 1_000_000)
        samples, levels = self._within(meter, resource, after, until)
        if aggregate == "count":
            return samples or None
        if not levels:
            return None
        amounts = [level for _, level in levels]
        found = {"mean": sum(amounts) / len(amounts), "min": min(amounts), "max": max(amounts)}[aggregate]
        return float(_cut(meter, Fraction(found)))

    def series(self, meter: str, resource: str, first: int, last: int) -> dict[int, float]:
        """Samples from `first` to `last`, in microseconds, both included."""
        return {moment: float(_cut(meter, level)) for moment, level in self._within(meter, resource, first - 1, last)[1]}

    def _within(self, meter: str, resource: str, after: int, until: int) -> tuple[int, list[tuple[int, Fraction]]]:
        """How many samples there are in a window, and the levels that they tell of."""
        fed = self.world.series.get((meter, resource))
        if fed is None:
            return 0, []
        if meter != _CPU:
            found = [(moment, Fraction(value)) for moment, value in fed.points if after < moment <= until]
            # A level that is stored as a counter needs the sample before it.
            return len(found), found[1:] if self.kinds[meter] == "cumulative" else found
        if self.kinds[meter] == "cumulative":
            kept = [(moment, Fraction(value)) for moment, value in fed.points if after < moment <= until]
            return len(kept), _percents(fed, kept)
        every = _percents(fed, [(moment, Fraction(value)) for moment, value in fed.points])
        levels = [(moment, level) for moment, level in every if after < moment <= until]
        return len(levels), levels


def _percents(fed: Series, points: Sequence[tuple[int, Fraction]]) -> list[tuple[int, Fraction]]:
    levels = []
    for place in range(1, len(points)):
        microseconds = points[place][0] - points[place - 1][0]
        nanoseconds = points[place][1] - points[place - 1][1]
        share = nanoseconds / (microseconds * 1_000 * Fraction(fed.vcpus))
        levels.append((points[place][0], 100 * share if share > 0 else Fraction(0)))
    return levels


def _cut(meter: str, number: Fraction) -> Fraction:
    if meter not in _PERCENT:
        return number
    return Fraction(0) if number < 0 else Fraction(100) if number > 100 else number

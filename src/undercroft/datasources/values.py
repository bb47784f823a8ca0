"""From what a backend stores to the values of the contract."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence

from undercroft.datasources.meters import COUNT, MAX, MIN, Meter, Metric
from undercroft.datasources.question import Point

# Answers have so many significant digits, so that ties fall alike on every driver.
_DIGITS = 9
_SWAPPED = {MIN: MAX, MAX: MIN}


def stored_aggregate(metric: Metric, aggregate: str) -> str:
    """Which aggregate of what is stored gives `aggregate` of the meter: the largest use is where least is left."""
    return aggregate if metric.complement is None else _SWAPPED.get(aggregate, aggregate)


def converted(metric: Metric, stored: float, vcpus: float | None) -> float:
    """A level that is stored, in the meter's unit."""
    if isinstance(metric.complement, (int, float)):
        stored = metric.complement - stored
    return stored * metric.scale / ((vcpus or 1.0) if metric.per_vcpu else 1.0)


def bounded(meter: Meter, number: float) -> float | None:
    """A number within the meter's bounds, rounded; None for one that is not finite."""
    if not math.isfinite(number):
        return None
    if meter.least is not None:
        number = max(meter.least, number)
    if meter.most is not None:
        number = min(meter.most, number)
    return float(f"{number:.{_DIGITS}g}")


def rates(points: Sequence[Point], vcpus: float | None) -> Iterator[Point]:
    """CPU use in percent between neighbours among samples of CPU time in nanoseconds, at the moment of the later one.

    The moments of the samples say how much time lies between them. Where the count falls (the instance moved, or its host was
    restarted) the use of that pair is not known, and counts as 0.
    """
    for (before, low), (after, high) in itertools.pairwise(points):
        if after > before:
            # Nanoseconds a microsecond, so that 1,000 is one processor.
            yield after, max(0.0, high - low) / (after - before) / 1_000 * 100 / (vcpus or 1.0)


def aggregated(numbers: Iterable[float], aggregate: str) -> float | None:
    """The aggregate of numbers; None of none."""
    kept = list(numbers)
    if not kept:
        return None
    if aggregate == COUNT:
        return len(kept)
    if aggregate == MIN:
        return min(kept)
    if aggregate == MAX:
        return max(kept)
    return math.fsum(kept) / len(kept)


def of_points(meter: Meter, metric: Metric, points: Sequence[Point], aggregate: str, vcpus: float | None) -> float | None:
    """The aggregate of samples in the meter's unit, cut to its bounds at the end; `count` is that of the samples."""
    if aggregate == COUNT:
        return len(points) or None
    found = aggregated((each for _, each in _converted(metric, points, vcpus)), aggregate)
    return None if found is None else bounded(meter, found)


def series(meter: Meter, metric: Metric, points: Sequence[Point], vcpus: float | None) -> Iterator[Point]:
    """Samples in the meter's unit, each cut to its bounds, ascending."""
    for moment, number in _converted(metric, points, vcpus):
        if (kept := bounded(meter, number)) is not None:
            yield moment, kept


def _converted(metric: Metric, points: Sequence[Point], vcpus: float | None) -> Iterator[Point]:
    finite = [(moment, stored) for moment, stored in points if math.isfinite(stored)]
    if metric.kind == "cumulative":
        return rates(finite, vcpus)
    return ((moment, converted(metric, stored, vcpus)) for moment, stored in finite)

"""Questions that go to a source and to the oracle, and the count of what reaches the backend."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from undercroft.conformance.datasources.data import DISK, HOST_METERS, INSTANCE_METERS, MEMORY, MINUTE, World, node
from undercroft.conformance.datasources.oracle import Oracle
from undercroft.datasources import DataSourceBase, MetricNotAvailable

AGGREGATES = ("mean", "min", "max", "count")
# Drivers round to nine digits, and what backends store in another unit comes back with the rounding of a float.
CLOSE = 2e-8


class Asked:
    """A source beside the oracle."""

    def __init__(self, source: DataSourceBase, world: World) -> None:
        self.source, self.world = source, world
        known = source.capabilities()
        self.kinds: dict[str, str] = {meter: each["kind"] for meter, each in known["meters"].items()}
        self.aggregates: list[str] = known["aggregates"]
        self.oracle = Oracle(world, self.kinds, {"instance_ram_allocated": MEMORY, "instance_root_disk_size": DISK})

    def serves(self, meter: str) -> bool:
        """Whether the source has the meter. If not, every way to ask for it says so."""
        if meter in self.kinds:
            return True
        for call in (self.source.statistic_aggregation, self.source.statistic_series, self.source.explain):
            with pytest.raises(MetricNotAvailable):
                call({"uuid": "u", "hostname": "h"}, None, meter)
        with pytest.raises(MetricNotAvailable):
            self.source.statistic_batch([], None, meter)
        with pytest.raises(MetricNotAvailable):
            getattr(self.source, f"get_{meter}")({"uuid": "u", "hostname": "h"}, None, 300, "mean")
        return False

    def served(self, *meters: str) -> list[str]:
        """Those of the meters that the source has."""
        return [meter for meter in meters if self.serves(meter)]

    def resource(self, meter: str, word: str) -> dict[str, object]:
        """The resource of that word which can have the meter."""
        return self.world.host(word) if meter in HOST_METERS else self.world.instance(word)

    def expected(self, meter: str, word: str, period: float = 300, aggregate: str = "mean") -> float | None:
        """What the oracle says."""
        aggregate = aggregate if aggregate in self.aggregates else "mean"
        if aggregate != "count" and self.is_paired(meter):
            period = period // 60 * 60
        return self.oracle.value(meter, self.name(meter, word), period, aggregate)

    def series(self, meter: str, word: str, first: int, last: int) -> dict[int, float]:
        """What the oracle says from `first` to `last` minutes before now, both included."""
        begin, end = self.world.micros - first * MINUTE, self.world.micros - last * MINUTE
        return self.oracle.series(meter, self.name(meter, word), begin + self.is_paired(meter), end)

    def name(self, meter: str, word: str) -> str:
        """The name or uuid of the resource of that word."""
        return self.world.host_name(word) if meter in HOST_METERS else self.world.instances[word]

    def is_paired(self, meter: str) -> bool:
        """Whether a level is stored as a counter, of which a server compares samples that lie a whole number of steps apart.

        It cannot tell when samples were taken, so that a window counts as so many whole steps.
        """
        return meter in HOST_METERS and self.kinds[meter] == "cumulative"

    def value(self, meter: str, word: str, period: Any = 300, aggregate: Any = "mean", granularity: Any = 60) -> float | None:
        """What the source says."""
        return self.source.statistic_aggregation(
            self.resource(meter, word), None, meter_name=meter, period=period, aggregate=aggregate, granularity=granularity
        )

    def same(self, meter: str, word: str, period: float = 300, aggregate: str = "mean", granularity: Any = 60) -> None:
        """Both say the same."""
        found = self.value(meter, word, period, aggregate, granularity)
        assert close(found, self.expected(meter, word, period, aggregate)), (
            f"{aggregate} of {meter} of {word} over {period} s is {found}, not {self.expected(meter, word, period, aggregate)}"
        )

    def named(self, name: str, meter: str = "host_cpu_usage") -> float | None:
        """The mean of a host of any name."""
        return self.source.statistic_aggregation(node(name), "compute_node", meter)


def close(found: float | None, expected: float | None) -> bool:
    """Whether they are equal, up to rounding; None equals None only."""
    if found is None or expected is None:
        return found is expected
    return found == pytest.approx(expected, rel=CLOSE, abs=1e-9)


ALL = (*HOST_METERS, *INSTANCE_METERS)


@contextlib.contextmanager
def calls(source: Any) -> Iterator[list[str]]:
    """The names of the driver's methods that ask the backend, one for each call of them."""
    made: list[str] = []

    def counted(name: str) -> Any:
        asked = getattr(source, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            made.append(name)
            return asked(*args, **kwargs)

        return call

    wrapped = ("_values", "_points")
    for name in wrapped:
        setattr(source, name, counted(name))
    try:
        yield made
    finally:
        for name in wrapped:
            delattr(source, name)

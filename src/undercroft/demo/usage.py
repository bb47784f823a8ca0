"""From stored samples to rated usage: an hour of every machine is one point of type `instance` and one of type `cpu`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from decimal import ROUND_HALF_EVEN, Decimal

from undercroft.core.time import UTC, to_micros
from undercroft.demo.prices import Prices
from undercroft.metering import Sample
from undercroft.rating import DataFrame, DataPoint
from undercroft.rating.calendar import attributes, day_of

INSTANCE = "instance"
CPU = "cpu"
ONE = Decimal(1)
HOUR = dt.timedelta(hours=1)
_NANOSECONDS = 3_600 * 10**9


def cpu_hours(nanoseconds: int, prices: Prices) -> Decimal:
    """CPU time in hours, rounded once as the price list says."""
    return (Decimal(nanoseconds) / _NANOSECONDS).quantize(ONE.scaleb(-prices.quantity_places), ROUND_HALF_EVEN)


def points(sample: Sample, nanoseconds: int, prices: Prices, calendar: dict[str, str]) -> tuple[DataPoint, DataPoint]:
    """A machine's instance point and its cpu point for an hour.

    Args:
        sample: of the machine; its metadata name the flavor.
        nanoseconds: CPU time that the machine used in the hour.
        prices: the price list.
        calendar: calendar attributes of the hour.
    """
    about = sample.resource_metadata
    flavor = next(flavor for flavor in prices.flavor if flavor.id == about["flavor"]["id"])
    groupby = {"id": sample.resource_id, "project_id": sample.project_id, "flavor_id": flavor.id, **calendar}
    metadata = {"name": about["display_name"], "flavor_name": flavor.name, "vcpus": str(about["vcpus"])}
    used = cpu_hours(nanoseconds, prices)
    return (
        DataPoint("instance", ONE, flavor.hour, groupby, metadata),
        DataPoint("h", used, used * prices.cpu_hour, groupby, metadata),
    )


def frames(samples: Iterable[Sample], prices: Prices) -> Iterator[list[DataFrame]]:
    """For every hour of the day a frame of each project, as a rating service pushes them.

    Args:
        samples: CPU time since the day began, cumulative, at each full hour; the oldest first.
        prices: the price list.
    """
    before: dict[str, int] = {}
    by_project: dict[str | None, DataFrame] = {}
    end: dt.datetime | None = None
    calendar: dict[str, str] = {}
    for sample in samples:
        if sample.timestamp != end:
            if by_project:
                yield list(by_project.values())
            end, by_project = sample.timestamp, {}
            calendar = attributes(day_of(to_micros(end - HOUR), UTC))
        volume = int(sample.counter_volume)
        if sample.resource_id in before:
            if sample.project_id not in by_project:
                start = (end - HOUR).replace(tzinfo=dt.UTC)
                by_project[sample.project_id] = DataFrame(start, start + HOUR)
            instance, cpu = points(sample, volume - before[sample.resource_id], prices, calendar)
            by_project[sample.project_id].add_point(instance, INSTANCE)
            by_project[sample.project_id].add_point(cpu, CPU)
        before[sample.resource_id] = volume
    if by_project:
        yield list(by_project.values())

"""From readings to rated usage: an hour of every machine is one point of type `instance` and one of type `cpu`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import ROUND_HALF_EVEN, Decimal

from undercroft.core.time import UTC, to_micros
from undercroft.demo.prices import Flavor, Prices
from undercroft.demo.traces import DAY, HOURS, READINGS_AN_HOUR, Machine
from undercroft.rating import DataFrame, DataPoint
from undercroft.rating.calendar import attributes, day_of

PROJECTS = 20
INSTANCE = "instance"
CPU = "cpu"
ONE = Decimal(1)


def project_of(machine: Machine) -> str:
    """Machine n belongs to project n mod 20."""
    return f"project-{machine.number % PROJECTS:02}"


def flavor_of(machine: Machine, prices: Prices) -> Flavor:
    """Machine n has flavor n mod 3."""
    return prices.flavor[machine.number % len(prices.flavor)]


def cpu_hours(machine: Machine, hour: int, prices: Prices) -> Decimal:
    """CPU time in an hour: the mean of its twelve readings, of all vCPUs, rounded once as the price list says."""
    percent = Decimal(machine.percent(hour) * flavor_of(machine, prices).vcpus)
    return (percent / (READINGS_AN_HOUR * 100)).quantize(ONE.scaleb(-prices.quantity_places), ROUND_HALF_EVEN)


def points(machine: Machine, hour: int, prices: Prices, calendar: dict[str, str]) -> tuple[DataPoint, DataPoint]:
    """The machine's instance point and its cpu point for an hour."""
    flavor = flavor_of(machine, prices)
    groupby = {"id": machine.name, "project_id": project_of(machine), "flavor_id": flavor.id, **calendar}
    metadata = {"name": machine.name, "flavor_name": flavor.name, "vcpus": str(flavor.vcpus)}
    used = cpu_hours(machine, hour, prices)
    return (
        DataPoint("instance", ONE, flavor.hour, groupby, metadata),
        DataPoint("h", used, used * prices.cpu_hour, groupby, metadata),
    )


def frames(machines: Sequence[Machine], prices: Prices) -> Iterator[list[DataFrame]]:
    """For every hour of the day a frame of each project, as a rating service pushes them."""
    for hour in range(HOURS):
        start = DAY + dt.timedelta(hours=hour)
        calendar = attributes(day_of(to_micros(start), UTC))
        by_project: dict[str, DataFrame] = {}
        for machine in machines:
            project = project_of(machine)
            if project not in by_project:
                by_project[project] = DataFrame(start, start + dt.timedelta(hours=1))
            instance, cpu = points(machine, hour, prices, calendar)
            by_project[project].add_point(instance, INSTANCE)
            by_project[project].add_point(cpu, CPU)
        yield list(by_project.values())

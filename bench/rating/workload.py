"""The workload: 500 projects, 14,000 resources of 5 types, hourly, prices of 12 or 28 decimals.

It imports nothing of ours: the peers read it too, in environments of their own, with their own classes of frames and points.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

PROJECTS = 500
RESOURCES = 14_000
TYPES = ("cpu", "image.size", "instance", "network.bytes", "volume.size")
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
MONTH_END = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


@dataclasses.dataclass(frozen=True)
class Data:
    """What is pushed.

    Attributes:
        digits: decimals of a price.
        churn: share of the resources that get new metadata every hour.
        seed: of the random numbers; equal seeds give equal data.
    """

    digits: int = 12
    churn: float = 0.0
    seed: int = 1


def project(number: int) -> str:
    """A project's id."""
    return f"{number:032x}"


def resource(number: int) -> str:
    """A resource's id."""
    return f"00000000-0000-4000-8000-{number:012d}"


def calendar(start: dt.datetime) -> dict[str, str]:
    """The attributes that CloudKitty's collectors add to every point."""
    return {
        "year": start.strftime("%Y"),
        "month": str(start.month),
        "week_of_the_year": start.strftime("%U"),
        "day_of_the_year": str(start.timetuple().tm_yday),
    }


@dataclasses.dataclass(frozen=True)
class Rated:
    """One point, and the frame it belongs to."""

    start: dt.datetime
    project: int
    type: str
    point: Any


def points(data: Data, make: Callable[..., Any]) -> Iterator[Rated]:
    """Points without end: hour after hour, project after project, each resource once an hour.

    Args:
        data: what to make.
        make: builds a point of unit, quantity, price, groupby and metadata.
    """
    rng = random.Random(data.seed)
    per_project = RESOURCES // PROJECTS
    versions = [0] * RESOURCES
    scale = 10**data.digits
    for hour in itertools.count():
        start = START + hour * HOUR
        attributes = calendar(start)
        for number in range(RESOURCES):
            if data.churn and rng.random() < data.churn:
                versions[number] += 1
            owner = number // per_project
            groupby = {
                "id": resource(number),
                "project_id": project(owner),
                "user_id": f"{owner * 3 + number % 3:032x}",
                "flavor_id": f"f{number % 7}",
                **attributes,
            }
            metadata = {"name": f"vm-{number}", "flavor_name": f"m{number % 7}.large", "version": str(versions[number])}
            price = Decimal(rng.randrange(scale)).scaleb(-data.digits)
            qty = 1 if number % 5 == 2 else Decimal(rng.randrange(10**4)).scaleb(-2)
            yield Rated(start, owner, TYPES[number % 5], make("GiB", qty, price, groupby, metadata))


def call(source: Iterator[Rated], size: int, frame: Callable[..., Any]) -> list[Any]:
    """The next `size` points as the frames of one push: one frame per project and hour.

    Args:
        source: points in order.
        size: how many points.
        frame: builds a frame of start, end and a dict of lists of points by type.
    """
    found: dict[tuple[dt.datetime, int], dict[str, list[Any]]] = {}
    for rated in itertools.islice(source, size):
        found.setdefault((rated.start, rated.project), {}).setdefault(rated.type, []).append(rated.point)
    return [frame(start, start + HOUR, usage) for (start, _), usage in found.items()]

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
# Points of a small push; projects of each of several processes that push at once.
SMALL, OWN = 40, 10
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


def _point(
    rng: random.Random, data: Data, make: Callable[..., Any], number: int, owner: int, version: int, start: dt.datetime
) -> Any:
    groupby = {
        "id": resource(number),
        "project_id": project(owner),
        "user_id": f"{owner * 3 + number % 3:032x}",
        "flavor_id": f"f{number % 7}",
        **calendar(start),
    }
    metadata = {"name": f"vm-{number}", "flavor_name": f"m{number % 7}.large", "version": str(version)}
    price = Decimal(rng.randrange(10**data.digits)).scaleb(-data.digits)
    qty = 1 if number % 5 == 2 else Decimal(rng.randrange(10**4)).scaleb(-2)
    return make("GiB", qty, price, groupby, metadata)


def points(data: Data, make: Callable[..., Any]) -> Iterator[Rated]:
    """Points without end: hour after hour, project after project, each resource once an hour.

    Args:
        data: what to make.
        make: builds a point of unit, quantity, price, groupby and metadata.
    """
    rng = random.Random(data.seed)
    per_project = RESOURCES // PROJECTS
    versions = [0] * RESOURCES
    for hour in itertools.count():
        start = START + hour * HOUR
        for number in range(RESOURCES):
            if data.churn and rng.random() < data.churn:
                versions[number] += 1
            owner = number // per_project
            yield Rated(start, owner, TYPES[number % 5], _point(rng, data, make, number, owner, versions[number], start))


def scopes(data: Data, make: Callable[..., Any], frame: Callable[..., Any], pusher: int) -> Iterator[Any]:
    """Frames without end of one of several processes: hour after hour, one frame for each of the projects that are its own.

    As a worker of CloudKitty's does it: a push is one project's usage of one hour, here of 40 resources.

    Args:
        data: what to make.
        make: builds a point of unit, quantity, price, groupby and metadata.
        frame: builds a frame of start, end and a dict of lists of points by type.
        pusher: number of the process; others have other projects.
    """
    rng = random.Random(data.seed * 1_000 + pusher)
    for hour in itertools.count():
        start = START + hour * HOUR
        for owner in range(pusher * OWN, (pusher + 1) * OWN):
            usage: dict[str, list[Any]] = {}
            for number in range(owner * SMALL, (owner + 1) * SMALL):
                usage.setdefault(TYPES[number % 5], []).append(_point(rng, data, make, number, owner, 0, start))
            yield frame(start, start + HOUR, usage)


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

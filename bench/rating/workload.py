"""The workload: 500 projects, 14,000 resources of 5 types, hourly, prices of 12 or 28 decimals."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from decimal import Decimal

from undercroft.rating import DataFrame, DataPoint

PROJECTS = 500
RESOURCES = 14_000
TYPES = ("cpu", "image.size", "instance", "network.bytes", "volume.size")
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def calendar(start: dt.datetime) -> dict[str, str]:
    """The attributes that CloudKitty's collectors add to every point."""
    return {
        "year": start.strftime("%Y"),
        "month": str(start.month),
        "week_of_the_year": start.strftime("%U"),
        "day_of_the_year": str(start.timetuple().tm_yday),
    }


def hours(points: int, *, digits: int = 12, churn: float = 0.0, seed: int = 1) -> Iterator[list[DataFrame]]:
    """Hour after hour, one frame per project, until `points` points are out.

    Args:
        points: how many points in all; the last hour may be cut.
        digits: decimals of a price.
        churn: share of resources that get new metadata every hour.
        seed: of the random numbers; equal seeds give equal data.
    """
    rng = random.Random(seed)
    per_project = RESOURCES // PROJECTS
    versions = [0] * RESOURCES
    left, start = points, START
    scale = 10**digits
    while left > 0:
        attributes = calendar(start)
        frames = []
        for project in range(PROJECTS):
            usage: dict[str, list[DataPoint]] = {}
            for number in range(project * per_project, (project + 1) * per_project):
                if not left:
                    break
                left -= 1
                if churn and rng.random() < churn:
                    versions[number] += 1
                groupby = {
                    "id": f"00000000-0000-4000-8000-{number:012d}",
                    "project_id": f"{project:032x}",
                    "user_id": f"{project * 3 + number % 3:032x}",
                    "flavor_id": f"f{number % 7}",
                    **attributes,
                }
                metadata = {"name": f"vm-{number}", "flavor_name": f"m{number % 7}.large", "version": str(versions[number])}
                price = Decimal(rng.randrange(scale)).scaleb(-digits)
                point = DataPoint(
                    "GiB", 1 if number % 5 == 2 else Decimal(rng.randrange(10**4)).scaleb(-2), price, groupby, metadata
                )
                usage.setdefault(TYPES[number % 5], []).append(point)
            if usage:
                frames.append(DataFrame(start, start + HOUR, usage))
        yield frames
        start += HOUR


def calls(frames: list[DataFrame], size: int) -> Iterator[list[DataFrame]]:
    """The frames of one hour, in lists of about `size` points."""
    chunk: list[DataFrame] = []
    count = 0
    for frame in frames:
        chunk.append(frame)
        count += sum(len(points) for _, points in frame.itertypes())
        if count >= size:
            yield chunk
            chunk, count = [], 0
    if chunk:
        yield chunk

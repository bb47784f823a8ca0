"""Usage over five months: resources of 20 projects and 5 types, in as many periods as it takes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal

from undercroft.rating import BaseStorage, DataFrame, DataPoint

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)
DAYS = 150
RESOURCES = 200
PROJECTS = 20
TYPES = ("cpu", "image.size", "instance", "network.bytes", "volume.size")
_CALL = 10_000


def resource(number: int) -> str:
    """A resource's id."""
    return f"00000000-0000-4000-8000-{number:012d}"


def period(number: int, periods: int) -> dt.datetime:
    """The start of one of so many periods, in whole minutes."""
    return START + (number * DAYS * 24 * 60 // periods) * MINUTE


def frames(periods: int, *, resources: int = RESOURCES, metadata: str = "1", price: int = 0) -> Iterator[DataFrame]:
    """A frame per period, each with a point of every resource."""
    for number in range(periods):
        start = period(number, periods)
        calendar = {
            "year": start.strftime("%Y"),
            "month": str(start.month),
            "week_of_the_year": start.strftime("%U"),
            "day_of_the_year": str(start.timetuple().tm_yday),
        }
        usage: dict[str, list[DataPoint]] = {}
        for each in range(resources):
            groupby = {
                "id": resource(each), "project_id": f"p{each % PROJECTS}", "user_id": f"u{each % 50}", "flavor_id": f"f{each % 7}",
                **calendar,
            }  # fmt: skip
            about = {"name": f"vm-{each}", "version": metadata}
            cost = Decimal((number * 7919 + each * 104729 + price) % 10**12).scaleb(-12)
            usage.setdefault(TYPES[each % 5], []).append(DataPoint("GiB", Decimal(each + number), cost, groupby, about))
        yield DataFrame(start, start + HOUR, usage)


def calls(points: int, resources: int = RESOURCES) -> Iterator[list[DataFrame]]:
    """Frames of so many points, in calls of 10,000."""
    call: list[DataFrame] = []
    for frame in frames(points // resources, resources=resources):
        call.append(frame)
        if len(call) * resources >= _CALL:
            yield call
            call = []
    if call:
        yield call


def fill(store: BaseStorage, points: int) -> int:
    """Push so many points; returns the number of periods."""
    for call in calls(points):
        store.push(call)
    return points // RESOURCES

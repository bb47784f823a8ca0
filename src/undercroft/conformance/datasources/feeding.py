"""How samples come into the backend of a datasource: one class a backend, which writes as the exporters of that world do.

A feeder is found by the entry point group `undercroft.feeders` and the scheme of the source's URL. It never goes through the driver
that is tested.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from undercroft.core import registry
from undercroft.core import url as urls
from undercroft.core.errors import ConfigInvalid

CPU = "instance_cpu_usage"


class Series(NamedTuple):
    """Samples of a meter of one resource.

    Attributes:
        meter: a meter's name.
        resource: the uuid of an instance, or the name of a host.
        points: (microseconds since 1970, value in the meter's unit), ascending; of `instance_cpu_usage` the value is CPU time in
            nanoseconds since the instance began.
        vcpus: of the instance.
    """

    meter: str
    resource: str
    points: Sequence[tuple[int, float]]
    vcpus: float = 1.0


class Feeder(Protocol):
    """Writes samples to the backend at a URL."""

    def __init__(self, url: str) -> None: ...

    def feed(self, series: Sequence[Series]) -> None:
        """Store samples; they are seen by queries when this returns."""

    def close(self) -> None:
        """Close the connections."""


def feeder(url: str) -> Feeder:
    """The feeder for the backend of a source.

    Raises:
        ConfigInvalid: the scheme has no feeder.
    """
    scheme = urls.scheme(url)
    for entry in registry.entries("feeders"):
        if entry.name == scheme:
            made: Feeder = entry.load()(url)
            return made
    raise ConfigInvalid(f"no feeder for {scheme!r}: the package of the driver has an entry point of the group undercroft.feeders")


def percents(series: Series) -> list[tuple[int, float]]:
    """CPU time as use in percent of the instance's vCPUs, for backends that store it so: a pair's at the later moment."""
    return [
        (after, max(0.0, high - low) / ((after - before) * 1_000) / series.vcpus * 100)
        for (before, low), (after, high) in itertools.pairwise(series.points)
    ]

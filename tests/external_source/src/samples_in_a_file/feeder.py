"""What the suite feeds the driver with: it writes what the collector writes, not through the driver."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping, Sequence

import msgspec

from undercroft.conformance.datasources.feeding import Series

# The collector's name of each meter, and what it makes of a value in the meter's unit. CPU time of instances is in nanoseconds.
WRITTEN: Mapping[str, tuple[str, Callable[[float], float]]] = {
    "host_cpu_usage": ("cpu.idle", lambda percent: 100.0 - percent),
    "host_power": ("power.kilowatts", lambda watts: watts / 1_000.0),
    "instance_cpu_usage": ("cpu.time", float),
    "instance_ram_usage": ("memory.megabytes", float),
}


class Feeder:
    """Appends samples to the file.

    Args:
        url: of the source.
    """

    def __init__(self, url: str) -> None:
        self._path = pathlib.Path(url.partition("://")[2].partition("?")[0].removeprefix("/"))

    def feed(self, series: Sequence[Series]) -> None:
        """Write the samples; those of meters that the collector does not measure are left out."""
        with self._path.open("ab") as file:
            for one in series:
                if one.meter in WRITTEN:
                    name, stored = WRITTEN[one.meter]
                    for moment, value in one.points:
                        line = {"metric": name, "resource": one.resource, "time": moment, "value": stored(value)}
                        file.write(msgspec.json.encode(line) + b"\n")

    def close(self) -> None:
        """Nothing: the file is closed after each call."""

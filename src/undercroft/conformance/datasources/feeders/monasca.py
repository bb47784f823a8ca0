"""Monasca, written to as its agent does: JSON to /v2.0/metrics. It has the CPU use of hosts and of instances."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from undercroft.conformance.datasources.feeders.posting import OverHttp
from undercroft.conformance.datasources.feeding import CPU, Series, percents

_HOST_CPU = "host_cpu_usage"


class Feeder(OverHttp):
    """Writes measurements. Series of meters that Monasca does not have are left out."""

    def feed(self, series: Sequence[Series]) -> None:
        """Write the measurements; the answer comes when they can be read."""
        found = [each for one in series for each in _measurements(one)]
        if found:
            self.client.post("/v2.0/metrics", json=found).raise_for_status()


def _measurements(series: Series) -> Iterator[dict[str, Any]]:
    if series.meter == _HOST_CPU:
        dimensions = {"hostname": series.resource, "service": "monitoring"}
        for moment, value in series.points:
            yield {"name": "cpu.percent", "dimensions": dimensions, "timestamp": moment / 1_000, "value": value}
    if series.meter == CPU:
        dimensions = {"resource_id": series.resource, "hostname": "compute-1", "service": "compute", "component": "vm"}
        # The agent's percentage is of one processor: 400 where four vCPUs are busy.
        for moment, value in percents(series):
            yield {
                "name": "vm.cpu.utilization_perc", "dimensions": dimensions, "timestamp": moment / 1_000,
                "value": value * series.vcpus,
            }  # fmt: skip

"""A Ceilometer API that takes samples as Ceilometer's own publisher sends them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from undercroft.conformance.datasources.feeders.agents import samples
from undercroft.conformance.datasources.feeders.posting import OverHttp
from undercroft.conformance.datasources.feeding import CPU, Series, percents

_AT_ONCE = 1_000


class Feeder(OverHttp):
    """Posts samples."""

    def feed(self, series: Sequence[Series]) -> None:
        """Store the samples."""
        bodies = [body for each in series for body in _sent(each)]
        for start in range(0, len(bodies), _AT_ONCE):
            self.client.post("/v1/ceilometer/samples", json=bodies[start : start + _AT_ONCE]).raise_for_status()


def _sent(series: Series) -> Iterator[dict[str, Any]]:
    if series.meter == CPU:
        # This API's agents measured a level.
        levels = series._replace(points=percents(series))
        yield from (_body({**sample, "counter_name": "cpu_util", "counter_type": "gauge"}) for sample in samples(levels))
        return
    yield from map(_body, samples(series))


def _body(sample: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": sample["counter_name"], "type": sample["counter_type"], "unit": sample["counter_unit"],
        "volume": sample["counter_volume"], "user_id": sample["user_id"], "project_id": sample["project_id"],
        "resource_id": sample["resource_id"], "timestamp": sample["timestamp"].isoformat(), "resource_metadata": {},
        "source": sample["source"], "id": sample["message_id"],
    }  # fmt: skip

"""Gnocchi, by its API: resources and metrics as Ceilometer's publisher makes them, in an archive policy of minutes."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from undercroft.conformance.datasources.feeders.agents import NAMES, resource_id, samples
from undercroft.conformance.datasources.feeders.posting import OverHttp
from undercroft.conformance.datasources.feeding import Series

_MINUTES = {
    "name": "undercroft-minutes",
    "back_window": 0,
    "definition": [{"granularity": "60s", "points": 20_000}, {"granularity": "3600s", "points": 2_000}],
    "aggregation_methods": ["mean", "min", "max", "count", "sum", "last", "rate:mean"],
}
# Seconds, far above what digesting takes.
_PATIENCE = 300
_RESOURCES, _POINTS = 20, 20_000


class Feeder(OverHttp):
    """Posts measures, and waits until they are digested.

    Args:
        url: of the source.

    Attributes:
        policy: the archive policy of the metrics.
    """

    policy: Mapping[str, Any] = _MINUTES

    def __init__(self, url: str) -> None:
        super().__init__(url, "/v1")
        self._post("/archive_policy", self.policy)

    def feed(self, series: Sequence[Series]) -> None:
        """Store the samples."""
        by_resource: dict[str, dict[str, Any]] = {}
        for each in series:
            name, *_ = NAMES[each.meter]
            measures = [
                {"timestamp": sample["timestamp"].isoformat(), "value": sample["counter_volume"]} for sample in samples(each)
            ]
            by_resource.setdefault(resource_id(each), {})[name] = {"archive_policy_name": self.policy["name"], "measures": measures}
        for resource in by_resource:
            self._post("/resource/generic", {"id": resource})
        waiting: dict[str, Any] = {}
        for resource, metrics in by_resource.items():
            waiting[resource] = metrics
            points = sum(len(metric["measures"]) for each in waiting.values() for metric in each.values())
            if len(waiting) == _RESOURCES or points > _POINTS:
                self._post("/batch/resources/metrics/measures?create_metrics=true", waiting)
                waiting = {}
        if waiting:
            self._post("/batch/resources/metrics/measures?create_metrics=true", waiting)
        self._digest()

    def _post(self, path: str, body: Any) -> None:
        answer = self.client.post(path, json=body)
        # 409: another process made it.
        if answer.status_code != 409:
            answer.raise_for_status()

    def _digest(self) -> None:
        end = time.monotonic() + _PATIENCE
        while self.client.get("/status").raise_for_status().json()["storage"]["summary"]["measures"]:
            if time.monotonic() > end:
                raise TimeoutError("Gnocchi has not digested its measures")
            threading.Event().wait(0.2)

"""A Ceilometer API, version 2: statistics, grouped by resource; an old Ceilometer's, or the one of this product's service."""

from __future__ import annotations

import datetime as dt
import logging
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from undercroft.core import time
from undercroft.core.errors import NotFound
from undercroft.datasources import hosts
from undercroft.datasources.meters import CEILOMETER, COMPUTE_NODE, COUNT, MAX, MEAN, MIN, Metric
from undercroft.datasources.question import Found, Point, Question
from undercroft.datasources.remote import Remote, decoded

LOG = logging.getLogger(__name__)

# Their names there.
_FUNCTIONS = {MEAN: "avg", MIN: "min", MAX: "max", COUNT: "count"}
# Samples, and meters, of an answer.
_MOST_SAMPLES, _MOST_METERS = 1_000_000, 10_000
# field, operator, type, value
_Test = tuple[str, str, str, str]


class Source(Remote):
    """Asks for statistics of all resources of a meter at once, or of one."""

    NAME = "ceilometer"
    reads = "statistics that the API makes of samples"
    SERVICE = "metering"
    PORT = 8777
    # The agents' own share of CPU use, a level, which this API served.
    METRICS: Mapping[str, Metric] = {**CEILOMETER, "instance_cpu_usage": Metric("cpu_util")}  # type: ignore[misc]  # of the class

    def _values(self, question: Question) -> Mapping[str, Found]:
        functions = [_FUNCTIONS[question.aggregate]]
        if question.aggregate == MEAN:
            functions.append(_FUNCTIONS[COUNT])
        parameters = [
            *_query(self._tests(question)), ("groupby", "resource_id"), *(("aggregate.func", name) for name in functions),
        ]  # fmt: skip
        by_resource: dict[str, list[_Statistics]] = {}
        for row in self._asked_for(f"{_path(question)}/statistics", parameters, list[_Statistics]):
            by_resource.setdefault((row.groupby or {}).get("resource_id") or "", []).append(row)
        found = {}
        for resource, rows in by_resource.items():
            value = _combined(rows, question.aggregate)
            if value is not None and resource:
                found[resource] = Found(value)
        return _picked(question, found)

    def _points(self, question: Question) -> Mapping[str, Sequence[Point]]:
        parameters = [*_query(self._tests(question)), ("limit", str(_MOST_SAMPLES))]
        found: dict[str, list[Point]] = {}
        samples = self._asked_for(_path(question), parameters, list[_Sample])
        if len(samples) == _MOST_SAMPLES:
            LOG.warning(
                "%s: %s has more than %d samples: the oldest are left out; ask for a shorter time",
                self.NAME,
                question.metric.name,
                len(samples),
            )
        for sample in samples:
            found.setdefault(sample.resource_id, []).append((time.to_micros(sample.timestamp), sample.counter_volume))
        for points in found.values():
            points.sort()
        return _picked(question, found)

    def _names(self) -> Iterable[str]:
        wanted = {name for name in self.METRIC_MAP.values() if name is not None}
        answer = self.client.get("/v2/meters", [("limit", str(_MOST_METERS)), ("unique", "true")])
        return {meter.name for meter in decoded(answer, list[_Meter], "Ceilometer")} & wanted

    def _ping(self) -> None:
        self.client.get("/v2/resources", [("limit", "1")])

    def _asked_for(self, path: str, parameters: Sequence[tuple[str, str]], type_: Any) -> Any:
        try:
            return decoded(self.client.get(path, parameters), type_, "Ceilometer")
        except NotFound:
            # An old API says so of a meter that was never measured.
            return []

    @staticmethod
    def _tests(question: Question) -> list[_Test]:
        window = question.window
        bounds = [("timestamp", "gt", "", _iso(window.start)), ("timestamp", "le", "", _iso(window.end))]
        if question.ids is not None and len(question.ids) == 1:
            return [("resource_id", "eq", "", question.ids[0]), *bounds]
        # Tests on a field that is named twice are not alternatives: those of many resources are picked from all.
        return list(bounds)


def _query(tests: Sequence[_Test]) -> list[tuple[str, str]]:
    """Parameters as the API's own client orders them: all fields, then all operators, types and values."""
    names = ("q.field", "q.op", "q.type", "q.value")
    return [(name, test[place]) for place, name in enumerate(names) for test in tests]


def _path(question: Question) -> str:
    return f"/v2/meters/{urllib.parse.quote(question.metric.name, safe='')}"


def _picked(question: Question, found: dict[str, Any]) -> Mapping[str, Any]:
    if question.meter.of == COMPUTE_NODE:
        return hosts.by_host(found)
    return found if question.ids is None else {key: found[key] for key in question.ids if key in found}


def _combined(rows: Sequence[_Statistics], aggregate: str) -> float | None:
    """An aggregate of samples whose statistics come apart, because their units differ."""
    numbers = [row.of(_FUNCTIONS[aggregate]) for row in rows]
    known = [number for number in numbers if number is not None]
    if not known:
        return None
    if aggregate == COUNT:
        return sum(known)
    if aggregate in (MIN, MAX):
        return (min if aggregate == MIN else max)(known)
    counts = [row.of("count") or 0.0 for row in rows]
    if len(known) < len(rows) or not sum(counts):
        return sum(known) / len(known)
    return sum(number * count for number, count in zip(known, counts, strict=True)) / sum(counts)


def _iso(moment: dt.datetime) -> str:
    return moment.replace(tzinfo=None).isoformat()


# -- answers -------------------------------------------------------------------------------------------------------------------


class _Statistics(msgspec.Struct):
    groupby: dict[str, str | None] | None = None
    aggregate: dict[str, float | None] | None = None
    avg: float | None = None
    min: float | None = None
    max: float | None = None
    count: float | None = None

    def of(self, function: str) -> float | None:
        """What a function gave."""
        found = (self.aggregate or {}).get(function)
        plain: float | None = getattr(self, function)
        return plain if found is None else found


class _Sample(msgspec.Struct):
    resource_id: str
    counter_volume: float
    timestamp: dt.datetime


class _Meter(msgspec.Struct):
    name: str

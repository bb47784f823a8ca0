"""The metering store of this product, on every engine that it has: one statement a question."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from undercroft.core import registry
from undercroft.core import url as urls
from undercroft.datasources import hosts
from undercroft.datasources.contract import DataSourceBase, Options
from undercroft.datasources.meters import CEILOMETER, COMPUTE_NODE, COUNT, MAX, MEAN, MIN
from undercroft.datasources.question import Found, Point, Question
from undercroft.metering import SampleFilter, Store, Window
from undercroft.metering.models import Aggregate

KIND = "metering"
_PICKED: Mapping[str, Callable[[Window], float]] = {
    MEAN: lambda window: window.mean,
    MIN: lambda window: window.min,
    MAX: lambda window: window.max,
    COUNT: lambda window: window.samples,
}
# Seconds above which what is kept of whole hours and days is read, instead of samples.
_LONG = 6 * 3_600


class Source(DataSourceBase):
    """Reads the samples that Ceilometer's agents took.

    Options are those of the metering store, and of every datasource.
    """

    NAME = KIND
    METRICS = CEILOMETER
    reads = "samples; for a period above 6 h, exact sums of whole hours and days, and samples at its ends"
    ephemeral = "sqlite:///{tmp}/metering.db"

    def _open(self, url: str, options: Mapping[str, Any], osc: Any) -> Options:
        place, own, of_store = urls.parted(url, Options, options)
        self._store: Store = registry.connect(KIND, place, **of_store)
        return own

    def close(self) -> None:
        self._store.close()

    def _values(self, question: Question) -> Mapping[str, Found]:
        if question.window.seconds > _LONG:
            return self._of_hours(question)
        window, ids = question.window, question.ids
        found = self._store.get_windows(question.metric.name, window.start, window.end, ids)
        pick = _PICKED[question.aggregate]
        return self._named(question, {key: Found(pick(each)) for key, each in found.items()})

    def _points(self, question: Question) -> Mapping[str, Sequence[Point]]:
        window = question.window
        return self._named(question, self._store.get_volumes(question.metric.name, window.start, window.end, question.ids))

    def _newest(self, question: Question) -> Mapping[str, int]:
        window = question.window
        found = self._store.get_windows(question.metric.name, window.start, window.end, question.ids)
        return self._named(question, {key: each.newest for key, each in found.items()})

    def _names(self) -> Iterable[str]:
        wanted = {name for name in self.METRIC_MAP.values() if name is not None}
        return [meter.name for meter in self._store.get_meters(unique=True) if meter.name in wanted]

    def _ping(self) -> None:
        list(self._store.get_meters(limit=1, unique=True))

    def _of_hours(self, question: Question) -> Mapping[str, Found]:
        """Statistics, which are kept of hours and days that are over: several statements, whose cost is not that of the samples."""
        window = question.window
        chosen = SampleFilter(
            meter=question.metric.name, start_timestamp=window.start, start_timestamp_op="gt",
            end_timestamp=window.end, end_timestamp_op="le",
        )  # fmt: skip
        of_all = [Aggregate(name) for name in ("avg", "min", "max", "count")]
        wanted = None if question.ids is None else set(question.ids)
        found: dict[str, list[Any]] = {}
        statistics: Iterable[Any] = self._store.get_meter_statistics(chosen, groupby=["resource_id"], aggregate=of_all)
        for each in statistics:
            resource = each.groupby["resource_id"]
            if resource is not None and (wanted is None or resource in wanted):
                found.setdefault(resource, []).append(each)
        return self._named(question, {key: Found(_together(parts, question.aggregate)) for key, parts in found.items()})

    @staticmethod
    def _named(question: Question, found: dict[str, Any]) -> dict[str, Any]:
        """By host name, where resources are hosts."""
        return found if question.meter.of != COMPUTE_NODE else hosts.by_host(found)


def _together(parts: Sequence[Any], aggregate: str) -> float:
    """An aggregate of samples whose statistics come apart, because their units differ."""
    count = sum(each.count for each in parts)
    if aggregate == COUNT:
        return float(count)
    if aggregate in (MIN, MAX):
        return float((min if aggregate == MIN else max)(getattr(each, aggregate) for each in parts))
    return float(sum(each.avg * each.count for each in parts) / count)

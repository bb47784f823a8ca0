"""A source in memory: a driver as small as one can be, whose backend fails when a test wants it to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from undercroft.core import url as urls
from undercroft.datasources import DataSourceBase, Found, Metric, Point, Question
from undercroft.datasources.contract import Options


class Source(DataSourceBase):
    """Answers from `samples`, {metric: {key: points}}; `fails` is called before every question."""

    NAME = "memory"
    METRICS: ClassVar[Mapping[str, Metric]] = {
        "host_cpu_usage": Metric("idle", complement=100.0),
        "host_airflow": Metric("airflow", scale=10.0),
        "host_power": Metric("power"),
        "instance_cpu_usage": Metric("cpu", "cumulative"),
        "instance_ram_usage": Metric("memory"),
        "instance_ram_allocated": Metric("instance.memory", "inventory"),
        "instance_l3_cache_usage": Metric("l3", per_vcpu=True),
    }
    lacks = frozenset({"count"})
    slices = True

    def _open(self, url: str, options: Mapping[str, Any], osc: Any) -> Options:
        self.samples: dict[str, dict[str, list[Point]]] = {}
        self.asked: list[Question] = []
        self.fails: Callable[[], object] = lambda: None
        return urls.split(url, Options, options)[1]

    def close(self) -> None: ...

    def _points(self, question: Question) -> Mapping[str, Sequence[Point]]:
        self.asked.append(question)
        self.fails()
        after, until = question.window
        found = {
            key: [each for each in points if after < each[0] <= until]
            for key, points in self.samples.get(question.metric.name, {}).items()
            if (question.ids is None or key in question.ids) and key.startswith(question.prefix)
        }
        return {key: points for key, points in found.items() if points}

    def _values(self, question: Question) -> Mapping[str, Found]:
        pick: Callable[[list[float]], float] = {
            "mean": lambda numbers: sum(numbers) / len(numbers), "min": min, "max": max, "count": len,
        }[question.aggregate]  # type: ignore[assignment]  # fmt: skip
        return {key: Found(pick([value for _, value in points])) for key, points in self._points(question).items()}

    def _names(self) -> Iterable[str]:
        self.fails()
        return list(self.samples)

    def _ping(self) -> None:
        self.fails()

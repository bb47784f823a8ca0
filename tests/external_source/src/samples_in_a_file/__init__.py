"""Samples in a file to which a collector appends lines of JSON: `jsonlines:////var/lib/collector/samples.jsonl`."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from undercroft.core import url as urls
from undercroft.core.errors import Corrupt, Denied
from undercroft.datasources import DataSourceBase, Found, Metric, Point, Question, values
from undercroft.datasources.contract import Options


class Sample(msgspec.Struct):
    """A line of the file; `time` is in microseconds since 1970."""

    metric: str
    resource: str
    time: int
    value: float


class Source(DataSourceBase):
    """Reads the whole file for each question."""

    NAME = "jsonlines"
    # How the backend stores each meter. The base class converts; meters that are not here are not served.
    METRICS: ClassVar[Mapping[str, Metric]] = {
        "host_cpu_usage": Metric("cpu.idle", complement=100.0),
        "host_power": Metric("power.kilowatts", scale=1_000.0),
        "instance_cpu_usage": Metric("cpu.time", "cumulative"),
        "instance_ram_usage": Metric("memory.megabytes"),
        "instance_ram_allocated": Metric("instance.memory", "inventory"),
    }
    # Needs no server, so that the suite runs without --store, too.
    ephemeral = "jsonlines:///{tmp}/samples.jsonl"

    def _open(self, url: str, options: Mapping[str, Any], osc: Any) -> Options:
        base, found, _ = urls.split(url, Options, options)
        self._path = pathlib.Path(base.partition("://")[2].removeprefix("/"))
        return found

    def _points(self, question: Question) -> Mapping[str, Sequence[Point]]:
        return self._selected(question)

    def _values(self, question: Question) -> Mapping[str, Found]:
        return {
            resource: Found(value)
            for resource, points in self._selected(question).items()
            if (value := values.aggregated((each for _, each in points), question.aggregate)) is not None
        }

    def _names(self) -> Iterable[str]:
        return {each.metric for each in self._samples()} & {metric.name for metric in self.METRICS.values()}

    def _ping(self) -> None:
        self._samples()

    def close(self) -> None:
        """Nothing: the file is closed after each question."""

    def _selected(self, question: Question) -> Mapping[str, Sequence[Point]]:
        """The samples that a question is about, by resource: one reading of the file."""
        (after, until), ids = question.window, None if question.ids is None else frozenset(question.ids)
        found: dict[str, list[Point]] = {}
        for each in self._samples():
            if each.metric == question.metric.name and after < each.time <= until and (ids is None or each.resource in ids):
                found.setdefault(each.resource, []).append((each.time, each.value))
        return {resource: sorted(points) for resource, points in found.items()}

    def _samples(self) -> list[Sample]:
        try:
            return msgspec.json.Decoder(Sample).decode_lines(self._path.read_bytes())
        except OSError as error:
            # Not tried again: a missing file does not come back by itself. An error that passes is `Unavailable`.
            raise Denied(f"{self._path} cannot be read: {error.strerror}; see to the URL and to the collector") from None
        except msgspec.DecodeError as error:
            raise Corrupt(f"{self._path} has a line that is not a sample: {error}") from None

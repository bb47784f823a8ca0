"""Prometheus, and Aetos: the same API behind Keystone.

Names and labels differ between exporters, so each meter's metric is an option.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import math
import threading
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import msgspec

from undercroft.core.errors import ConfigInvalid, Unavailable
from undercroft.datasources import promql, values
from undercroft.datasources.meters import COMPUTE_NODE, COUNT, MAX, MEAN, METERS, MIN, Metric
from undercroft.datasources.promql import Selected
from undercroft.datasources.question import Found, Point, Question, Window
from undercroft.datasources.remote import Remote, RemoteOptions, decoded

LOG = logging.getLogger(__name__)
T = TypeVar("T")

# Steps of one subquery; more are taken further apart.
_MOST_STEPS = 10_000
# Seconds above which a counter is read at so many moments, not at each sample.
_LONG, _MOMENTS = 6 * 3_600, 1_000
_DEFAULT_STEP = 15.0
# Characters of a URL that may name instances, up to twice in a query: uWSGI keeps a request in 4 KiB, the URL twice in that.
_NAMED = 600
_IDLE = Selected("node_cpu_seconds_total", ('mode="idle"',))
_MICROS = 1_000_000


class Options(RemoteOptions, frozen=True, kw_only=True):
    """Options of Prometheus and Aetos.

    Attributes:
        host_label: the label that has the name of a host.
        instance_label: the label that has the uuid of an instance.
        step: seconds between two scrapes of the hosts; 0: the source asks Prometheus once.
        host_cpu_usage: counter of CPU seconds in the mode idle, one series a processor.
        host_ram_usage: memory that is available, in bytes; what node_memory_MemTotal_bytes has is the whole.
        host_outlet_temp: metric of this meter: NAME, `NAME{label="value"}` or `NAME * 0.001`; none: not served.
        host_inlet_temp: metric of this meter.
        host_airflow: metric of this meter.
        host_power: metric of this meter.
        instance_cpu_usage: counter of CPU time in nanoseconds.
        instance_ram_usage: metric of this meter.
        instance_ram_allocated: metric of this meter; none: what the resource itself says.
        instance_l3_cache_usage: metric of this meter.
        instance_root_disk_size: metric of this meter; none: what the resource itself says.
    """

    host_label: str = "fqdn"
    instance_label: str = "resource"
    step: float = 0.0
    host_cpu_usage: str = 'node_cpu_seconds_total{mode="idle"}'
    host_ram_usage: str = "node_memory_MemAvailable_bytes"
    host_outlet_temp: str | None = None
    host_inlet_temp: str | None = None
    host_airflow: str | None = None
    host_power: str | None = None
    instance_cpu_usage: str = "ceilometer_cpu"
    instance_ram_usage: str = "ceilometer_memory_usage"
    instance_ram_allocated: str | None = None
    instance_l3_cache_usage: str | None = None
    instance_root_disk_size: str | None = None


# Within the class, the name is that of its attribute.
_Own = Options
_WHOLE = "node_memory_MemTotal_bytes"


class Source(Remote):
    """Reads the series that exporters offer: node exporters for hosts, Ceilometer's for instances."""

    NAME = "prometheus"
    PORT = 9090
    reads = "samples; CPU use of hosts between scrapes; counters over more than 6 h at about 1,000 moments"
    METRICS: ClassVar[Mapping[str, Metric]] = {
        "host_cpu_usage": Metric("node_cpu_seconds_total", scale=100.0, complement=1.0),
        "host_ram_usage": Metric("node_memory_MemAvailable_bytes", scale=1 / 1024, complement=_WHOLE),
        "instance_cpu_usage": Metric("ceilometer_cpu", "cumulative"),
        "instance_ram_usage": Metric("ceilometer_memory_usage"),
        "instance_ram_allocated": Metric("instance.memory", "inventory"),
        "instance_root_disk_size": Metric("instance.disk", "inventory"),
    }
    Options = Options
    options: _Own
    slices = True
    # Whether a query may be long: it is sent in the body of a POST.
    posts: ClassVar[bool] = True

    def _open(self, url: str, options: Mapping[str, Any], osc: Any) -> _Own:
        found = super()._open(url, options, osc)
        assert isinstance(found, _Own)  # noqa: S101 - the class's own
        if found.step < 0 or not math.isfinite(found.step):
            raise ConfigInvalid(f"step: {found.step:g} is not a number of seconds")
        self._labels = {
            COMPUTE_NODE: promql.label("host_label", found.host_label),
            "instance": promql.label("instance_label", found.instance_label),
        }
        self._selected = promql.chosen({name: getattr(found, name) for name in METERS})
        for name, selected in self._selected.items():
            known = self.METRICS.get(name)
            usual = known if known is not None and known.kind != "inventory" else Metric(selected.name)
            self.metrics = {
                **self.metrics,
                name: dataclasses.replace(usual, name=selected.name, scale=usual.scale * selected.scale),
            }
            self.METRIC_MAP[name] = selected.name
        self._step: float | None = found.step or None
        self._looking = threading.Lock()
        return found

    def capabilities(self) -> dict[str, Any]:
        """What the source can be asked for: the CPU use of a host is of counters, too."""
        found = super().capabilities()
        if "host_cpu_usage" in found["meters"]:
            found["meters"]["host_cpu_usage"]["kind"] = "cumulative"
        return found

    # -- what the base class asks ----------------------------------------------------------------------------------

    def _values(self, question: Question) -> Mapping[str, Found]:
        if question.meter.name == "host_cpu_usage" and question.aggregate != COUNT:
            return {
                key: Found(found)
                for key, points in self._idle(question).items()
                if (found := values.aggregated((each for _, each in points), question.aggregate)) is not None
            }
        label, series, span = self._label(question), self._series(question), _range(question.window)
        if question.aggregate == COUNT and question.meter.name == "host_cpu_usage":
            # Each processor has a series, and a scrape brings a sample of each.
            text = f"max by ({label}) (count_over_time({series}{span}))"
        else:
            text = _over_time(label, series, span, question.aggregate)
            if isinstance(question.metric.complement, str) and question.aggregate != COUNT:
                whole = Selected(question.metric.complement).text(f'{label}!=""')
                text = f"max by ({label}) (last_over_time({whole}{span})) - ({text})"
        return {
            key: Found(number)
            for key, ((_, number),) in self._ask(text, label, question.window.until).items()
            if math.isfinite(number)
        }

    def _points(self, question: Question) -> Mapping[str, Sequence[Point]]:
        if question.meter.name == "host_cpu_usage":
            return self._idle(question)
        label, window = self._label(question), question.window
        if isinstance(question.metric.complement, str):
            return self._used(question, label)
        series, is_counter = self._series(question), question.metric.kind == "cumulative"
        text = f"{series}{_range(window)}"
        if window.seconds > _LONG:
            step = math.ceil(window.seconds / _MOMENTS)
            text = f"(last_over_time({series}[{step}s]))[{_span(window)}:{step}s]"
        return self._ask(text, label, window.until, is_counter=is_counter)

    def _names(self) -> Iterable[str]:
        wanted = sorted(
            name for meter, name in self.METRIC_MAP.items() if name is not None and self._metric(meter).kind != "inventory"
        )
        answer = self.client.get("/api/v1/label/__name__/values", [("match[]", f"{{{promql.among('__name__', wanted)}}}")])
        return set(_data(answer, list[str])) & set(wanted)

    def _ping(self) -> None:
        self.client.get("/api/v1/status/runtimeinfo")

    # -- hosts -----------------------------------------------------------------------------------------------------

    def _idle(self, question: Question) -> dict[str, list[Point]]:
        """The idle share of a host's processors, 0 to 1, between each two scrapes of the window.

        `irate` takes the last two samples before a moment, with their own times: at moments one scrape apart, which end at the
        window's end, each pair is taken once. The first moment is two scrapes behind the window's beginning, so that no sample
        before that counts.
        """
        window, label = question.window, self._label(question)
        step = self._scrape_interval(question)
        steps = math.floor((window.seconds - 2 * step) / step + 1e-9)
        if steps < 0:
            return {}
        apart = step * max(1, math.ceil(steps / _MOST_STEPS))
        steps = math.floor((window.seconds - 2 * step) / apart + 1e-9)
        apart_ms, until_ms = round(apart * 1_000), window.until // 1_000
        # The moments of a subquery are multiples of its step; the data are taken that much later.
        late = until_ms % apart_ms
        series = self._series(question)
        inner = f"avg by ({label}) (irate({series}[{round(2 * step * 1_000)}ms]{f' offset -{late}ms' if late else ''}))"
        # Both ends belong to it, in the versions where the first does not as well.
        text = f"({inner})[{steps * apart_ms + 1}ms:{apart_ms}ms]"
        found = self._ask(text, label, (until_ms - late) * 1_000)
        return {key: [(moment + late * 1_000, idle) for moment, idle in points] for key, points in found.items()}

    def _used(self, question: Question, label: str) -> dict[str, list[Point]]:
        """What is in use of a whole that is a metric of its own: samples of both, of the same scrapes."""
        whole, part = str(question.metric.complement), question.metric.name
        named = promql.among("__name__", (whole, part))
        tests = self._tests(question, label)
        found = self._ask(
            f"{{{','.join((named, *tests))}}}{_range(question.window)}", label, question.window.until, also="__name__"
        )
        used: dict[str, list[Point]] = {}
        for (host, name), points in found.items():
            if name == part:
                wholes = dict(found.get((host, whole), ()))
                last = next(iter(wholes.values()), None)
                for moment, available in points:
                    last = wholes.get(moment, last)
                    if last is not None:
                        used.setdefault(host, []).append((moment, last - available))
        return used

    def _scrape_interval(self, question: Question) -> float:
        """Seconds between two scrapes of the hosts, asked for once."""
        with self._looking:
            if self._step is None:
                self._step = self._asked_step()
                if self._step is None:
                    LOG.warning(
                        "%s: no active target has the label %s, so that the scrape interval of hosts is not known: %g s are assumed"
                        "; write step=SECONDS in the URL", self.NAME, self._labels[COMPUTE_NODE], _DEFAULT_STEP,
                    )  # fmt: skip
                    self._step = _DEFAULT_STEP
            return self._step

    def _asked_step(self) -> float | None:
        """The interval of the active targets that have a host's name; the longest, so that each pair of samples is found."""
        label = self._labels[COMPUTE_NODE]
        found = _data(self.client.get("/api/v1/targets", [("state", "active")]), _Targets)
        lengths = [_seconds(each.scrapeInterval) for each in found.activeTargets if label in each.labels]
        return max((each for each in lengths if each), default=None)

    # -- queries ---------------------------------------------------------------------------------------------------

    def _label(self, question: Question) -> str:
        return self._labels[question.meter.of]

    def _series(self, question: Question) -> str:
        label = self._label(question)
        selected = self._selected.get(question.meter.name) or Selected(question.metric.name)
        # The host program's own map of names wins.
        return selected._replace(name=question.metric.name).text(*self._tests(question, label))

    def _tests(self, question: Question, label: str) -> tuple[str, ...]:
        if question.ids is not None:
            named = promql.among(label, question.ids)
            if self.posts or len(urllib.parse.quote(named, safe="")) <= _NAMED:
                return (named,)
        # Digits are no operators of regular expressions.
        return (f'{label}=~"{question.prefix}.+"',) if question.prefix else (f'{label}!=""',)

    def _ask(
        self, text: str, label: str, until: int, also: str | None = None, *, is_counter: bool = False
    ) -> dict[Any, list[Point]]:
        """Points of an instant query by label (and by another one); those of several series of a resource are put together."""
        parameters = [("query", text), ("time", f"{until // 1_000 / 1_000:.3f}")]
        answer = self.client.post_form("/api/v1/query", parameters) if self.posts else self.client.get("/api/v1/query", parameters)
        found: dict[Any, list[list[Point]]] = {}
        for each in _data(answer, _Result).result:
            name = each.metric.get(label)
            points = [
                (round(moment * 1_000) * 1_000, number)
                for moment, written in (each.values if each.value is None else [each.value])
                if math.isfinite(number := float(written))
            ]
            if name and points:
                found.setdefault(name if also is None else (name, each.metric.get(also, "")), []).append(points)
        together = _succeeding if is_counter else _merged
        return {key: series[0] if len(series) == 1 else together(series) for key, series in found.items()}


class Aetos(Source):
    """Aetos: the API of Prometheus behind Keystone. Queries are parameters of a GET, so that they stay short.

    Few instances are asked for by name; where there are more, all are asked for, and the others left out here.
    """

    NAME = "aetos"
    SERVICE = "metric-storage"
    posts = False


# -- answers -------------------------------------------------------------------------------------------------------------------


class _Sample(msgspec.Struct):
    metric: dict[str, str]
    value: tuple[float, str] | None = None
    values: list[tuple[float, str]] = []


class _Result(msgspec.Struct):
    result: list[_Sample]


class _Target(msgspec.Struct):
    labels: dict[str, str] = {}
    scrapeInterval: str = ""  # noqa: N815 - the API's name


class _Targets(msgspec.Struct):
    activeTargets: list[_Target] = []  # noqa: N815 - the API's name


class _Answer(msgspec.Struct):
    status: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""
    warnings: list[str] = []


def _data(answer: bytes, type_: type[T]) -> T:
    """The data of an answer.

    Raises:
        Unavailable: it is an error, or not an answer of this API.
    """
    found = decoded(answer, _Answer, "Prometheus")
    if found.status != "success":
        raise Unavailable(f"Prometheus: {found.error[:200]}")
    for warning in found.warnings:
        LOG.warning("Prometheus: %.200s", warning)
    return decoded(bytes(found.data), type_, "Prometheus")


def _merged(series: Sequence[list[Point]]) -> list[Point]:
    """Levels of several series, by time."""
    return sorted(itertools.chain.from_iterable(series))


def _succeeding(series: Sequence[list[Point]]) -> list[Point]:
    """Counters of several series, one after the other: from its first sample on, a series replaces those that began earlier.

    Where an instance has moved, its old exporter may go on for a while. Two counters that alternate would look like resets, and
    like CPU time that was never used.
    """
    found: list[Point] = []
    for points in sorted(series):
        found = [point for point in found if point[0] < points[0][0]] + points
    return found


# -- expressions ---------------------------------------------------------------------------------------------------------------


def _span(window: Window) -> str:
    """The length of a window.

    Up to version 2 a range includes the sample at its beginning, which the window does not: a millisecond less, which is how
    exactly moments are kept.
    """
    return f"{max(1, window.until // 1_000 - window.after // 1_000 - 1)}ms"


def _range(window: Window) -> str:
    return f"[{_span(window)}]"


def _over_time(label: str, series: str, span: str, aggregate: str) -> str:
    """An aggregate over time, of all series of a resource together: one that was restarted or moved has several."""
    if aggregate == MEAN:
        return f"sum by ({label}) (sum_over_time({series}{span})) / sum by ({label}) (count_over_time({series}{span}))"
    if aggregate == COUNT:
        return f"sum by ({label}) (count_over_time({series}{span}))"
    name = {MIN: "min", MAX: "max"}[aggregate]
    return f"{name} by ({label}) ({name}_over_time({series}{span}))"


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


def _seconds(text: str) -> float | None:
    """A duration as Prometheus writes it: `1m30s`."""
    total, rest = 0.0, text
    while rest:
        digits = len(rest) - len(rest.lstrip("0123456789"))
        unit = next((each for each in ("ms", "s", "m", "h", "d") if rest[digits:].startswith(each)), None)
        if not digits or unit is None:
            return None
        total += int(rest[:digits]) * _UNITS[unit]
        rest = rest[digits + len(unit) :]
    return total or None

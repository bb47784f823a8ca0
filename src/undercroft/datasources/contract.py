"""The interface of datasources (seed: the formal datasource interface of Watcher; meaning: docs/datasources.md, cited as S1 ...).

`DataSourceBase` has all public methods: the parsing of what strategies pass, the resources, units, complements and bounds, what is
logged and what is retried. A driver subclasses it, says in `METRICS` how its backend stores each meter, and writes the methods that
begin with `_` and are abstract: they get checked questions, and give what is stored.
"""

from __future__ import annotations

import abc
import dataclasses
import datetime as dt
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import msgspec

from undercroft.core import deadline, findings, jobs, settings, time
from undercroft.core.errors import ConfigInvalid
from undercroft.core.plural import number
from undercroft.datasources import arguments, meters, values
from undercroft.datasources.answers import Answers, Explanation, Survey
from undercroft.datasources.errors import MetricNotAvailable
from undercroft.datasources.meters import COMPUTE_NODE, COUNT, INSTANCE, MEAN, METERS, Meter, Metric
from undercroft.datasources.question import Found, Point, Question
from undercroft.datasources.resources import Reference, refer
from undercroft.datasources.retrying import Retrier
from undercroft.datasources.slicing import Slicer

LOG = logging.getLogger(__name__)

# Uuids that one query names at most.
AT_ONCE = 500
_SECOND = 1_000_000


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Options that every datasource has, in its URL or by keyword.

    Attributes:
        request_timeout: seconds that one request to the backend may take.
        query_max_retries: how often a query is tried.
        query_interval: seconds between two attempts. All attempts of a query take less than 15 s together.
    """

    request_timeout: float = 5.0
    query_max_retries: int = 10
    query_interval: float = 1.0


class DataSourceBase(abc.ABC):
    """Answers what resources used lately. One object serves many threads.

    S1  Every method has the seed's name, parameters, order and defaults. `undercroft.connect("datasources", URL)` makes a source,
        and needs no backend that can be reached.

    Args:
        osc: the OpenStack clients of the host program, whose session remote drivers may use; may be None.
        url: of the source; None for the one of the settings, [datasources] connection.
        options: those of the URL; they win over it.

    Raises:
        ConfigInvalid: no URL, or an option that the driver does not have.
    """

    AGGREGATES: ClassVar[list[str]] = list(meters.AGGREGATES)
    RESOURCE_TYPES: ClassVar[list[str]] = list(meters.RESOURCE_TYPES)
    NAME: ClassVar[str] = ""
    METRIC_MAP: dict[str, str | None] = dict.fromkeys(METERS)
    METRICS: ClassVar[Mapping[str, Metric]] = {}
    # Aggregates that the backend does not have: the mean is given instead, and a warning logged.
    lacks: ClassVar[frozenset[str]] = frozenset()
    # Whether the driver can ask for instances by the first digits of their uuids: see `Question.prefix`.
    slices: ClassVar[bool] = False

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        if "METRICS" in vars(cls):
            cls.METRIC_MAP = {name: cls.METRICS[name].name if name in cls.METRICS else None for name in METERS}

    def __init__(self, osc: Any = None, url: str | None = None, **options: Any) -> None:
        found = url or settings.get("datasources", "connection")
        if not found:
            raise ConfigInvalid("no datasource is named: give its URL, or set [datasources] connection")
        self.METRIC_MAP = dict(type(self).METRIC_MAP)
        self.metrics: Mapping[str, Metric] = dict(self.METRICS)
        self.options = self._open(found, options, osc)
        self._retrier = Retrier(
            self.NAME, self.options.query_max_retries, self.options.query_interval, self.query_retry_reset
        )  # fmt: skip
        self.slicer = Slicer(self.NAME, self._retrier, self.options.request_timeout)

    @classmethod
    def open(cls, url: str, **options: Any) -> Self:
        """The source at `url`; called by `undercroft.connect`."""
        return cls(options.pop("osc", None), url, **options)

    # -- to be written by drivers ----------------------------------------------------------------------------------

    @abc.abstractmethod
    def _open(self, url: str, options: Mapping[str, Any], osc: Any) -> Options:
        """Keep where the backend is, without asking it; its options.

        It may change `self.metrics` and `self.METRIC_MAP`, where names of metrics are options.
        """

    @abc.abstractmethod
    def _values(self, question: Question) -> Mapping[str, Found]:
        """Aggregates of a level, or numbers of samples of any metric, by uuid or host name, in one query.

        Resources without samples in the window are left out. Keys of hosts are host names, as the backend has them.

        Raises:
            UndercroftError: the query failed; `Unavailable` and what is unknown is tried again.
        """

    @abc.abstractmethod
    def _points(self, question: Question) -> Mapping[str, Sequence[Point]]:
        """Samples as they are stored, ascending, by uuid or host name, in one query; as `_values` otherwise.

        Of a backend that keeps roll-ups: the roll-ups within the window, of the granularity that suits the question.
        """

    @abc.abstractmethod
    def _names(self) -> Iterable[str]:
        """Names of the metrics that the backend has, as far as `METRIC_MAP` has them."""

    @abc.abstractmethod
    def _ping(self) -> None:
        """Ask the backend for something small.

        Raises:
            UndercroftError: it cannot be used.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Give the connections back. The object is not used afterwards."""

    def _newest(self, question: Question) -> Mapping[str, int]:
        """The moment of the last sample in the window, in microseconds, by uuid or host name."""
        return {key: points[-1][0] for key, points in self._points(question).items() if points}

    # -- aggregates ------------------------------------------------------------------------------------------------

    def statistic_aggregation(
        self,
        resource: Any = None,
        resource_type: str | None = None,
        meter_name: str | None = None,
        period: float = 300,
        granularity: float | None = 300,
        aggregate: str = "mean",
    ) -> float | None:
        """An aggregate of a meter of one resource, in the unit of `undercroft.datasources.METERS`.

        S2  The window is (now - period, now]; mean, min, max and count are over all samples in it. `granularity` says at which
            stored resolution to read, and does not change the result of data that are stored raw.
        S3  None where no sample is in the window. Zero is a value.
        S4  If the aggregate is not in AGGREGATES, or the backend does not support it, the mean is returned and a warning is logged.
            If the resource is unknown, or its type does not have the meter, None is returned and a warning is logged. If the
            backend fails, None is returned and an error is logged. `period` may be a float or numeric text.
        S5  The object outranks `resource_type`.
        S7  Counters become percent by the moments of their samples: neighbours in the window are compared.
        S8  The largest of a meter that is stored as its complement is of the smallest that is stored.
        S10 Names of hosts and instances are data: they cannot change a query.
        S11 A host is found by its full name, else by its short one (before the first dot), in both directions.
        S12 Answers have 9 significant digits.
        S13 A failing backend costs less than 15 s a query, retries included; then nothing is asked for 60 s.

        Args:
            resource: what a client of nova, ironic or cinder returned, an element of Watcher's model, or a mapping.
            resource_type: one of RESOURCE_TYPES.
            meter_name: a key of METRIC_MAP.
            period: seconds.
            granularity: seconds, or None for the finest.
            aggregate: one of AGGREGATES.

        Raises:
            MetricNotAvailable: the source does not serve this meter.
        """
        meter, metric = self._meter(meter_name)
        aggregate = self._aggregate(aggregate)
        reference = refer(resource, resource_type)
        if not self._can_have(meter, reference):
            return None
        if metric.kind == "inventory":
            return _of_inventory(meter, metric, reference, aggregate)
        question = self._question(meter, metric, period, aggregate, granularity)
        ((_, answers),) = self._asked_in_parts(question, [reference], aggregate)
        return None if answers is None else self._picked(answers, reference)

    def statistic_batch(
        self,
        resources: Iterable[Any],
        resource_type: str | None,
        meter_name: str | None,
        period: float = 300,
        aggregate: str = "mean",
        granularity: float | None = 300,
    ) -> dict[str, float | None]:
        """`statistic_aggregation` of many resources by one query, or one per 500 instances.

        Returns:
            the value, or None, by the resource's uuid; by its host name where it has none.

        Raises:
            MetricNotAvailable: the source does not serve this meter.
        """
        meter, metric = self._meter(meter_name)
        aggregate = self._aggregate(aggregate)
        references = [refer(each, resource_type) for each in resources]
        found: dict[str, float | None] = {each.key: None for each in references if each.key is not None}
        wanted = [each for each in references if self._can_have(meter, each)]
        if metric.kind == "inventory":
            return found | {str(each.key): _of_inventory(meter, metric, each, aggregate) for each in wanted}
        question = self._question(meter, metric, period, aggregate, granularity)
        for each, answers in self._asked_in_parts(question, wanted, aggregate):
            if answers is not None:
                found[str(each.key)] = answers.of(each)
        return found

    def answers(
        self, meter_name: str | None, period: float = 300, aggregate: str = "mean", granularity: float | None = 300
    ) -> Answers | None:
        """`statistic_aggregation` of every resource that has the meter, by one query; None where the backend fails.

        Of clouds that are too large for one answer in time, a driver with `slices` asks by parts.

        Raises:
            MetricNotAvailable: the source does not serve this meter, or takes it from the resource itself.
        """
        meter, metric = self._meter(meter_name)
        if metric.kind == "inventory":
            raise MetricNotAvailable(meter_name, "is an attribute of each resource")
        aggregate = self._aggregate(aggregate)
        question = self._question(meter, metric, period, aggregate, granularity)
        found = self._asked_of_all(self._points if _reads_points(metric, aggregate) else self._values, question)
        return None if found is None else Answers(question, aggregate, found)

    def pick(self, answers: Answers, resource: Any, resource_type: str | None) -> float | None:
        """The value of one resource among `answers`, as `statistic_aggregation` gives it."""
        reference = refer(resource, resource_type)
        return self._picked(answers, reference) if self._can_have(answers.question.meter, reference) else None

    def is_measured(self, meter_name: str | None) -> bool:
        """Whether the backend is asked for a meter: what a resource itself says is not measured.

        Raises:
            MetricNotAvailable: the source does not serve this meter.
        """
        return self._metric(meter_name).kind != "inventory"

    def statistic_series(
        self,
        resource: Any = None,
        resource_type: str | None = None,
        meter_name: str | None = None,
        start_time: dt.datetime | None = None,
        end_time: dt.datetime | None = None,
        granularity: float | None = 300,
    ) -> dict[dt.datetime, float]:
        """A meter of one resource over time.

        S9  Aware UTC moments, ascending, with values in the same units; both bounds belong to it, and without a zone are UTC.
            Left out they are now, and an hour before the end. Empty where there is nothing.

        Raises:
            MetricNotAvailable: the source does not serve this meter.
        """
        meter, metric = self._meter(meter_name)
        reference = refer(resource, resource_type)
        if not self._can_have(meter, reference):
            return {}
        window = arguments.bounds(start_time, end_time)
        if window.after >= window.until:
            return {}
        if metric.kind == "inventory":
            here = _of_inventory(meter, metric, reference, MEAN)
            return {} if here is None else {window.end: here}
        question = Question(meter, metric, window, MEAN, arguments.granularity(granularity))
        ((_, answers),) = self._asked_in_parts(question, [reference], MEAN, points=True)
        points = () if answers is None else answers.stored(reference) or ()
        return {time.from_micros(moment): each for moment, each in values.series(meter, metric, points, reference.vcpus)}

    def explain(
        self,
        resource: Any = None,
        resource_type: str | None = None,
        meter_name: str | None = None,
        period: float = 300,
        aggregate: str = "mean",
        granularity: float | None = 300,
    ) -> Explanation:
        """From which samples, of which age, `statistic_aggregation` makes its value.

        Raises:
            MetricNotAvailable: the source does not serve this meter.
        """
        return self.explain_batch([resource], resource_type, meter_name, period, aggregate, granularity)[0]

    def explain_batch(
        self,
        resources: Iterable[Any],
        resource_type: str | None,
        meter_name: str | None,
        period: float = 300,
        aggregate: str = "mean",
        granularity: float | None = 300,
    ) -> list[Explanation]:
        """`explain` of many resources, in their order, by two queries, or two per 500 instances.

        Raises:
            MetricNotAvailable: the source does not serve this meter.
        """
        meter, metric = self._meter(meter_name)
        aggregate = self._aggregate(aggregate)
        question = self._question(meter, metric, period, aggregate, granularity)
        references = [refer(each, resource_type) for each in resources]
        wanted = [each for each in references if self._can_have(meter, each)]
        found: dict[Reference, float | None] = {}
        points: dict[Reference, Sequence[Point] | None] = {}
        if metric.kind == "inventory":
            found = {each: _of_inventory(meter, metric, each, aggregate) for each in wanted}
        else:
            for each, answers in self._asked_in_parts(question._replace(aggregate=MEAN), wanted, aggregate, points=True):
                points[each] = None if answers is None else answers.stored(each) or ()
                found[each] = None if answers is None else answers.of(each)
            if not _reads_points(metric, aggregate):
                for each, answers in self._asked_in_parts(question, wanted, aggregate):
                    found[each] = None if answers is None else answers.of(each)
        return [
            self._explanation(question, aggregate, each, found.get(each), points.get(each, ())) for each in references
        ]  # fmt: skip

    def _explanation(
        self, question: Question, aggregate: str, reference: Reference, value: float | None, points: Sequence[Point] | None
    ) -> Explanation:
        meter, metric, window = question.meter, question.metric, question.window
        first, last = (points[0][0], points[-1][0]) if points else (None, None)
        return Explanation(
            meter=meter.name,
            unit="" if aggregate == COUNT else meter.unit,
            aggregate=aggregate,
            value=value,
            resource=reference.host if meter.of == COMPUTE_NODE else reference.uuid,
            metric=metric.name,
            after=window.start,
            until=window.end,
            samples=len(points or ()),
            first=None if first is None else time.from_micros(first),
            last=None if last is None else time.from_micros(last),
            age=None if last is None else (window.until - last) / _SECOND,
            note=self._note(meter, metric, reference, points, value),
        )

    def survey(self, meter_name: str | None, period: float = 3_600) -> Survey | None:
        """Of how many resources there are samples of a meter, and when the last one was taken; None where the backend fails.

        Raises:
            MetricNotAvailable: the source does not serve this meter.
        """
        meter, metric = self._meter(meter_name)
        if metric.kind == "inventory":
            return Survey(0, None)
        question = self._question(meter, metric, period, MEAN, None)
        found = self._asked_of_all(self._newest, question)
        if found is None:
            return None
        return Survey(len(found), time.from_micros(max(found.values())) if found else None)

    # -- a method for each meter -----------------------------------------------------------------------------------

    def get_host_cpu_usage(
        self, resource: Any, resource_type: str | None, period: float, aggregate: str, granularity: float | None = None
    ) -> float | None:
        """CPU use of a host in percent, 0 to 100; see `statistic_aggregation`."""
        return self.statistic_aggregation(resource, resource_type, "host_cpu_usage", period, granularity, aggregate)

    def get_host_memory_usage(
        self, resource: Any, resource_type: str | None, period: float, aggregate: str, granularity: float | None = None
    ) -> float | None:
        """Memory in use of a host in KiB."""
        return self.statistic_aggregation(resource, resource_type, "host_ram_usage", period, granularity, aggregate)

    get_host_ram_usage = get_host_memory_usage

    def get_host_outlet_temp(
        self, resource: Any, resource_type: str | None, period: float, aggregate: str, granularity: float | None = None
    ) -> float | None:
        """Temperature of the air that leaves a host, in degrees Celsius."""
        return self.statistic_aggregation(resource, resource_type, "host_outlet_temp", period, granularity, aggregate)

    def get_host_inlet_temp(
        self, resource: Any, resource_type: str | None, period: float, aggregate: str, granularity: float | None = None
    ) -> float | None:
        """Temperature of the air that enters a host, in degrees Celsius."""
        return self.statistic_aggregation(resource, resource_type, "host_inlet_temp", period, granularity, aggregate)

    def get_host_airflow(
        self, resource: Any, resource_type: str | None, period: float, aggregate: str, granularity: float | None = None
    ) -> float | None:
        """Air flow through a host in CFM."""
        return self.statistic_aggregation(resource, resource_type, "host_airflow", period, granularity, aggregate)

    def get_host_power(
        self, resource: Any, resource_type: str | None, period: float, aggregate: str, granularity: float | None = None
    ) -> float | None:
        """Power that a host draws, in watts."""
        return self.statistic_aggregation(resource, resource_type, "host_power", period, granularity, aggregate)

    def get_instance_cpu_usage(
        self, resource: Any, resource_type: str | None, period: float, aggregate: str, granularity: float | None = None
    ) -> float | None:
        """CPU use of an instance's own vCPUs in percent, 0 to 100."""
        return self.statistic_aggregation(resource, resource_type, "instance_cpu_usage", period, granularity, aggregate)

    def get_instance_ram_usage(
        self, resource: Any, resource_type: str | None, period: float, aggregate: str, granularity: float | None = None
    ) -> float | None:
        """Resident memory of an instance in MB."""
        return self.statistic_aggregation(resource, resource_type, "instance_ram_usage", period, granularity, aggregate)

    def get_instance_ram_allocated(
        self, resource: Any, resource_type: str | None, period: float, aggregate: str, granularity: float | None = None
    ) -> float | None:
        """Memory of an instance's flavor in MB."""
        return self.statistic_aggregation(resource, resource_type, "instance_ram_allocated", period, granularity, aggregate)

    def get_instance_l3_cache_usage(
        self, resource: Any, resource_type: str | None, period: float, aggregate: str, granularity: float | None = None
    ) -> float | None:
        """L3 cache in use of an instance, in bytes.

        S6  A `resource_type` that is not in RESOURCE_TYPES is ignored: one strategy of Watcher passes the name of the meter.
        """
        return self.statistic_aggregation(resource, resource_type, "instance_l3_cache_usage", period, granularity, aggregate)

    def get_instance_root_disk_size(
        self, resource: Any, resource_type: str | None, period: float, aggregate: str, granularity: float | None = None
    ) -> float | None:
        """Size of an instance's root disk in GB."""
        return self.statistic_aggregation(resource, resource_type, "instance_root_disk_size", period, granularity, aggregate)

    # -- the source itself -----------------------------------------------------------------------------------------

    def list_metrics(self) -> set[str]:
        """The backend's names of the metrics that can be served: values of METRIC_MAP. Empty while the backend is away."""
        of_inventory = {metric.name for metric in self.metrics.values() if metric.kind == "inventory"}
        found = self.query_retry(self._names)
        return set() if found is None else set(found) | of_inventory

    def check_availability(self) -> str:
        """The text `available` or `not available`, after one attempt."""
        try:
            with deadline.within(self.options.request_timeout):
                self._ping()
        except Exception as error:  # noqa: BLE001 - the contract: any error means "not available"
            LOG.warning("%s is not available: %s", self.NAME, error)
            return "not available"
        return "available"

    @property
    def is_resting(self) -> bool:
        """Whether nothing is asked for a while, because the backend failed."""
        return self._retrier.is_open

    def capabilities(self) -> dict[str, Any]:
        """What the source can be asked for."""
        return {
            "aggregates": [each for each in self.AGGREGATES if each not in self.lacks],
            "resource_types": sorted({METERS[name].of for name in self._served()}),
            "meters": {
                name: {"unit": METERS[name].unit, "kind": self._metric(name).kind, "source": self.METRIC_MAP[name]}
                for name in self._served()
            },
            "series": True,
            "batch": True,
        }

    def query_retry(
        self,
        f: Callable[..., Any],
        *args: Any,
        ignored_exc: tuple[type[BaseException], ...] | type[BaseException] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Call `f`, again when it fails; None when it keeps failing, or raises `ignored_exc`. See S13."""
        return self._retrier.call(lambda: f(*args, **kwargs), ignored_exc or ())

    def query_retry_reset(self, exception_instance: BaseException) -> None:  # noqa: B027 - most drivers need none
        """Called after each failed attempt; a driver that keeps a login or a connection may renew it."""

    def _get_meter(self, meter_name: str | None) -> str:
        """The backend's name of a meter.

        Raises:
            MetricNotAvailable: it has none.
        """
        found = self.METRIC_MAP.get(meter_name) if isinstance(meter_name, str) else None
        if found is None:
            raise MetricNotAvailable(meter_name)
        return found

    # -- what the shared parts of the product ask of any store --------------------------------------------------------

    def init(self) -> None:  # noqa: B027 - what any store has
        """Nothing: a source is only read."""

    def drop(self) -> None:  # noqa: B027 - what any store has
        """Nothing: what is read belongs to others."""

    def locks(self) -> jobs.Locks:
        """No lock is needed: a source is only read."""
        return jobs.LocalLocks()

    def diagnose(self, *, verify: bool = False) -> Iterator[findings.Finding]:
        """Does the backend answer, and which meters does it serve?

        Args:
            verify: look for samples of each meter, too.
        """
        try:
            with deadline.within(self.options.request_timeout):
                self._ping()
        except Exception as error:  # noqa: BLE001 - told as a finding
            told = f"{self.NAME} is not available: {error}"
            yield findings.error("availability", told, "see that the URL, the login and the server are right")
            return
        yield findings.ok("availability", f"{self.NAME} answers")
        served = list(self._served())
        yield findings.ok("meters", f"{number(len(served), 'meters')} of {len(METERS)} have a name: {', '.join(served)}")
        for name in served if verify else ():
            found = self.survey(name)
            if found is None:
                yield findings.error(name, "the backend does not answer", "its log, and ours, say more")
            elif self._metric(name).kind == "inventory":
                yield findings.ok(name, "read from the resource itself")
            elif found.newest is None:
                yield findings.warning(
                    name, f"no sample of {self.METRIC_MAP[name]} within the last hour", "see that it is measured"
                )
            else:
                yield findings.ok(
                    name, f"{number(found.resources, 'resources')}, the last sample of {found.newest:%Y-%m-%d %H:%M:%S}Z"
                )

    # -- from arguments to questions -----------------------------------------------------------------------------------

    def _served(self) -> Iterator[str]:
        return (name for name in METERS if self.METRIC_MAP.get(name) is not None)

    def _metric(self, meter_name: str | None) -> Metric:
        """How a meter is stored. The name in METRIC_MAP wins: hosts let operators write another one."""
        name = self._get_meter(meter_name)
        known = self.metrics.get(str(meter_name))
        if known is None:
            return Metric(name)
        return known if known.name == name else dataclasses.replace(known, name=name)

    def _meter(self, meter_name: str | None) -> tuple[Meter, Metric]:
        metric = self._metric(meter_name)
        meter = METERS.get(str(meter_name))
        if meter is None:
            raise MetricNotAvailable(meter_name)
        return meter, metric

    def _aggregate(self, given: object) -> str:
        if given not in self.AGGREGATES:
            LOG.warning("%s: aggregate %.64r is not one of %s: the mean is given", self.NAME, given, ", ".join(self.AGGREGATES))
            return MEAN
        if given in self.lacks:
            LOG.warning("%s: the backend has no aggregate %s: the mean is given", self.NAME, given)
            return MEAN
        return str(given)

    def _can_have(self, meter: Meter, reference: Reference) -> bool:
        """Whether the resource can have the meter; otherwise a warning says why not."""
        if reference.type != meter.of:
            LOG.warning("%s: %s is a meter of %s, not of %s", self.NAME, meter.name, meter.of, reference.type)
            return False
        if (reference.host if meter.of == COMPUTE_NODE else reference.uuid) is None:
            what = "host name" if meter.of == COMPUTE_NODE else "uuid"
            LOG.warning("%s: %s of a resource whose %s is not known", self.NAME, meter.name, what)
            return False
        if meter.of == INSTANCE and not reference.vcpus:
            metric = self.metrics.get(meter.name)
            if metric is not None and (metric.per_vcpu or metric.kind == "cumulative"):
                LOG.warning("%s: instance %s has no number of vCPUs: 1 is assumed", self.NAME, reference.uuid)
        return True

    def _question(self, meter: Meter, metric: Metric, period: object, aggregate: str, granularity: object) -> Question:
        stored = values.stored_aggregate(metric, aggregate)
        return Question(meter, metric, arguments.window(period), stored, arguments.granularity(granularity))

    def _asked(self, question: Question, aggregate: str, *, points: bool = False) -> Answers | None:
        """What the backend has, None where it fails: samples where `points` says so, or the aggregate is made of them."""
        points = points or _reads_points(question.metric, aggregate)
        found = self.query_retry(self._points if points else self._values, question)
        return None if found is None else Answers(question, aggregate, found)

    def _asked_of_all(self, read: Callable[[Question], Mapping[str, Any]], question: Question) -> Mapping[str, Any] | None:
        """What the backend has of every resource; None where it fails."""
        if self.slices and question.meter.of == INSTANCE:
            return self.slicer.ask(read, question)
        found: Mapping[str, Any] | None = self.query_retry(read, question)
        return found

    def _asked_in_parts(
        self, question: Question, references: Sequence[Reference], aggregate: str, *, points: bool = False
    ) -> Iterator[tuple[Reference, Answers | None]]:
        """Each resource, with the answers that it is among: of one query, or of one per 500 instances."""
        is_host = question.meter.of == COMPUTE_NODE
        size = len(references) if is_host else AT_ONCE
        for first in range(0, len(references), size or 1):
            part = references[first : first + size]
            ids = None if is_host else [str(each.uuid) for each in part]
            answers = self._asked(question._replace(ids=ids, references=part), aggregate, points=points)
            for each in part:
                yield each, answers

    def _picked(self, answers: Answers, reference: Reference) -> float | None:
        found = answers.of(reference)
        if found is None:
            window, meter = answers.question.window, answers.question.meter
            LOG.warning("%s: %s of %s: no value within %g s", self.NAME, meter.name, _shown(reference), window.seconds)
        return found

    def _note(
        self, meter: Meter, metric: Metric, reference: Reference, points: Sequence[Point] | None, value: float | None
    ) -> str | None:
        if reference.type != meter.of:
            return f"{meter.name} is a meter of {meter.of}, and this is {reference.type}"
        if metric.kind == "inventory":
            return "read from the resource itself, not measured"
        if points is None:
            return "the backend does not answer; the log says more"
        if not points:
            return "no sample lies in the window: ask for a longer period, or see whether the resource is measured"
        if metric.kind == "cumulative" and len(points) == 1 and value is None:
            return "a counter needs two samples in the window: ask for a longer period"
        return None


def _of_inventory(meter: Meter, metric: Metric, reference: Reference, aggregate: str) -> float | None:
    """What the resource itself says: `instance.memory` is its memory."""
    stored: float | None = getattr(reference, metric.name.rpartition(".")[2], None)
    if stored is None:
        LOG.warning("%s of %s: the resource does not have this attribute", meter.name, _shown(reference))
        return None
    return 1 if aggregate == COUNT else values.bounded(meter, stored)


def _reads_points(metric: Metric, aggregate: str) -> bool:
    """Whether an aggregate is made of samples that the backend gives, not by the backend."""
    return metric.kind == "cumulative" and aggregate != COUNT


def _shown(reference: Reference) -> str:
    return f"{reference.type} {(reference.host if reference.type == COMPUTE_NODE else reference.uuid) or 'without a name'!r:.80}"

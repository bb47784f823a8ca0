"""InfluxDB behind Grafana's data source proxy: `grafana://HOST:PORT/api/datasources/proxy/1?token=TOKEN&database=DATABASE`.

By default each meter is a measurement of its own name, in its own unit, with the resource in a tag. A file of settings (`queries`)
says for each meter where it is stored otherwise, or has the operator's own template of a query, as Watcher's [grafana_client]
query_map has.
"""

from __future__ import annotations

import pathlib
import tomllib
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, cast

import msgspec

from undercroft.core import names
from undercroft.core.errors import ConfigInvalid, InvalidInput, Unavailable
from undercroft.datasources import influxql
from undercroft.datasources.answers import Answers
from undercroft.datasources.errors import MetricNotAvailable
from undercroft.datasources.meters import COMPUTE_NODE, METERS, Meter, Metric
from undercroft.datasources.question import Found, Point, Question, Window
from undercroft.datasources.remote import Remote, RemoteOptions, decoded
from undercroft.datasources.resources import Reference

# A query that is longer goes into the body of a POST: many servers refuse lines of more than 4 or 8 KiB.
LONG = 2_000
# Watcher's [grafana_translators] retention_periods, in seconds.
_RETENTION = {"one_week": 604_800, "one_month": 2_592_000, "five_years": 31_556_952 * 5}
_RETENTION_KEY = "retention_periods"
# Words of errors of InfluxDB that are not about the query.
_NOT_NOW = ("timeout", "interrupted", "max-concurrent-queries", "engine is closed", "shutting down", "panic")
_TIME = "time"
# Lines end at a newline, and InfluxDB has no escape for it in a tag: agents such as Telegraf write a backslash and an n.
_NEWLINE, _WRITTEN = "\n", "\\n"


class Options(RemoteOptions, frozen=True, kw_only=True):
    """Options of Grafana.

    Attributes:
        database: of InfluxDB.
        retention_policy: from which to read; the database's default one where it is left out.
        tag: which holds the resource: an instance's uuid, a host's name.
        field: which holds the value.
        queries: path of a TOML file with a table per meter; then only its meters are served.
    """

    database: str | None = None
    retention_policy: str | None = None
    tag: str = "resource"
    field: str = "value"
    queries: str | dict[str, Any] | None = None


# Within the class the name is that of its attribute.
_Own = Options


class Stored(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A meter's table in the file of settings. What is left out is as the options of the URL say.

    Attributes:
        project: the path of the data source below the URL, where meters are in several.
        database, retention_policy, tag, field: as in the URL.
        measurement: of InfluxDB; the meter's name where it is left out.
        where: a further condition, in InfluxQL.
        kind: `cumulative` for CPU time in nanoseconds.
        scale, complement, per_vcpu: how the meter's unit is made of what is stored: `complement - stored`, times `scale`, divided
            by the number of vCPUs.
        query: a template that is sent as it is, with its fields filled in; {0} aggregate, {1} the resource's attribute, {2} the
            period in seconds, {3} granularity, {4} retention period, {start} and {end} of the window in nanoseconds, {resources}
            a condition for many resources. The answer's column is named as the aggregate.
        series: such a template for the samples themselves.
        attribute: what {1} is: `uuid`, `hostname`, or an instance's `name`.
    """

    project: str | None = None
    database: str | None = None
    retention_policy: str | None = None
    tag: str | None = None
    field: str | None = None
    measurement: str | None = None
    where: str | None = None
    kind: Literal["gauge", "cumulative"] = "gauge"
    scale: float = 1.0
    complement: float | None = None
    per_vcpu: bool = False
    query: str | None = None
    series: str | None = None
    attribute: Literal["uuid", "hostname", "name"] | None = None


class _Place(NamedTuple):
    project: str
    database: str


class _Source(NamedTuple):
    """Where a meter is stored, and how it is asked for."""

    place: _Place
    retention_policy: str | None
    tag: str
    field: str
    where: str | None
    query: influxql.Template | None
    series: influxql.Template | None
    attribute: str


class _Series(msgspec.Struct):
    columns: list[str] = []
    values: list[list[float | str | bool | None]] = []
    tags: dict[str, str] = {}
    partial: bool = False


class _Result(msgspec.Struct):
    series: list[_Series] = []
    error: str | None = None
    partial: bool = False


class _Answer(msgspec.Struct):
    results: list[_Result]


class Source(Remote):
    """Metrics of an InfluxDB behind Grafana. One request asks for all resources of a meter, unless its template is for one."""

    NAME = "grafana"
    reads = "aggregates that InfluxDB makes of points, or what an operator's query gives"
    PORT = 3000
    METRICS: ClassVar[Mapping[str, Metric]] = {name: Metric(name) for name in METERS}
    Options: ClassVar[type[RemoteOptions]] = Options
    options: _Own

    def _open(self, url: str, options: Mapping[str, Any], osc: Any) -> _Own:
        found = cast(_Own, super()._open(url, options, osc))
        given, self._retention = _tables(found.queries)
        self._sources = {name: _source(METERS[name], given.get(name, Stored()), found) for name in given or METERS}
        if given:
            self.metrics = {name: _metric(name, stored) for name, stored in given.items()}
            self.METRIC_MAP = {name: self.metrics[name].name if name in self.metrics else None for name in METERS}
        return found

    # -- questions -------------------------------------------------------------------------------------------------

    def answers(
        self, meter_name: str | None, period: float = 300, aggregate: str = "mean", granularity: float | None = 300
    ) -> Answers | None:
        """`DataSourceBase.answers`.

        Raises:
            MetricNotAvailable: the source does not serve this meter, or its template is for one resource.
        """
        source = self._sources.get(str(meter_name))
        if source is not None and source.query is not None and source.query.is_single:
            raise MetricNotAvailable(meter_name, "has a template for one resource at a time: write {resources} in place of {1}")
        return super().answers(meter_name, period, aggregate, granularity)

    def _values(self, question: Question) -> dict[str, Found]:
        source = self._sources[question.meter.name]
        aggregate = question.aggregate
        if source.query is None:
            head = f"{aggregate}({influxql.name(source.field)})"
            series = self._query(source.place, _select(head, source, question))
        elif source.query.is_single:
            return {key: Found(value) for key, value in self._singly(source, source.query, question)}
        else:
            series = self._query(source.place, self._filled(source.query, source, question, None))
        found = {}
        for each in series:
            value = _first(each, aggregate)
            if value is not None and (key := _key(each, source)):
                found[key] = Found(value)
        return found

    def _singly(self, source: _Source, template: influxql.Template, question: Question) -> Iterator[tuple[str, float]]:
        """Values of resources that are asked for one after the other."""
        for reference in _references(question):
            value = _attribute(reference, source.attribute)
            key = reference.host if question.meter.of == COMPUTE_NODE else reference.uuid
            if value is None or key is None:
                raise InvalidInput("resource", f"it has no {source.attribute}, which the template of {question.meter.name} needs")
            series = self._query(source.place, self._filled(template, source, question, value))
            if series and (found := _first(series[0], question.aggregate)) is not None:
                yield key, found

    def _points(self, question: Question) -> dict[str, list[Point]]:
        source = self._sources[question.meter.name]
        if source.query is None:
            series = self._query(source.place, _select(influxql.name(source.field), source, question), "u")
            return _grouped(series, source)
        if source.series is None:
            raise InvalidInput("series", f"the settings of {question.meter.name} have a template `query`, and none `series`")
        if not source.series.is_single:
            return _grouped(self._query(source.place, self._filled(source.series, source, question, None), "u"), source)
        found: dict[str, list[Point]] = {}
        for reference in _references(question):
            value = _attribute(reference, source.attribute)
            key = reference.host if question.meter.of == COMPUTE_NODE else reference.uuid
            if value is not None and key is not None:
                series = self._query(source.place, self._filled(source.series, source, question, value), "u")
                found[key] = sorted(point for each in series for point in _read(each))
        return found

    def _newest(self, question: Question) -> Mapping[str, int]:
        source = self._sources[question.meter.name]
        if source.query is not None:
            return super()._newest(question)
        series = self._query(source.place, _select(f"last({influxql.name(source.field)})", source, question), "u")
        return {key: points[-1][0] for key, points in _grouped(series, source).items() if points}

    def _names(self) -> list[str]:
        found: list[str] = []
        for place in dict.fromkeys(each.place for each in self._sources.values()):
            mine = {name: each for name, each in self._sources.items() if each.place == place}
            wanted = "|".join(influxql.pattern(str(self.METRIC_MAP[name])) for name in mine)
            series = self._query(place, f"SHOW MEASUREMENTS WITH MEASUREMENT =~ /^({wanted})$/")
            there = {row[0] for each in series for row in each.values}
            # It is not known which measurements a template reads.
            found += [str(self.METRIC_MAP[name]) for name in mine if mine[name].query or self.METRIC_MAP[name] in there]
        return found

    def _ping(self) -> None:
        self._query(next(iter(self._sources.values())).place, "SHOW MEASUREMENTS LIMIT 1")

    # -- requests ----------------------------------------------------------------------------------------------------

    def _filled(self, template: influxql.Template, source: _Source, question: Question, resource: str | None) -> str:
        period = round(question.window.seconds)
        return template.fill(
            {
                "aggregate": question.aggregate,
                "resource": resource or "",
                "period": str(period),
                "granularity": str(question.granularity or 1),
                "retention": _retention(self._retention, period),
                "start": str(question.window.after * 1_000),
                "end": str(question.window.until * 1_000),
                "resources": _condition(source.tag, question.ids) or f"{influxql.name(source.tag)} != ''",
            }
        )

    def _query(self, place: _Place, query: str, epoch: str = "ms") -> list[_Series]:
        """The series that a query gives."""
        path = f"{urllib.parse.quote(place.project)}/query"
        parameters = [("db", place.database), ("epoch", epoch), ("q", query)]
        ask = self.client.get if len(query) <= LONG else self.client.post_form
        answer = decoded(ask(path, parameters), _Answer, "InfluxDB")
        for result in answer.results:
            if result.error is not None:
                if any(word in result.error for word in _NOT_NOW):
                    raise Unavailable(f"InfluxDB: {result.error:.200}")
                raise InvalidInput("query", f"InfluxDB: {result.error:.200}")
            if result.partial or any(each.partial for each in result.series):
                raise InvalidInput("query", "InfluxDB cuts its answer off: raise max-row-limit in its settings")
        return [each for result in answer.results for each in result.series]


def _select(what: str, source: _Source, question: Question) -> str:
    """A query for all resources of a meter."""
    table = influxql.name(question.metric.name)
    if source.retention_policy is not None:
        table = f"{influxql.name(source.retention_policy)}.{table}"
    conditions = [_within(question.window), _condition(source.tag, question.ids), source.where and f"({source.where})"]
    whole = " AND ".join(filter(None, conditions))
    return f"SELECT {what} FROM {table} WHERE {whole} GROUP BY {influxql.name(source.tag)}"  # noqa: S608 - quoted above


def _within(window: Window) -> str:
    return f"time > {window.after * 1_000} AND time <= {window.until * 1_000}"


def _condition(tag: str, ids: Sequence[str] | None) -> str | None:
    """That a point belongs to one of the resources."""
    if ids is None:
        return None
    column = influxql.name(tag)
    # Text with these cannot be written in InfluxQL, and no tag has it; an empty one is of points without a resource.
    known = [each.replace(_NEWLINE, _WRITTEN) for each in ids if not set(each) & set("\0\r")] or [""]
    return f"({' OR '.join(f'{column} = {influxql.text(each)}' for each in known)})"


# -- answers ---------------------------------------------------------------------------------------------------------


def _first(series: _Series, aggregate: str) -> float | None:
    """The first row of the column that bears the aggregate's name; None for null."""
    if aggregate not in series.columns:
        raise InvalidInput("query", f"the answer has no column {aggregate!r}, but {', '.join(series.columns)}: write AS {{0}}")
    place = series.columns.index(aggregate)
    return _number(series.values[0], place) if series.values else None


def _read(series: _Series) -> Iterator[Point]:
    """The moments, in microseconds, and values of its rows."""
    if _TIME not in series.columns or len(series.columns) < 2:
        raise InvalidInput("query", f"the answer has the columns {', '.join(series.columns)}, and needs time and a value")
    moment = series.columns.index(_TIME)
    value = 1 if moment == 0 else 0
    for row in series.values:
        taken, found = _number(row, moment), _number(row, value)
        if taken is not None and found is not None:
            yield int(taken), found


def _number(row: Sequence[float | str | bool | None], place: int) -> float | None:
    found = row[place] if place < len(row) else None
    if found is None:
        return None
    if isinstance(found, (str, bool)):
        raise InvalidInput("query", f"the answer has {found!r:.80} where a number is expected: see which field is asked for")
    return found


def _grouped(series: Iterable[_Series], source: _Source) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = {}
    for each in series:
        if key := _key(each, source):
            found.setdefault(key, []).extend(_read(each))
    return {key: sorted(points) for key, points in found.items()}


def _key(series: _Series, source: _Source) -> str:
    """The resource of a series; empty for points that have none."""
    if source.tag not in series.tags:
        raise InvalidInput("query", f"the answer is not by resource: write GROUP BY {influxql.name(source.tag)}")
    return series.tags[source.tag].replace(_WRITTEN, _NEWLINE)


def _references(question: Question) -> Sequence[Reference]:
    if not question.references:
        raise InvalidInput(
            "query", f"the template of {question.meter.name} is for one resource: write {{resources}} in place of {{1}}"
        )
    return question.references


def _attribute(reference: Reference, name: str) -> str | None:
    return {"uuid": reference.uuid, "hostname": reference.host, "name": reference.name}[name]


# -- settings --------------------------------------------------------------------------------------------------------


def _tables(given: str | Mapping[str, Any] | None) -> tuple[dict[str, Stored], dict[str, int]]:
    """The tables of the file of settings by meter, and its retention periods in seconds.

    Raises:
        ConfigInvalid: it cannot be read, or has what is not known.
    """
    if given is None:
        return {}, dict(_RETENTION)
    where = f"queries {given}" if isinstance(given, str) else "queries"
    try:
        tables = dict(tomllib.loads(pathlib.Path(given).read_text("utf-8")) if isinstance(given, str) else given)
        retention = msgspec.convert(tables.pop(_RETENTION_KEY, _RETENTION), dict[str, int])
    except (OSError, ValueError) as error:
        raise ConfigInvalid(f"{where}: {getattr(error, 'strerror', None) or error}") from None
    found = {}
    for name, table in tables.items():
        if name not in METERS:
            raise ConfigInvalid(f"{where}: {names.unknown('meter', name, [*METERS, _RETENTION_KEY])}")
        try:
            found[name] = msgspec.convert(table, Stored)
        except msgspec.ValidationError as error:
            raise ConfigInvalid(f"{where}: {name}: {error}") from None
    if not found:
        raise ConfigInvalid(f"{where}: no meter is named; leave queries out for the default names")
    return found, retention or dict(_RETENTION)


def _metric(name: str, stored: Stored) -> Metric:
    return Metric(stored.measurement or name, stored.kind, stored.scale, stored.complement, stored.per_vcpu)


def _source(meter: Meter, stored: Stored, options: Options) -> _Source:
    database = stored.database or options.database
    if database is None:
        raise ConfigInvalid(f"no database is named for {meter.name}: give database= in the URL, or in the table of the meter")
    attribute = stored.attribute or ("hostname" if meter.of == COMPUTE_NODE else "uuid")
    if attribute == ("name" if meter.of == COMPUTE_NODE else "hostname"):
        raise ConfigInvalid(f"queries: {meter.name}: {meter.of} has no attribute {attribute!r}")
    if stored.series is not None and stored.query is None:
        raise ConfigInvalid(f"queries: {meter.name}: `series` is for meters with a template `query`")
    if stored.kind == "cumulative" and stored.query is not None and stored.series is None:
        raise ConfigInvalid(f"queries: {meter.name}: a cumulative meter with a template `query` needs `series`, too")
    query = None if stored.query is None else influxql.Template(stored.query, f"queries: {meter.name}: query")
    series = None if stored.series is None else influxql.Template(stored.series, f"queries: {meter.name}: series")
    place = _Place("/" + stored.project.strip("/") if stored.project else "", database)
    return _Source(
        place, stored.retention_policy or options.retention_policy, stored.tag or options.tag, stored.field or options.field,
        stored.where, query, series, attribute,
    )  # fmt: skip


def _retention(periods: Mapping[str, int], period: int) -> str:
    """The name of the shortest retention period that is longer than `period`; of the longest where none is."""
    ordered = sorted(periods.items(), key=lambda each: each[1])
    return next((name for name, seconds in ordered if seconds > period), ordered[-1][0])

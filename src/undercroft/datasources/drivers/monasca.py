"""Monasca: `monasca://USER:PASSWORD@?auth_url=...&project=...`, or `monasca://HOST:8070` with a login.

Its agents measure the CPU use of hosts and instances; other meters are not served. The driver is written from Monasca's exchanges,
and tested on a stand-in that answers by them: Monasca itself was not run.
"""

from __future__ import annotations

import datetime as dt
import math
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import msgspec

from undercroft.core import time
from undercroft.core.errors import InvalidInput, Unavailable
from undercroft.datasources.meters import COMPUTE_NODE, COUNT, MAX, MEAN, MIN, Metric
from undercroft.datasources.question import Found, Point, Question
from undercroft.datasources.remote import Remote, RemoteOptions, decoded
from undercroft.engines.http import Login

_METRICS = "/v2.0/metrics"
_STATISTICS = {MEAN: "avg", MIN: MIN, MAX: MAX, COUNT: "count"}
_STAMP, _VALUE, _AVG = "timestamp", "value", "avg"
# Ids that a request names: a line that is much longer is refused by some servers. For more, all are asked for.
NAMED = 50
# Pages of one answer; more of them are a server that links in a circle.
MOST_PAGES = 1_000
_VERSION = "/v2.0"


class _Link(msgspec.Struct):
    rel: str
    href: str


class _Element(msgspec.Struct):
    name: str = ""
    dimensions: dict[str, str] = {}
    columns: list[str] = []
    statistics: list[list[Any]] = []
    measurements: list[list[Any]] = []


class _Page(msgspec.Struct):
    elements: list[_Element]
    links: list[_Link] = []


class _Unversioned:
    """A login whose endpoint ends before the version: catalogues have it with the version, and without."""

    def __init__(self, login: Login) -> None:
        self._login = login

    @property
    def endpoint(self) -> str:
        """The root of the API."""
        return self._login.endpoint.rstrip("/").removesuffix(_VERSION)

    def headers(self) -> dict[str, str]:
        """Headers of a request."""
        return self._login.headers()

    def renew(self) -> None:
        """Get a new token."""
        self._login.renew()

    def close(self) -> None:
        """Close the connections."""
        self._login.close()


class Options(RemoteOptions, frozen=True, kw_only=True):
    """Options of Monasca."""


class Source(Remote):
    """CPU use of hosts and instances, as Monasca's agents measure it. One request, and its further pages, for all resources."""

    NAME = "monasca"
    reads = "statistics that the API makes of measurements"
    SERVICE = "monitoring"
    PORT = 8070
    Options: ClassVar[type[RemoteOptions]] = Options
    METRICS: ClassVar[Mapping[str, Metric]] = {
        "host_cpu_usage": Metric("cpu.percent"),
        # The agent's percentage is of one processor, not of all that the instance has.
        "instance_cpu_usage": Metric("vm.cpu.utilization_perc", per_vcpu=True),
    }

    def _login(self, base: str, options: RemoteOptions, osc: Any) -> Login:
        return _Unversioned(super()._login(base, options, osc))

    def _values(self, question: Question) -> dict[str, Found]:
        wanted = _STATISTICS[question.aggregate]
        # Rows of several metrics and periods have one mean when each counts as often as it has measurements.
        statistics = f"{_AVG},count" if wanted == _AVG else wanted
        window = question.window
        more = [("period", str(-(-(window.until - window.after) // 1_000_000) + 1)), ("statistics", statistics)]
        rows: dict[str, list[list[float]]] = {}
        for key, element in self._of_resources(question, "statistics", more):
            rows.setdefault(key, []).extend(_numbers(element, statistics.split(","), element.statistics))
        return {key: Found(_combined(wanted, found)) for key, found in rows.items() if found}

    def _points(self, question: Question) -> dict[str, list[Point]]:
        found: dict[str, list[Point]] = {}
        window = question.window
        for key, element in self._of_resources(question, "measurements", []):
            moment, value = _place(element, _STAMP), _place(element, _VALUE)
            points = [(_micros(row[moment]), float(row[value])) for row in element.measurements if row[value] is not None]
            found.setdefault(key, []).extend(point for point in points if window.after < point[0] <= window.until)
        return {key: sorted(points) for key, points in found.items() if points}

    def _names(self) -> set[str]:
        there = {element.name for element in self._elements(f"{_METRICS}/names", [])}
        return there & {name for name in self.METRIC_MAP.values() if name is not None}

    def _ping(self) -> None:
        self._page(_METRICS, [("limit", "1")])

    def _of_resources(self, question: Question, what: str, more: list[tuple[str, str]]) -> Iterator[tuple[str, _Element]]:
        """What there is of each metric in the window, with its resource."""
        dimension = "hostname" if question.meter.of == COMPUTE_NODE else "resource_id"
        ids = question.ids or ()
        # In an id these characters would begin another one, or another dimension.
        named = f":{'|'.join(ids)}" if 0 < len(ids) <= NAMED and not any(set(each) & set(",:|") for each in ids) else ""
        window = question.window
        # The start belongs to Monasca's window, and the end does not: ours is a microsecond later.
        parameters = [
            ("name", question.metric.name), ("start_time", _iso(window.after + 1)), ("end_time", _iso(window.until + 1)),
            ("dimensions", f"{dimension}{named}"), *more, ("group_by", "*"),
        ]  # fmt: skip
        for element in self._elements(f"{_METRICS}/{what}", parameters):
            if key := element.dimensions.get(dimension):
                yield key, element

    def _elements(self, path: str, parameters: list[tuple[str, str]]) -> Iterator[_Element]:
        """The elements of all pages."""
        for _ in range(MOST_PAGES):
            page = self._page(path, parameters)
            yield from page.elements
            following = next((link.href for link in page.links if link.rel == "next"), None)
            # Of the link only the query: a proxy may have another name than the server calls itself by.
            further = urllib.parse.parse_qsl(urllib.parse.urlsplit(following or "").query)
            if not further:
                return
            if further == parameters:
                raise Unavailable(f"GET {path}: the link to the next page leads to the same one")
            parameters = further
        raise Unavailable(f"GET {path}: more than {MOST_PAGES} pages")

    def _page(self, path: str, parameters: list[tuple[str, str]]) -> _Page:
        return decoded(self.client.get(path, parameters), _Page, "Monasca")


def _combined(statistic: str, rows: list[list[float]]) -> float:
    """One statistic of rows."""
    firsts = [row[0] for row in rows]
    if statistic == _AVG:
        return math.fsum(mean * count for mean, count in rows) / math.fsum(count for _, count in rows)
    if statistic == COUNT:
        return sum(firsts)
    return min(firsts) if statistic == MIN else max(firsts)


def _numbers(element: _Element, columns: list[str], rows: list[list[Any]]) -> Iterator[list[float]]:
    """The named columns of rows that have measurements."""
    places = [_place(element, name) for name in columns]
    for row in rows:
        found = [float(row[place]) for place in places if place < len(row) and row[place] is not None]
        if len(found) == len(places):
            yield found


def _place(element: _Element, name: str) -> int:
    if name not in element.columns:
        raise InvalidInput("query", f"Monasca's answer has no column {name!r}, but {', '.join(element.columns)[:200]}")
    return element.columns.index(name)


def _iso(micros: int) -> str:
    return time.from_micros(micros).replace(tzinfo=None).isoformat(timespec="microseconds")


def _micros(text: Any) -> int:
    try:
        return time.to_micros(dt.datetime.fromisoformat(text))
    except (TypeError, ValueError):
        raise Unavailable(f"Monasca's answer has {text!r:.80} where a time is expected") from None

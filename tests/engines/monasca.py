"""A stand-in for Monasca's API. It is the only simulated server of the suite: Monasca needs Kafka, Storm and a database.

    python monasca.py PORT TOKEN

It is written from the exchanges of the contract, keeps in memory what agents post, and answers GET /v2.0/metrics and its /names,
/statistics and /measurements as Monasca on InfluxDB does: `start_time` belongs to the window, `end_time` does not; rows are of
buckets of `period` seconds that begin at multiples of it; several metrics need `group_by` or are refused; an answer has a limited
number of elements and a link to the next ones.
"""

from __future__ import annotations

import datetime as dt
import http.server
import json
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

LIMIT = 250
_METRICS = "/v2.0/metrics"
_STATISTICS: dict[str, Callable[[list[float]], float]] = {
    "avg": lambda values: sum(values) / len(values), "min": min, "max": max, "count": len, "sum": sum,
}  # fmt: skip

Dimensions = tuple[tuple[str, str], ...]


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Metrics:
    """Measurements by metric: name and dimensions."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._points: dict[tuple[str, Dimensions], dict[float, float]] = {}

    def post(self, found: Any) -> None:
        """Keep measurements; a second one of a moment replaces the first."""
        with self._lock:
            for each in found if isinstance(found, list) else [found]:
                key = each["name"], tuple(sorted(each["dimensions"].items()))
                self._points.setdefault(key, {})[float(each["timestamp"])] = float(each["value"])

    def names(self) -> list[str]:
        """The names of metrics."""
        with self._lock:
            return sorted({name for name, _ in self._points})

    def metrics(self, query: dict[str, str]) -> list[tuple[str, Dimensions]]:
        """Metrics of a name and dimensions."""
        wanted = [pair.partition(":") for pair in query.get("dimensions", "").split(",") if pair]
        with self._lock:
            return sorted(key for key in self._points if key[0] == query.get("name", key[0]) and _has(dict(key[1]), wanted))

    def grouped(self, query: dict[str, str]) -> Iterator[tuple[dict[str, str], list[tuple[float, float]]]]:
        """Dimensions and points in the window, by group."""
        if not query.get("name"):
            raise Refused(422, "Missing required query parameter: name")
        start = _moment(query.get("start_time") or "")
        end = _moment(query["end_time"]) if "end_time" in query else float("inf")
        if start >= end:
            raise Refused(422, "start_time must be before end_time")
        groups: dict[Dimensions, list[tuple[float, float]]] = {}
        metrics = self.metrics(query)
        by = query.get("group_by")
        if by is None and len(metrics) > 1:
            raise Refused(409, "Found multiple metrics matching metric name and dimensions. Please refine your search criteria")
        for name, dimensions in metrics:
            key = dimensions if by in (None, "*") else tuple(pair for pair in dimensions if pair[0] in by.split(","))
            with self._lock:
                points = [each for each in self._points[name, dimensions].items() if start <= each[0] < end]
            groups.setdefault(key, []).extend(points)
        for key in sorted(groups):
            if groups[key]:
                yield dict(key), sorted(groups[key])


def _has(dimensions: dict[str, str], wanted: list[tuple[str, str, str]]) -> bool:
    return all(name in dimensions and (not value or dimensions[name] in value.split("|")) for name, _, value in wanted)


def _moment(text: str) -> float:
    """Milliseconds since 1970."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise Refused(422, f"{text!r} is not a time") from None
    return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).timestamp() * 1_000


def _shown(milliseconds: float) -> str:
    moment = dt.datetime.fromtimestamp(milliseconds / 1_000, dt.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1_000:03d}Z"


def _statistics(points: list[tuple[float, float]], wanted: list[str], period: float) -> list[list[Any]]:
    buckets: dict[float, list[float]] = {}
    for moment, value in points:
        buckets.setdefault(moment // (period * 1_000) * period * 1_000, []).append(value)
    return [[_shown(begin), *(_STATISTICS[name](values) for name in wanted)] for begin, values in sorted(buckets.items())]


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    metrics = Metrics()
    token: str

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self._is_known():
            self.metrics.post(json.loads(body))
            self._answer(204, None)

    def do_GET(self) -> None:
        if not self._is_known():
            return
        parts = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(parts.query))
        try:
            self._answer(200, self._page(parts.path, query, self._elements(parts.path, query)))
        except Refused as error:
            self._answer(error.status, {"title": "Unprocessable Entity", "description": str(error)})

    def _elements(self, path: str, query: dict[str, str]) -> list[dict[str, Any]]:
        if path == _METRICS:
            return [{"name": name, "dimensions": dict(dimensions)} for name, dimensions in self.metrics.metrics(query)]
        if path == f"{_METRICS}/names":
            return [{"name": name} for name in self.metrics.names()]
        if path == f"{_METRICS}/measurements":
            return [
                {
                    "name": query["name"], "dimensions": dimensions, "columns": ["timestamp", "value", "value_meta"],
                    "measurements": [[_shown(moment), value, {}] for moment, value in points],
                }
                for dimensions, points in self.metrics.grouped(query)
            ]  # fmt: skip
        if path == f"{_METRICS}/statistics":
            wanted = query.get("statistics", "").lower().split(",")
            if not set(wanted) <= set(_STATISTICS):
                raise Refused(422, "Invalid statistics")
            return [
                {
                    "name": query["name"], "dimensions": dimensions, "columns": ["timestamp", *wanted],
                    "statistics": _statistics(points, wanted, float(query.get("period", 300))),
                }
                for dimensions, points in self.metrics.grouped(query)
            ]  # fmt: skip
        raise Refused(404, "Not found")

    def _page(self, path: str, query: dict[str, str], elements: list[dict[str, Any]]) -> dict[str, Any]:
        first, limit = int(query.get("offset", 0)), min(LIMIT, int(query.get("limit", LIMIT)))
        base = f"http://{self.headers['Host']}{path}"
        links = [{"rel": "self", "href": f"{base}?{urllib.parse.urlencode(query)}"}]
        if first + limit < len(elements):
            links.append({"rel": "next", "href": f"{base}?{urllib.parse.urlencode(query | {'offset': str(first + limit)})}"})
        page = elements[first : first + limit]
        return {"links": links, "elements": [{"id": str(first + place)} | each for place, each in enumerate(page)]}

    def _is_known(self) -> bool:
        known = self.headers.get("Authorization") == f"Bearer {self.token}" or self.headers.get("X-Auth-Token") == self.token
        if not known:
            self._answer(401, {"title": "Unauthorized", "description": "Authentication required"})
        return known

    def _answer(self, status: int, body: Any) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        if content:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Server(http.server.ThreadingHTTPServer):
    """It ends while clients are connected."""

    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    Handler.token = sys.argv[2]
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()

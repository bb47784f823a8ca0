"""How the service is: alive, ready, and counted."""

from __future__ import annotations

import functools
import os
import pathlib
import time as monotonic
from collections.abc import Iterable
from typing import Any

import falcon
import prometheus_client as prometheus
from oslo_config import cfg
from prometheus_client.multiprocess import MultiProcessCollector

from undercroft.api import failures, handover, wire
from undercroft.api.gauges import Asked
from undercroft.api.kind import Served
from undercroft.api.schemas import Health
from undercroft.core import deadline
from undercroft.core.errors import UndercroftError

_PROBE_SECONDS = 2.5
_MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"


def probe(served: Iterable[Served]) -> None:
    """Ask stores something small; raises what is wrong with one."""
    for each in served:
        each.api.probe(each.store)


class Alive:
    """The process answers; what the store does has no part in it."""

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """200."""
        resp.content_type = falcon.MEDIA_JSON
        resp.data = wire.encode(Health("alive"))


class Ready:
    """The store answers, and its tables are there."""

    def __init__(self, served: Iterable[Served]) -> None:
        self._served = served

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """200, or 503 when the store does not answer soon."""
        handover.check(req)
        try:
            with deadline.within(_PROBE_SECONDS):
                probe(self._served)
        except UndercroftError as error:
            failures.log(req, "failed", error)
            failures.answer(req, resp, 503, "the store does not answer")
            return
        resp.content_type = falcon.MEDIA_JSON
        resp.data = wire.encode(Health("ready"))


def _forget_the_dead(folder: str) -> None:
    """Leave out what waited in a process that was killed."""
    for file in pathlib.Path(folder).glob("gauge_live*_*.db"):
        try:
            os.kill(int(file.stem.rpartition("_")[2]), 0)
        except ProcessLookupError:
            file.unlink(missing_ok=True)


class Counters:
    """Counts and times requests, by route; middleware and the page `/metrics`."""

    def __init__(self) -> None:
        self._registry = prometheus.CollectorRegistry()
        self._asked: list[Asked] = []
        labels = ["method", "route"]
        self._requests = prometheus.Counter(
            "undercroft_http_requests", "Requests answered.", [*labels, "status"], registry=self._registry
        )
        self._seconds = prometheus.Histogram(
            "undercroft_http_request_seconds", "Time to an answer.", labels, registry=self._registry
        )

        self._waiting = prometheus.Gauge(
            "undercroft_gathered_waiting", "Items of posts that wait to be stored together.", ["kind"], registry=self._registry,
            multiprocess_mode="livesum",
        )  # fmt: skip

    def watch(self, served: Served, conf: cfg.ConfigOpts) -> None:
        """Count what waits to be stored, of a kind that stores together what several posts brought; show what a store tells."""
        if served.api.gauges is not None:
            self._asked.append(Asked(served.api.name, functools.partial(served.api.gauges, served.store, conf)))
        if served.api.gatherer is not None:
            gauge = self._waiting.labels(served.api.name)
            served.api.gatherer(served.beside).watch = gauge.set

    def process_request(self, req: falcon.Request, _resp: falcon.Response) -> None:
        """Note when it came."""
        req.context.came = monotonic.monotonic()

    def process_response(self, req: falcon.Request, resp: falcon.Response, _resource: Any, _succeeded: bool) -> None:
        """Count it. Paths that nobody serves, and methods that nobody knows, share a label each: both come from outside."""
        route = req.uri_template or "none"
        method = req.method if req.method in falcon.HTTP_METHODS else "other"
        self._requests.labels(method, route, str(resp.status_code)).inc()
        self._seconds.labels(method, route).observe(monotonic.monotonic() - req.context.came)

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """The counts of all processes of the service."""
        registry = self._registry
        if _MULTIPROCESS in os.environ:
            registry = prometheus.CollectorRegistry()
            _forget_the_dead(os.environ[_MULTIPROCESS])
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        resp.content_type = prometheus.CONTENT_TYPE_LATEST
        asked = prometheus.CollectorRegistry()
        for each in self._asked:
            asked.register(each)
        resp.data = prometheus.generate_latest(registry) + prometheus.generate_latest(asked)

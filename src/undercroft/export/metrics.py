"""What the worker counts, in Prometheus' form."""

from __future__ import annotations

import datetime as dt

from undercroft.core import registry
from undercroft.core.errors import ConfigInvalid

try:
    import prometheus_client
except ImportError as error:
    raise registry.missing_extra("the export worker", "export", error) from error

_UNIT = ("filter", "meter")


class Metrics:
    """The counters of one worker.

    Attributes:
        registry: for `prometheus_client.start_http_server`, or `generate_latest`.
    """

    def __init__(self) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        self._read = self._counter("samples_read", "Samples that the API gave, those of the overlap again and again.")
        self._stored = self._counter("samples_stored", "Rows that were added to the target's table.")
        self._refused = self._counter("samples_refused", "Samples that cannot be stored; the log has their ids.")
        self._cut = self._counter("texts_cut", "Texts that were cut to the width of their column.")
        self._failures = self._counter("failures", "Attempts that failed.")
        self._position = self._gauge("position_seconds", "Timestamp up to which everything was read, in seconds since 1970.")
        self._lag = self._gauge("lag_seconds", "How far that timestamp was behind the clock when it was last looked at.")

    def _counter(self, name: str, does: str) -> prometheus_client.Counter:
        return prometheus_client.Counter(f"undercroft_export_{name}", does, _UNIT, registry=self.registry)

    def _gauge(self, name: str, does: str) -> prometheus_client.Gauge:
        return prometheus_client.Gauge(f"undercroft_export_{name}", does, _UNIT, registry=self.registry)

    def stored(self, filter_: str, meter: str, *, read: int, new: int, refused: int, cut: int) -> None:
        """Count a batch."""
        for counter, count in ((self._read, read), (self._stored, new), (self._refused, refused), (self._cut, cut)):
            counter.labels(filter_, meter).inc(count)

    def failed(self, filter_: str, meter: str) -> None:
        """Count an attempt that failed."""
        self._failures.labels(filter_, meter).inc()

    def at(self, filter_: str, meter: str, position: dt.datetime, now: dt.datetime) -> None:
        """Note where a point is.

        Args:
            filter_, meter: whose.
            position: the point, naive UTC.
            now: the present moment, naive UTC.
        """
        self._position.labels(filter_, meter).set(position.replace(tzinfo=dt.UTC).timestamp())
        self._lag.labels(filter_, meter).set((now - position).total_seconds())

    def serve(self, address: str) -> None:
        """Serve the counters over HTTP from a thread, until the process ends.

        Args:
            address: `PORT` on this machine only, or `HOST:PORT`.

        Raises:
            ConfigInvalid: it cannot be listened on.
        """
        # When a counter was made is nobody's question, and doubles the answer.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        host, _, port = address.rpartition(":")
        host = host.strip("[]") or "127.0.0.1"
        if not (port.isascii() and port.isdigit() and int(port) < 65536):
            raise ConfigInvalid(f"--metrics: {address[:64]!r} is not PORT or HOST:PORT")
        try:
            prometheus_client.start_http_server(int(port), host, registry=self.registry)
        except OSError as error:
            raise ConfigInvalid(f"--metrics: cannot listen on {address}: {error.strerror or error}") from None

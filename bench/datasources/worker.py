"""Strategies of an unmodified Watcher, in its own environment, on one datasource. Takes orders, see `bench.harness`.

    python -m bench.datasources.worker DATASOURCE URL RUN HOSTS

DATASOURCE is `undercroft`, or the name of one of Watcher's own.
"""

from __future__ import annotations

import sys
import time
import types
import urllib.parse
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from watcher import conf

from bench.datasources import workload
from bench.harness import obey, own_stdout
from tests.hosts.inside import watcher_strategies
from undercroft.engines.sql import raw


class Timed:
    """A datasource whose answers are counted, and the time until they come."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.start()

    def start(self) -> None:
        """Count from nothing."""
        self.seconds, self.asked, self.answered = 0.0, 0, 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return self._timed(found) if name.startswith(("get_", "statistic_")) else found

    def _timed(self, ask: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            found = ask(*arguments, **named)
            self.seconds += time.perf_counter() - start
            self.asked += 1
            self.answered += found is not None
            return found

        return timed


class Worker:
    """Carries out orders."""

    def __init__(self, name: str, url: str, run: str, hosts: int) -> None:
        conf.CONF([], project="watcher", default_config_files=[])
        # What fails is to end the run.
        conf.CONF.set_override("query_max_retries", 1, group="watcher_datasources")
        self._cluster = workload.cluster(run, hosts)
        self._inner, self._forget = _DATASOURCES[name](url)
        self._datasource = Timed(self._inner)
        self._statements = 0
        self._count_statements()

    def _count_statements(self) -> None:
        """Count those of SQLAlchemy, and those that go to the client library directly."""

        def counted(*_: Any) -> None:
            self._statements += 1

        def driver(connection: sa.Connection) -> Any:
            counted()
            return direct(connection)

        direct, raw.driver = raw.driver, driver
        sa.event.listen(sa.Engine, "before_cursor_execute", counted)

    def run(self, strategy: str) -> dict[str, float]:
        """Execute a strategy with its default parameters, as the first one for a while: nothing is cached."""
        from watcher.decision_engine.datasources import cache

        self._forget()
        self._inner.metric_cache = cache.MetricDataCache()
        self._datasource.start()
        self._statements = 0
        root = watcher_strategies.model(self._cluster)
        start = time.perf_counter()
        watcher_strategies.run_one(strategy, root, self._datasource, {})
        return {
            "whole": time.perf_counter() - start, "seconds": self._datasource.seconds, "asked": self._datasource.asked,
            "answered": self._datasource.answered, "statements": self._statements,
        }  # fmt: skip


def _undercroft(url: str) -> Any:
    import undercroft.compat.watcher as compat

    conf.CONF.set_override("connection", url, group="undercroft_datasource")
    helper = compat.Helper(types.SimpleNamespace(session=None))
    return helper, helper._prefetch._tables.clear


def _gnocchi(url: str) -> Any:
    from gnocchiclient import auth, client
    from keystoneauth1 import session
    from watcher.decision_engine.datasources import gnocchi

    parts = urllib.parse.urlsplit(url)
    plugin = auth.GnocchiBasicPlugin(user=parts.username, endpoint=f"http://{parts.hostname}:{parts.port}")
    return gnocchi.GnocchiHelper(types.SimpleNamespace(gnocchi=lambda: client.Client(1, session.Session(plugin)))), lambda: None


def _prometheus(url: str) -> Any:
    from watcher.decision_engine.datasources import prometheus

    parts = urllib.parse.urlsplit(url)
    for name, value in (("host", parts.hostname), ("port", parts.port)):
        conf.CONF.set_override(name, value, group="prometheus_client")
    return prometheus.PrometheusHelper(), lambda: None


_DATASOURCES: dict[str, Callable[[str], Any]] = {"undercroft": _undercroft, "gnocchi": _gnocchi, "prometheus": _prometheus}


def main() -> None:
    name, url, run, hosts = sys.argv[1:]
    answers = own_stdout()
    obey(Worker(name, url, run, int(hosts)), answers)


if __name__ == "__main__":
    main()

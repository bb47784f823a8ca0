"""Inside Watcher: a datasource named `undercroft`, in Watcher's own form, over any source of `undercroft.datasources`.

Importing this makes it known to Watcher's manager of datasources. `[undercroft_datasource] connection` is the URL of a source, or
`gnocchi`, `prometheus` or `aetos` for the one that Watcher's own group of options describes.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

from watcher import conf  # before the manager: they import each other
from watcher.common import exception
from watcher.decision_engine.datasources import base, manager

from undercroft.compat.watcher import source
from undercroft.datasources import METERS, DataSourceBase, MetricNotAvailable

NAME = "undercroft"


class Helper(base.DataSourceBase):
    """Watcher's form of a datasource: its order of parameters and its exceptions. It holds no other logic."""

    NAME = NAME
    METRIC_MAP = source.Served()

    def __init__(self, osc: Any = None) -> None:
        super().__init__()
        self._prefetch = source.opened(osc)
        self.source: DataSourceBase = self._prefetch.source
        # With the names that an operator's file has.
        self.source.METRIC_MAP.update(self.METRIC_MAP)

    def check_availability(self) -> str:
        """`available` or `not available`."""
        return self.source.check_availability()

    def list_metrics(self) -> set[str]:
        """Names of the metrics that the source has."""
        return self.source.list_metrics()

    def query_retry_reset(self, exception_instance: BaseException) -> None:
        """Nothing that the source does not do itself."""
        self.source.query_retry_reset(exception_instance)

    def _statistic_aggregation(
        self,
        resource: Any = None,
        resource_type: str | None = None,
        meter_name: str | None = None,
        period: float = 300,
        aggregate: str = "mean",
        granularity: float | None = 300,
    ) -> float | None:
        with _as_theirs():
            return self._prefetch.statistic_aggregation(resource, resource_type, meter_name, period, granularity, aggregate)

    # Up to 16.x Watcher's base class has no cache, and this is what strategies call.
    if not hasattr(base.DataSourceBase, "_statistic_aggregation"):
        statistic_aggregation = _statistic_aggregation

    def statistic_series(
        self,
        resource: Any = None,
        resource_type: str | None = None,
        meter_name: str | None = None,
        start_time: dt.datetime | None = None,
        end_time: dt.datetime | None = None,
        granularity: float | None = 300,
    ) -> dict[dt.datetime, float]:
        """A meter of one resource over time."""
        with _as_theirs():
            return self.source.statistic_series(resource, resource_type, meter_name, start_time, end_time, granularity)

    def get_instance_l3_cache_usage(self, resource: Any, period: Any, *more: Any, **named: Any) -> float | None:
        """L3 cache in use of an instance. One strategy passes the meter's name in the place of the period; it is dropped."""
        given = more if period in METERS else (period, *more)
        asked = {**dict(zip(("period", "aggregate", "granularity"), given, strict=False)), **named}
        return self._get("instance_l3_cache_usage", resource, asked["period"], asked["aggregate"], asked.get("granularity"))

    def _get(self, meter_name: str, resource: Any, period: Any, aggregate: Any, granularity: Any) -> float | None:
        found: float | None = self.statistic_aggregation(
            resource, METERS[meter_name].of, meter_name, period, aggregate, granularity
        )  # fmt: skip
        return found


def _getter(meter_name: str) -> Callable[..., float | None]:
    def get(self: Helper, resource: Any, period: Any, aggregate: Any, granularity: Any = None) -> float | None:
        return self._get(meter_name, resource, period, aggregate, granularity)

    get.__name__, get.__doc__ = f"get_{meter_name}", f"{METERS[meter_name].does}, in {METERS[meter_name].unit}."
    return get


for _name in METERS:
    if f"get_{_name}" not in vars(Helper):
        setattr(Helper, f"get_{_name}", _getter(_name))


@contextlib.contextmanager
def _as_theirs() -> Iterator[None]:
    """Raise Watcher's exception for a meter that is not served."""
    try:
        yield
    except MetricNotAvailable as error:
        raise exception.MetricNotAvailable(metric=error.metric) from error


class ScoringEngines:
    """No scoring engines: an entry point of this kind is what Watcher imports at its start."""

    @staticmethod
    def get_scoring_engine_list() -> list[Any]:
        """None."""
        return []


def _made(self: Any) -> Helper:
    """The manager's datasource, made when it is first asked for."""
    found: Helper = vars(self).get(NAME) or vars(self).setdefault(NAME, Helper(osc=self.osc))
    return found


def _register() -> None:
    """Make the datasource known: to the manager, and among the choices of the option that names datasources."""
    conf.CONF.register_opts(source.OPTIONS, group=source.GROUP)
    manager.DataSourceManager.metric_map[NAME] = Helper.METRIC_MAP
    manager.DataSourceManager.undercroft = property(_made, lambda self, helper: vars(self).__setitem__(NAME, helper))
    for option in conf.datasources.DATASOURCES_OPTS:
        if option.name == "datasources":
            option.type.item_type.choices.setdefault(NAME, None)


_register()

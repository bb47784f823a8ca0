"""The source that Watcher's configuration names: opened once a process, and what it serves."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from oslo_config import cfg
from oslo_log import log
from watcher import conf

import undercroft
from undercroft.compat.watcher import clients
from undercroft.core.errors import ConfigInvalid
from undercroft.datasources import METERS
from undercroft.datasources.prefetch import Prefetch

LOG = log.getLogger(__name__)

GROUP = "undercroft_datasource"
OPTIONS = [
    cfg.StrOpt(
        "connection",
        secret=True,
        help="URL of the source, such as postgresql://undercroft@127.0.0.1/undercroft or prometheus://127.0.0.1:9090; "
        "or gnocchi, prometheus, aetos: as Watcher's own group for it says.",
    )
]


def opened(osc: Any = None) -> Prefetch:
    """The source, which strategies share: each makes a datasource of its own.

    Args:
        osc: Watcher's clients, whose session remote sources may use.

    Raises:
        ConfigInvalid: it is not configured, or not rightly.
    """
    connection = conf.CONF[GROUP].connection
    if not connection:
        raise ConfigInvalid(f"[{GROUP}] connection is not set: give the URL of a source")
    return _opened(connection, osc)


@functools.lru_cache(maxsize=4)
def _opened(connection: str, osc: Any) -> Prefetch:
    group = conf.CONF.watcher_datasources
    url, own = clients.described(connection, conf.CONF)
    source = undercroft.connect(
        "datasources", url, osc=osc, query_max_retries=group.query_max_retries, query_interval=float(group.query_interval), **own
    )
    return Prefetch(source)


class Served(dict[str, Any]):
    """What the source serves, filled when it is first looked at: at the import the configuration has not been read yet."""

    def _fill(self) -> None:
        if not len(self):
            try:
                found = opened().source.METRIC_MAP
            except Exception:
                LOG.exception("[%s] connection: the datasource cannot be used", GROUP)
                found = dict.fromkeys(METERS)
            super().update(found)

    def update(self, *given: Any, **more: Any) -> None:
        """Take in an operator's own names."""
        self._fill()
        super().update(*given, **more)

    def __contains__(self, name: object) -> bool:
        self._fill()
        return super().__contains__(name)

    def __getitem__(self, name: str) -> Any:
        self._fill()
        return super().__getitem__(name)

    def __iter__(self) -> Iterator[str]:
        self._fill()
        return super().__iter__()

    def get(self, name: str, default: Any = None) -> Any:
        """A metric by its meter."""
        self._fill()
        return super().get(name, default)

    def keys(self) -> Any:
        """Meters."""
        self._fill()
        return super().keys()

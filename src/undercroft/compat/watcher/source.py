"""The source that Watcher's configuration names: opened once a process, and what it serves."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from oslo_config import cfg
from oslo_log import log
from watcher import conf

import undercroft
from undercroft.compat.watcher import clients
from undercroft.core.errors import ConfigInvalid
from undercroft.datasources import DataSourceBase
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

# By connection, for the life of the process.
_OPENED: dict[str, Prefetch] = {}
_OPENING = threading.Lock()


def opened(osc: Any = None) -> Prefetch:
    """The source, which strategies share: each makes a datasource of its own, with clients of its own.

    Args:
        osc: Watcher's clients, whose session remote sources may use; the first ones given are kept.

    Raises:
        ConfigInvalid: it is not configured, or not rightly.
    """
    connection = _connection()
    with _OPENING:
        if connection not in _OPENED:
            _OPENED[connection] = Prefetch(_connected(connection, osc))
        return _OPENED[connection]


def _connection() -> str:
    found = conf.CONF[GROUP].connection
    if not found:
        raise ConfigInvalid(f"[{GROUP}] connection is not set: give the URL of a source")
    return str(found)


def _connected(connection: str, osc: Any) -> DataSourceBase:
    group = conf.CONF.watcher_datasources
    url, own = clients.described(connection, conf.CONF)
    found: DataSourceBase = undercroft.connect(
        "datasources", url, osc=osc, query_max_retries=group.query_max_retries, query_interval=float(group.query_interval), **own
    )
    return found


class _Nobody:
    """Replaces Watcher's clients where only the names of metrics are needed: no login is made."""

    session = None


class Served(dict[str, Any]):
    """What the source serves, filled when it is first looked at: at the import the configuration has not been read yet."""

    def _fill(self) -> None:
        if len(self):
            return
        try:
            with contextlib.closing(_connected(_connection(), _Nobody())) as source:
                super().update(source.METRIC_MAP)
        except Exception:
            LOG.exception("[%s] connection: the datasource cannot be used", GROUP)

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

"""A configuration source of oslo.config that answers nothing: naming it makes Watcher load the datasource.

`[DEFAULT] config_source = undercroft` with `[undercroft] driver = undercroft`. oslo.config imports a source's driver while it reads
the file, before the values are checked.
"""

from __future__ import annotations

import importlib
from typing import Any

from oslo_config import sources


class Driver(sources.ConfigurationSourceDriver):
    """Loads the datasource when a configuration names it; other programs with such sources are not touched."""

    def open_source_from_opt_group(self, conf: Any, group_name: str) -> Source:
        """The source; called by oslo.config."""
        importlib.import_module("undercroft.compat.watcher")
        return Source()

    def list_options_for_discovery(self) -> list[Any]:
        """None."""
        return []


class Source(sources.ConfigurationSource):
    """Answers no option."""

    def get(self, group_name: str | None, option_name: str, opt: Any) -> tuple[Any, Any]:
        """Nothing."""
        return sources._NoValue, None

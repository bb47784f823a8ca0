"""`undercroft datasource`: what resources used lately, from any backend."""

from __future__ import annotations

import rich_click as click


@click.group()
def datasource() -> None:
    """Datasources: what resources used lately, for the strategies of Watcher."""

"""`undercroft datasource`: what resources used lately, from any backend."""

from __future__ import annotations

import rich_click as click

from undercroft.cli.datasources.asking import get, series
from undercroft.cli.datasources.serving import doctor, list_


@click.group()
def datasource() -> None:
    """Datasources: what hosts and instances used lately, for the strategies of Watcher.

    \b
    Examples:
      undercroft datasource list --store prometheus://127.0.0.1:9090
      undercroft datasource doctor --store gnocchi://admin@127.0.0.1:8041
      undercroft datasource get host_cpu_usage compute-1 compute-2 --period 10m
      undercroft datasource series instance_cpu_usage 1b9c4ae2-7b4d-4a4c-8f4b-5d1f0c6a3f11 --vcpus 2 --begin 2026-01-01
    """


for _command in (doctor, get, list_, series):
    datasource.add_command(_command)

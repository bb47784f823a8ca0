"""`undercroft meter`: samples of meters, and their statistics."""

from __future__ import annotations

import rich_click as click

from undercroft.cli.metering.expiring import expire
from undercroft.cli.metering.listing import list_, resources
from undercroft.cli.metering.reading import export, samples
from undercroft.cli.metering.statistics import statistics
from undercroft.cli.metering.writing import import_


@click.group()
def meter() -> None:
    """Samples: what was measured in a cloud, and its statistics.

    \b
    Examples:
      undercroft db upgrade --store metering=sqlite:///metering.db
      undercroft meter import samples.jsonl --store sqlite:///metering.db
      undercroft meter list --project p1
      undercroft meter statistics --meter cpu_util --begin 2026-01-01 --end 2026-01-02 --period 1h --groupby resource_id
    """


for _command in (expire, export, import_, list_, resources, samples, statistics):
    meter.add_command(_command)

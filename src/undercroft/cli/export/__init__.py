"""`undercroft export`: the worker that feeds one table of an SQL database with samples of a Ceilometer API."""

from __future__ import annotations

import rich_click as click

from undercroft.cli.export.backfilling import backfill
from undercroft.cli.export.checking import check
from undercroft.cli.export.running import run
from undercroft.cli.export.status import status


@click.group()
def export() -> None:
    """Feed one table of an SQL database, for BI tools, with the samples of a Ceilometer v2 API, each exactly once.

    FILE is the worker's configuration. Each key of its section [exporter] is an option of every command as well, and a variable
    of the environment, UNDERCROFT_EXPORTER__<KEY>. Files are written by other commands: `undercroft meter export`,
    `undercroft events export`, `undercroft rating export`.

    \b
    Examples:
      undercroft export check export.ini
      undercroft export run export.ini --once
      undercroft export run export.ini --metrics 9109
      undercroft export backfill export.ini --from 2026-11-01 --to 2026-11-08
      undercroft export status export.ini --format json
    """


for _command in (backfill, check, run, status):
    export.add_command(_command)

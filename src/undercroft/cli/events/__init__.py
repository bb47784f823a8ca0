"""`undercroft events`: what happened in a cloud."""

from __future__ import annotations

import rich_click as click

from undercroft.cli.events.panko import import_panko, panko_views


@click.group()
def events() -> None:
    """Events: what happened in a cloud, with typed traits.

    \b
    Examples:
      undercroft db upgrade --kind events --store sqlite:///events.db
      undercroft events import-panko mysql://panko@127.0.0.1/panko --store sqlite:///events.db
      undercroft events panko-views --store postgresql://undercroft@127.0.0.1/undercroft
    """


for _command in (import_panko, panko_views):
    events.add_command(_command)

"""`undercroft events`: what happened in a cloud."""

from __future__ import annotations

import rich_click as click

from undercroft.cli.events.expiring import expire
from undercroft.cli.events.panko import import_panko, panko_views
from undercroft.cli.events.reading import count, export, list_, tail, types
from undercroft.cli.events.writing import import_


@click.group()
def events() -> None:
    """Events: what happened in a cloud, with typed traits.

    \b
    Examples:
      undercroft db upgrade --store events=sqlite:///events.db
      undercroft events import notifications.jsonl --from notifications --store sqlite:///events.db
      undercroft events list --newest --limit 20
      undercroft events count --by event_type --interval 1d
    """


for _command in (count, expire, export, import_, import_panko, list_, panko_views, tail, types):
    events.add_command(_command)

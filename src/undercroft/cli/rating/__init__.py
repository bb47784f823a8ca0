"""`undercroft rating`: rated usage in, exact totals out."""

from __future__ import annotations

import rich_click as click

from undercroft.cli.group import Group
from undercroft.cli.rating.expiring import expire
from undercroft.cli.rating.exporting import export
from undercroft.cli.rating.reading import list_, total
from undercroft.cli.rating.reprocessing import reprocess
from undercroft.cli.rating.writing import push


@click.group(cls=Group, other_names={"retrieve": "list", "import": "push"})
def rating() -> None:
    """Rated usage: what was used, and what it cost.

    \b
    Examples:
      undercroft rating push usage.jsonl --store sqlite:///rating.db
      undercroft rating total --by project_id --begin 2026-01-01 --end 2026-02-01
      undercroft rating list --resource 4c1d --format jsonl --all
      undercroft rating export usage --begin 2026-01-01 --end 2026-02-01 --format parquet
      undercroft rating expire --dry-run
    """


for _command in (expire, export, list_, push, reprocess, total):
    rating.add_command(_command)

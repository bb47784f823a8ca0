"""`undercroft rating total` and `list`."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any, Unpack

import rich_click as click

from undercroft.cli import stores
from undercroft.cli.rating import selection

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from undercroft.rating import DataFrame

raw_option = click.option("--raw", is_flag=True, help="CSV: leave text that a spreadsheet takes for a formula as it is.")


@click.command()
@stores.option("rating")
@click.option(
    "--by",
    multiple=True,
    metavar="NAME[,NAME...]",
    help="Group by these: type, time (the period), any groupby attribute, or year, month, day of the calendar (2026-01). As in "
    "CloudKitty, time-m, time-w, time-d add up the same month, week, day of all years; time-y is the year.",
)
@selection.options
@click.option("--custom", metavar="AGGREGATES", help="Own aggregates in the place of qty and rate: 'MAX(price) AS dearest, ...'.")
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True, help="How to print."
)
@raw_option
def total(store: str | None, by: Sequence[str], custom: str | None, form: str, raw: bool, **asked: Unpack[selection.Asked]) -> None:
    """Sum quantities and prices, in groups.

    Sums are exact, in every format. Times are ISO 8601, UTC unless they say otherwise.

    \b
    Examples:
      undercroft rating total --by project_id,type --begin 2026-01-01 --end 2026-02-01
      undercroft rating total --by month,project_id --begin 2025-01-01 --end 2027-01-01
      undercroft rating total --by day --filter project_id=p1 --filter flavor_id=1 --filter flavor_id=2
      undercroft rating total --by project_id --custom 'MAX(price) AS dearest, COUNT(qty) AS points' --format json
      undercroft rating total --by resource_id --all --format csv > january.csv
    """
    from undercroft.cli import output
    from undercroft.cli.rating import periods
    from undercroft.core import cells
    from undercroft.rating import query

    wanted = periods.Periods([name.strip() for part in by for name in part.split(",") if name.strip()])
    groups = query.groupby_elements(wanted.asked)
    own = [query.GroupKey(query.By.CALENDAR, column) for column in wanted.columns]
    before = ["begin", "end", *(measure.alias for measure in query.measures(custom, [*groups, *own]))]
    columns = [*before, *wanted.columns]
    which, page = selection.which(asked), selection.page(asked)
    notes: list[str] = []
    with stores.opened(store, "rating") as storage:
        # A store orders months by their text, without the year: a page of ours is cut from all of them.
        paged = {"paginate": False} if wanted.has_calendar else page
        found = storage.total(groupby=wanted.asked or None, custom_fields=custom, **which, **paged)
        if wanted.has_calendar:
            all_rows = wanted.rows(found["results"], before)
            found["results"] = all_rows if asked["everything"] else all_rows[asked["offset"] :][: asked["limit"]]
        results = found["results"]
        notes += wanted.notes(*query.this_month(which["begin"], which["end"], storage.zone), storage.zone)
        notes += selection.empty_groups(storage, which, [group.name for group in groups if group.by is query.By.ATTRIBUTE], results)
    rows = [[row[column] for column in columns] for row in results]
    with output.target(None) as out:
        if form == "json":
            out.write(output.json_text(found) + "\n")
        elif form == "csv":
            cells.write_csv(out, columns, rows, raw)
        elif rows:
            output.table(columns, rows)
    selection.rest(asked, len(results), found["total"], "groups" if groups else "points")
    for note in notes:
        stores.note(note)


@click.command("list")
@stores.option("rating")
@selection.options
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "jsonl", "csv"]),
    help="How to print. Default: by the name of the --output file, else table.",
)
@click.option("--output", "path", metavar="FILE", help="Write this file; it gets its name when it is complete.")
@raw_option
def list_(store: str | None, form: str | None, path: str | None, raw: bool, **asked: Unpack[selection.Asked]) -> None:
    """Give the stored points, ordered by period and type.

    JSON lines can be pushed again and give the same points. So can CSV with --raw, as far as its text can tell: every attribute
    comes back as text, and an empty one not at all.

    \b
    Examples:
      undercroft rating list --begin 2026-01-01 --end 2026-01-02 --limit 20
      undercroft rating list --filter project_id=p1 --format jsonl --all | gzip > p1.jsonl.gz
      undercroft rating list --type cpu --all --output cpu.csv
    """
    from undercroft.cli import output
    from undercroft.rating import files

    suffix = pathlib.Path(path or "").suffix.lower().removeprefix(".")
    form = form or (suffix if suffix in {"jsonl", "csv"} else "table")
    if form == "table" and (asked["everything"] or path):
        raise click.UsageError("a table shows a page on the screen; --all and --output want --format jsonl or csv")
    which = selection.which(asked)
    with stores.opened(store, "rating") as storage, output.target(path) as out:
        if asked["everything"]:
            shown = matching = None
            frames = storage.iter_frames(**which)
        else:
            found = storage.retrieve(**which, **selection.page(asked))
            frames, matching = iter(found["dataframes"]), found["total"]
            shown = min(asked["limit"], max(0, matching - asked["offset"]))
        if form != "table":
            for part in files.csv_rows(frames, raw) if form == "csv" else files.jsonl(frames):
                out.write(part.decode())
        elif shown:
            _show(frames)
    if matching is not None and shown is not None:
        selection.rest(asked, shown, matching, "points")


def _show(frames: Iterable[DataFrame]) -> None:
    """Print a table of points. Calendar attributes, which follow from the period, are left out."""
    from undercroft.cli import output
    from undercroft.rating.files import flat

    columns = ("begin", "end", "type", "qty", "unit", "price", "groupby", "metadata")
    rows = [
        (point.begin, point.end, point.type, point.qty, point.unit, point.price, _words(point.groupby), _words(point.metadata))
        for point in flat(frames)
    ]
    output.table(columns, rows)


def _words(attributes: dict[str, Any]) -> str:
    from undercroft.core.cells import plain_text
    from undercroft.rating.query import is_calendar

    return " ".join(f"{name}={plain_text(value)}" for name, value in attributes.items() if not is_calendar(name))

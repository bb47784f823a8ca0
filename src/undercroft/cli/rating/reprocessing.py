"""`undercroft rating reprocess`: put other usage in the place of what is stored, in one transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import IO, TYPE_CHECKING, Any

import msgspec
import rich_click as click

from undercroft.cli import reporting, stores
from undercroft.cli.rating import selection

if TYPE_CHECKING:
    from undercroft.cli.rating.totals import Totals
    from undercroft.rating import DataFrame
    from undercroft.rating.query import Selection


class Report(msgspec.Struct, kw_only=True):
    """What was replaced, or would be.

    Attributes:
        dry_run: nothing was changed.
        old, new: totals of the selection before and after.
        difference: new less old.
    """

    dry_run: bool
    begin: dt.datetime
    end: dt.datetime
    filters: dict[str, list[str]]
    old: Totals
    new: Totals
    difference: Totals


@click.command()
@click.argument("file", metavar="FILE|-", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@stores.option("rating")
@click.option("--begin", metavar="TIME", required=True, help="First moment that is replaced.")
@click.option("--end", metavar="TIME", required=True, help="First moment that is not.")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="KEY=VALUE",
    help="Replace only points whose groupby or metadata has this value, such as one project's. Repeated: every key must match, "
    "any value of a key does.",
)
@click.option("--every-scope", is_flag=True, help="Without --filter: replace the points of everybody.")
@click.option(
    "--from", "form", type=click.Choice(["jsonl", "csv"]), help="The input's format. Default: by its name; jsonl for stdin."
)
@click.option("--dry-run", is_flag=True, help="Change nothing; show the totals before and after.")
@reporting.option("table")
def reprocess(
    file: str,
    store: str | None,
    begin: str,
    end: str,
    filters: Sequence[str],
    every_scope: bool,
    form: str | None,
    dry_run: bool,
    output_format: str,
) -> None:
    """Replace the usage of a period, of one scope or of all, by that of FILE.

    Deletes what matches and stores the file's points in one transaction: others see the old state or the new one. A point of the
    file that starts outside the period, or does not match the filters, is refused before anything is changed: the next run of the
    same command could not replace it. The file has the form that `rating push` reads, and is held in memory.

    \b
    Examples:
      undercroft rating reprocess new.jsonl --begin 2026-01-01 --end 2026-02-01 --filter project_id=p1 --dry-run
      undercroft rating reprocess new.jsonl --begin 2026-01-01 --end 2026-02-01 --filter project_id=p1
      zcat new.csv.gz | undercroft rating reprocess - --from csv --begin 2026-01-01 --end 2026-01-02 --every-scope
    """
    from undercroft.cli import output
    from undercroft.cli.rating import totals
    from undercroft.core import time
    from undercroft.core.errors import InvalidInput
    from undercroft.rating import query

    if bool(filters) == every_scope:
        raise click.UsageError("say whose usage is replaced: --filter (project_id=..., say), or --every-scope for everybody's")
    first, last = time.parse(begin, "--begin"), time.parse(end, "--end")
    if first >= last:
        raise InvalidInput("--begin", f"{begin} does not lie before --end, {end}")
    wanted = selection.filters(filters)
    with click.open_file(file, "rb") as stream:
        name = "stdin" if file == "-" else file
        frames = list(_frames(stream, name, form, query.selection(first, last, wanted)))
    with stores.opened(store, "rating") as storage:
        old = totals.stored(storage, first, last, wanted)
        if not dry_run:
            storage.replace(first, last, wanted, frames)
        new = totals.given(frames) if dry_run else totals.stored(storage, first, last, wanted)
    difference = new.less(old)
    report = Report(dry_run=dry_run, begin=first, end=last, filters=wanted, old=old, new=new, difference=difference)
    if output_format == "json":
        click.echo(output.json_text(report))
        return
    rows = [(what, *msgspec.structs.astuple(row)) for what, row in (("old", old), ("new", new), ("difference", difference))]
    output.table(("", "points", "quantity", "price"), rows)
    click.echo("nothing was changed (--dry-run)" if dry_run else "replaced")


def _frames(stream: IO[bytes], name: str, form: str | None, chosen: Selection) -> Iterable[DataFrame]:
    """The file's frames.

    Raises:
        InvalidInput: a point that lies outside the period or does not match the filters; the error names the line.
    """
    from undercroft.core.errors import InvalidInput
    from undercroft.core.lines import Refused, Source
    from undercroft.rating import parsing

    source = Source(stream, name)
    form = form or ("csv" if name.lower().endswith(".csv") else "jsonl")
    for parsed in parsing.opened(source, form)():
        if isinstance(parsed, Refused):
            raise parsed.located(name)
        for type_, point in parsed.frame.iterpoints():
            problem = mismatch(parsed.frame, type_, point, chosen)
            if problem:
                raise Refused(parsed.lines, InvalidInput("point", f"{problem}; nothing was changed")).located(name)
        yield parsed.frame


def mismatch(frame: DataFrame, type_: str, point: Any, chosen: Selection) -> str | None:
    """Why a point is not among the chosen ones; None when it is."""
    from undercroft.core import time

    start = time.to_micros(frame.start)
    if (chosen.begin is not None and start < chosen.begin) or (chosen.end is not None and start >= chosen.end):
        return f"starts at {frame.start.isoformat()}, outside of --begin and --end"
    if chosen.types is not None and type_ not in chosen.types:
        return f"is of type {type_!r}, which --filter type does not name"
    for condition in chosen.conditions:
        texts = {str(place[name]) for place in (point.groupby, point.metadata) for name in condition.names if name in place}
        if not texts & set(condition.values):
            return f"has {condition.names[0]} {', '.join(sorted(texts)) or 'missing'}, which --filter does not name"
    return None

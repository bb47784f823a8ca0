"""`undercroft rating`: rated usage in, exact totals out."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Unpack

import rich_click as click

from undercroft.cli import stores
from undercroft.cli.rating import selection
from undercroft.cli.rating.expiring import expire
from undercroft.cli.rating.exporting import export
from undercroft.cli.rating.reprocessing import reprocess

if TYPE_CHECKING:
    from collections.abc import Sequence

    from undercroft.cli.rating.importing import Outcome
    from undercroft.rating import BaseStorage

raw_option = click.option("--raw", is_flag=True, help="CSV: leave text that a spreadsheet takes for a formula as it is.")


@click.group()
def rating() -> None:
    """Rated usage: what was used, and what it cost.

    \b
    Examples:
      undercroft rating push usage.jsonl --store sqlite:///rating.db
      undercroft rating total --by project_id --begin 2026-01-01 --end 2026-02-01
      undercroft rating retrieve --resource 4c1d --format jsonl --all
      undercroft rating export usage --begin 2026-01-01 --end 2026-02-01 --format parquet
      undercroft rating expire --dry-run
    """


for _command in (expire, export, reprocess):
    rating.add_command(_command)


@rating.command()
@click.argument("files", nargs=-1, metavar="[FILE...|-]", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@stores.store_option
@click.option(
    "--from", "form", type=click.Choice(["jsonl", "csv"]), help="The input's format. Default: by the file's name; jsonl for stdin."
)
@click.option("--batch", type=click.IntRange(min=1), default=10_000, show_default=True, help="Points that one push stores.")
@click.option("--state", metavar="FILE", help="Where the import keeps how far it has come. Default: FILE.push-state.")
@click.option("--restart", is_flag=True, help="Begin anew, whatever an earlier run has pushed.")
@click.option(
    "--format", "output_format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to report."
)
def push(
    files: Sequence[str],
    store: str | None,
    form: str | None,
    batch: int,
    state: str | None,
    restart: bool,
    output_format: str,
) -> None:
    """Store rated usage from files, or from stdin.

    JSON lines hold one frame a line; a CSV file one point a row, with the columns begin, end, type, unit, qty, price,
    groupby.NAME and metadata.NAME (an empty cell: the point lacks the attribute). Order the input by period: a push replaces
    the points with the same key that an earlier push stored.

    The input is pushed in batches, each of which is stored as a whole or not at all. When the import breaks off, the same
    command goes on after the last batch that the store acknowledged.

    \b
    Examples:
      undercroft rating push january.jsonl february.jsonl
      undercroft rating push usage.csv --batch 50000 --format json
      zcat usage.jsonl.gz | undercroft rating push -
      zcat usage.csv.gz | undercroft rating push - --from csv --state usage.push-state
    """
    files = files or ("-",)
    if state is not None and len(files) > 1:
        raise click.UsageError("--state is for one input; each of several files keeps its own state beside it")
    from undercroft.cli import output

    with stores.opened(store) as storage:
        done = [_push_one(storage, stores.url(store), file, form, batch, state, restart) for file in files]
    if output_format == "json":
        click.echo(output.json_text(done))
        return
    for one in done:
        resumed = f" (after {one.skipped_points:,} of an earlier run)" if one.skipped_points else ""
        click.echo(
            f"{one.file}: {one.points:,} points in {one.frames:,} frames, {one.batches:,} batches, {one.seconds:.1f} s{resumed}"
        )


def _push_one(storage: BaseStorage, url: str, file: str, form: str | None, batch: int, state: str | None, restart: bool) -> Outcome:
    from undercroft.cli import progress
    from undercroft.cli import state as states
    from undercroft.cli.rating import checkpoint, importing

    stdin = file == "-"
    kept = pathlib.Path(state) if state else None if stdin else pathlib.Path(file + checkpoint.SUFFIX)
    at = states.StateFile(kept, checkpoint.Checkpoint)
    if restart:
        at.clear()
    form = form or ("csv" if file.lower().endswith(".csv") else "jsonl")
    size = None if stdin else pathlib.Path(file).stat().st_size
    with click.open_file(file, "rb") as stream, progress.bar(file, size, in_bytes=True) as show:
        job = importing.Import(storage, states.store_name(url), at, batch, lambda done, points: show(done, f"{points:,} points"))
        outcome = job.run(stream, "stdin" if stdin else file, form)
    if outcome.reopened_periods:
        click.echo(
            f"warning: {outcome.file}: a period came again after its batch was stored, {outcome.reopened_periods:,} times. "
            "Of points with equal keys only those of the last batch are kept; order the input by period, or take a larger --batch",
            err=True,
        )
    return outcome


@rating.command()
@stores.store_option
@click.option(
    "--by",
    multiple=True,
    metavar="NAME[,NAME...]",
    help="Group by these: type, time, time-d, -w, -m, -y, or any groupby attribute.",
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
      undercroft rating total --by time-d --filter project_id=p1 --filter flavor_id=1 --filter flavor_id=2
      undercroft rating total --by project_id --custom 'MAX(price) AS dearest, COUNT(qty) AS points' --format json
      undercroft rating total --by resource_id --all --format csv > january.csv
    """
    from undercroft.cli import output
    from undercroft.rating import query

    names = [name.strip() for part in by for name in part.split(",") if name.strip()]
    groups = query.groupby_elements(names)
    with stores.opened(store) as storage:
        found = storage.total(groupby=names or None, custom_fields=custom, **selection.which(asked), **selection.page(asked))
    results = found["results"]
    columns = [
        *("begin", "end"),
        *(measure.alias for measure in query.measures(custom, groups)),
        *(group.name for group in groups if group.by is not query.By.PERIOD),
    ]
    rows = [[row[column] for column in columns] for row in results]
    with output.target(None) as out:
        if form == "json":
            out.write(output.json_text(found) + "\n")
        elif form == "csv":
            output.write_csv(out, columns, rows, raw)
        elif rows:
            output.table(columns, rows)
    selection.rest(asked, len(results), found["total"], "groups" if groups else "points")


@rating.command()
@stores.store_option
@selection.options
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "jsonl", "csv"]),
    help="How to print. Default: by the name of the --output file, else table.",
)
@click.option("--output", "path", metavar="FILE", help="Write this file; it gets its name when it is complete.")
@raw_option
def retrieve(store: str | None, form: str | None, path: str | None, raw: bool, **asked: Unpack[selection.Asked]) -> None:
    """Give the stored points, ordered by period and type.

    JSON lines can be pushed again and give the same points. So can CSV with --raw, as far as its text can tell: every attribute
    comes back as text, and an empty one not at all.

    \b
    Examples:
      undercroft rating retrieve --begin 2026-01-01 --end 2026-01-02 --limit 20
      undercroft rating retrieve --filter project_id=p1 --format jsonl --all | gzip > p1.jsonl.gz
      undercroft rating retrieve --type cpu --all --output cpu.csv
    """
    from undercroft.cli import output
    from undercroft.cli.rating import writing

    suffix = pathlib.Path(path or "").suffix.lower().removeprefix(".")
    form = form or (suffix if suffix in {"jsonl", "csv"} else "table")
    if form == "table" and (asked["everything"] or path):
        raise click.UsageError("a table shows a page on the screen; --all and --output want --format jsonl or csv")
    which = selection.which(asked)
    with stores.opened(store) as storage, output.target(path) as out:
        if asked["everything"]:
            shown = matching = None
            frames = storage.iter_frames(**which)
        else:
            found = storage.retrieve(**which, **selection.page(asked))
            frames, matching = iter(found["dataframes"]), found["total"]
            shown = min(asked["limit"], max(0, matching - asked["offset"]))
        if form == "jsonl":
            writing.write_jsonl(out, frames)
        elif form == "csv":
            writing.write_csv(out, frames, raw)
        elif shown:
            writing.show(frames)
    if matching is not None and shown is not None:
        selection.rest(asked, shown, matching, "points")

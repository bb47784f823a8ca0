"""`undercroft rating push`."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

import rich_click as click

from undercroft.cli import importing, refused, reporting, stores
from undercroft.core.plural import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from undercroft.cli.rating.importing import Outcome
    from undercroft.rating import BaseStorage


@click.command()
@importing.files
@stores.option("rating")
@importing.form
@click.option("--batch", type=click.IntRange(min=1), default=10_000, show_default=True, help="Points that one push stores.")
@click.option("--state", metavar="FILE", help="Where the import keeps how far it has come. Default: FILE.push-state.")
@click.option("--restart", is_flag=True, help="Begin anew, whatever an earlier run has pushed.")
@refused.options
@reporting.option("text")
def push(
    files: Sequence[str],
    store: str | None,
    form: str | None,
    batch: int,
    state: str | None,
    restart: bool,
    skip_bad: bool,
    report: str | None,
    output_format: str,
) -> None:
    """Store rated usage from files, or from stdin.

    JSON lines hold one frame a line; a CSV file one point a row, with the columns begin, end, type, unit, qty, price,
    groupby.NAME and metadata.NAME (an empty cell: the point lacks the attribute). Order the input by period: a push replaces
    the points with the same key that an earlier push stored.

    The input is pushed in batches, each of which is stored as a whole or not at all. When the import breaks off, the same
    command goes on after the last batch that the store acknowledged.

    At a line that cannot be stored the import stops: the lines before it are stored, mend it and run the command again. With
    --skip-bad such lines are passed over and reported. Push a mended line together with all lines of its period: alone, it
    would replace the points of the same keys.

    \b
    Examples:
      undercroft rating push january.jsonl february.jsonl
      undercroft rating push usage.csv --batch 50000 --format json
      undercroft rating push usage.jsonl --skip-bad --report refused.jsonl
      zcat usage.jsonl.gz | undercroft rating push -
      zcat usage.csv.gz | undercroft rating push - --from csv --state usage.push-state
    """
    files = files or ("-",)
    importing.check(files, state)
    refused.check(files, skip_bad, report)
    from undercroft.cli import output

    with stores.opened(store, "rating") as storage:
        url = stores.url(store, "rating")
        done = [
            _push_one(storage, url, file, form, batch, state, restart, refused.place(file, report) if skip_bad else None)
            for file in files
        ]
    if output_format == "json":
        click.echo(output.json_text(done))
    for one in done if output_format == "text" else ():
        resumed = f" (after {one.skipped_points:,} of an earlier run)" if one.skipped_points else ""
        click.echo(
            f"{one.file}: {number(one.points, 'points')} in {number(one.frames, 'frames')}, {number(one.batches, 'batches')}, "
            f"{one.seconds:.1f} s{resumed}"
            f"{refused.told(one.refused, one.report)}"
        )
    refused.leave(sum(one.refused for one in done))


def _push_one(
    storage: BaseStorage,
    url: str,
    file: str,
    form: str | None,
    batch: int,
    state: str | None,
    restart: bool,
    report: pathlib.Path | None,
) -> Outcome:
    from undercroft.cli import progress
    from undercroft.cli import state as states
    from undercroft.cli.rating import checkpoint
    from undercroft.cli.rating.importing import Import
    from undercroft.core.lines import check_text
    from undercroft.core.statefile import StateFile

    stdin = file == "-"
    kept = pathlib.Path(state) if state else None if stdin else pathlib.Path(file + checkpoint.SUFFIX)
    at = StateFile(kept, checkpoint.Checkpoint)
    if restart:
        at.clear()
    size = None if stdin else pathlib.Path(file).stat().st_size
    with click.open_file(file, "rb") as stream, progress.bar(file, size, in_bytes=True) as show:
        check_text(stream, "stdin" if stdin else file)
        job = Import(
            storage,
            states.store_name(url),
            at,
            batch,
            lambda done, points: show(done, number(points, "points")),
            report,
            states.option(url, "on_conflict", "replace") == "replace",
        )
        outcome = job.run(stream, "stdin" if stdin else file, importing.form_of(file, form))
    if outcome.reopened_periods:
        click.echo(
            f"warning: {outcome.file}: a period came again after its batch was stored, {outcome.reopened_periods:,} times. "
            "Of points with equal keys only those of the last batch are kept; order the input by period, or take a larger --batch",
            err=True,
        )
    return outcome

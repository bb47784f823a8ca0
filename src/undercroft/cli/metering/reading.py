"""`undercroft meter samples` and `export`."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Unpack

import rich_click as click

from undercroft.cli import cut, exporting, stores
from undercroft.cli.metering import selection
from undercroft.core.plural import number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from undercroft.metering import Sample


@click.command()
@stores.option("metering")
@selection.options
@click.option("--oldest", is_flag=True, help="The oldest first.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="Maximum number of samples.")
@click.option("--all", "everything", is_flag=True, help="All samples; --limit does not count.")
@click.option(
    "--format", "form", type=click.Choice(["table", "jsonl", "csv"]), default="table", show_default=True, help="How to print."
)
def samples(store: str | None, oldest: bool, limit: int, everything: bool, form: str, **asked: Unpack[selection.Which]) -> None:
    """Show samples, the newest first. JSON lines and CSV can be imported again.

    \b
    Examples:
      undercroft meter samples --meter cpu_util --resource vm-1 --limit 20
      undercroft meter samples --meter cpu --begin 2026-01-01T00:00+01:00 --end 2026-01-02T00:00+01:00 --format csv --all
      undercroft meter samples --metadata flavor.vcpus=4 --format jsonl
    """
    from undercroft.metering.files import FORMS

    if form == "table" and everything:
        raise click.UsageError("a table shows a page on the screen; --all wants --format jsonl or csv")
    most = None if everything else limit
    order = [{"timestamp": "asc" if oldest else "desc"}]
    with stores.opened(store, "metering") as opened:
        shown = cut.Cut(opened.query_samples(selection.filter_expr(asked), order, None if most is None else most + 1), most)
        if form == "table":
            _show(shown)
        else:
            exporting.show(FORMS[form][1](shown))
    if shown.has_more:
        stores.note(f"the first {number(shown.count, 'samples')}; there are more: --limit COUNT, or --all with --format jsonl")
    elif not shown.count:
        stores.note("no samples found")


def _show(found: Iterable[Sample]) -> None:
    from undercroft.cli import output
    from undercroft.metering.flatten import shown as words

    rows = [
        (
            sample.timestamp.replace(tzinfo=dt.UTC),
            sample.counter_name,
            str(sample.counter_volume),
            sample.counter_unit,
            sample.counter_type,
            sample.resource_id,
            sample.project_id or "",
            " ".join(f"{key}={text}" for key, text in words(sample.resource_metadata).items()),
        )
        for sample in found
    ]
    if rows:
        output.table(("timestamp", "meter", "volume", "unit", "type", "resource", "project", "metadata"), rows)


@click.command()
@stores.option("metering")
@selection.options
@exporting.options("samples")
def export(store: str | None, folder: str, name: str, form: str, **asked: Unpack[selection.Which]) -> None:
    """Write samples, the oldest first, to a file in FOLDER, which gets its name when it is complete.

    JSON lines and CSV can be imported again. Parquet needs: pip install 'undercroft[parquet]'. To fill a table of an SQL database
    with samples as they arrive, for BI tools, see `undercroft export`.

    \b
    Examples:
      undercroft meter export archive --begin 2026-01-01 --end 2026-02-01 --name january --format parquet
      undercroft meter export vm-1 --resource vm-1 --format csv
    """
    from undercroft.cli import progress
    from undercroft.metering.files import FORMS

    write = exporting.checked(name, form, FORMS, "undercroft.metering.parquet")
    with stores.opened(store, "metering") as opened:
        total = progress.total(lambda: opened.count_samples(selection.sample_filter(asked)))
        found = opened.query_samples(selection.filter_expr(asked), [{"timestamp": "asc"}])
        exporting.run(folder, f"{name}.{form}", write, found, "samples", total)

"""`undercroft meter import`."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

import msgspec
import rich_click as click

from undercroft.cli import importing, refused, reporting, stores
from undercroft.core.plural import number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from undercroft.core.lines import Item, Refused, Source
    from undercroft.metering import Store


class Outcome(importing.Outcome):
    """What one run did with one file of samples.

    Attributes:
        skipped: samples that an earlier run has stored.
    """

    skipped: int = 0


@click.command("import")
@importing.files
@stores.option("metering")
@importing.form
@importing.options
@refused.options
@reporting.option("text")
def import_(
    files: tuple[str, ...],
    store: str | None,
    form: str | None,
    state: str | None,
    restart: bool,
    skip_bad: bool,
    report: str | None,
    output_format: str,
) -> None:
    """Store samples from files of JSON lines or CSV, or from stdin.

    A line holds a sample in any of the forms that Ceilometer has: as its publisher sends it (name, volume, id), or in the old
    (counter_name, message_id) or new form (meter, volume, id) of its API. CSV is read as `meter export` writes it. A sample whose
    message id is there already stays as it is, and is counted.

    When the import breaks off, the same command goes on after the last batch that the store acknowledged. At a line that cannot be
    stored the import stops, and the lines before it are stored. With --skip-bad such lines are passed over and reported.

    \b
    Examples:
      undercroft meter import january.jsonl february.csv
      undercroft meter import recorded.jsonl --skip-bad --report refused.jsonl
      zcat samples.jsonl.gz | undercroft meter import - --state samples.state
    """
    files = files or ("-",)
    importing.check(files, state)
    refused.check(files, skip_bad, report)
    from undercroft.cli import output

    with stores.opened(store, "metering") as opened:
        target = _target(opened, stores.url(store, "metering"))
        done = [
            _import_one(
                target, file, form, importing.state_file(file, state, restart), refused.place(file, report) if skip_bad else None
            )
            for file in files
        ]
    if output_format == "json":
        click.echo(output.json_text(done))
    for one in done if output_format == "text" else ():
        earlier = f", {one.skipped:,} by an earlier run" if one.skipped else ""
        click.echo(
            f"{one.file}: {number(one.stored, 'samples')} stored, {one.known:,} already there{earlier}, {one.seconds:.1f} s"
            f"{refused.told(one.refused, one.report)}"
        )
    refused.leave(sum(one.refused for one in done))


def _target(store: Store, url: str) -> importing.Target:
    from undercroft.cli.state import store_name
    from undercroft.metering import SampleFilter

    return importing.Target(
        store=store.store_samples,
        things="samples",
        name=store_name(url),
        key=lambda data: data["message_id"],
        holds=lambda message_id: store.count_samples(SampleFilter(message_id=message_id)) > 0,
    )


def _import_one(
    target: importing.Target,
    file: str,
    form: str | None,
    state: importing.State,
    report: pathlib.Path | None,
) -> Outcome:
    read = {"csv": _csv, "jsonl": _jsonl}[importing.form_of(file, form)]
    found, skipped = importing.run(target, file, read, report, state)
    return Outcome(**msgspec.structs.asdict(found), skipped=skipped)


def _jsonl(source: Source) -> Callable[[], Iterator[Item | Refused]]:
    from undercroft.metering import wire

    return lambda: importing.jsonl(source, wire.data)


def _csv(source: Source) -> Callable[[], Iterator[Item | Refused]]:
    from undercroft.metering.parsing import CsvReader

    return CsvReader(source).samples

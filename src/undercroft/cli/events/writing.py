"""`undercroft events import`."""

from __future__ import annotations

import pathlib
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import rich_click as click

from undercroft.cli import importing, refused, reporting, stores
from undercroft.core.plural import number

if TYPE_CHECKING:
    from collections.abc import Callable

    from undercroft.cli.events.outcome import Outcome
    from undercroft.events import Event, Store


@click.command("import")
@importing.files
@stores.option("events")
@click.option(
    "--from",
    "form",
    type=click.Choice(["events", "notifications", "raw"]),
    default="events",
    show_default=True,
    help="What a line holds.",
)
@click.option(
    "--definitions", type=click.Path(dir_okay=False), help="How notifications become events. Default: [events] definitions_file."
)
@click.option("--keep-raw", is_flag=True, help="Notifications: keep the whole of each in its event.")
@refused.options
@reporting.option("text")
def import_(
    files: tuple[str, ...],
    store: str | None,
    form: str,
    definitions: str | None,
    keep_raw: bool,
    skip_bad: bool,
    report: str | None,
    output_format: str,
) -> None:
    """Store events from files of JSON lines, or from stdin.

    A line holds an event, as `events export` writes it and Ceilometer sends it; with --from notifications, a notification, which
    becomes an event by the definitions; with --from raw, any object, which is kept in an event of type "raw". The envelope of
    oslo.messaging is taken off. Events that are there already stay as they are: a broken import is repeated.

    At a line that cannot be stored the import stops, and the lines before it are stored. With --skip-bad such lines are passed
    over and reported.

    \b
    Examples:
      undercroft events import january.jsonl
      undercroft events import --from notifications --definitions event_definitions.yaml notifications.jsonl
      undercroft events import recorded.jsonl --skip-bad --report refused.jsonl
    """
    files = files or ("-",)
    refused.check(files, skip_bad, report)
    from undercroft.cli import output
    from undercroft.events import wire

    make, left_out = wire.raw if form == "raw" else wire.parse, Counter[str]()
    if form == "notifications":
        from undercroft.core import settings
        from undercroft.events.definitions import Converter

        converter = Converter.load(definitions or settings.get("events", "definitions_file"), keep_raw)
        make, left_out = converter.event, converter.left_out
    with stores.opened(store, "events") as opened:
        done = [_import_one(opened, make, file, refused.place(file, report) if skip_bad else None, left_out) for file in files]
    if output_format == "json":
        click.echo(output.json_text(done))
    for one in done if output_format == "text" else ():
        click.echo(
            f"{one.file}: {number(one.stored, 'events')} stored, {one.known:,} already there{refused.told(one.refused, one.report)}"
        )
        if one.left_out:
            named = ", ".join(f"{name} ({count:,})" for name, count in sorted(one.left_out.items()))
            stores.note(f"{one.file}: traits whose values cannot be stored were left out: {named}")
    refused.leave(sum(one.refused for one in done))


def _import_one(
    store: Store, make: Callable[[Any], Event], file: str, report: pathlib.Path | None, left_out: Counter[str]
) -> Outcome:
    from undercroft.cli.events.outcome import Outcome

    before, target = Counter(left_out), importing.Target(store.store_events, "events")
    found, _ = importing.run(target, file, lambda source: lambda: importing.jsonl(source, make), report)
    return Outcome(**msgspec.structs.asdict(found), left_out=dict(left_out - before))

"""`undercroft events list`, `tail`, `types`, `count` and `export`."""

from __future__ import annotations

import datetime as dt
import threading
from typing import TYPE_CHECKING, Any, Unpack

import rich_click as click

from undercroft.cli import cut, exporting, spans, stores
from undercroft.cli.events import selection
from undercroft.core.plural import number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from undercroft.events import Event


@click.command("list")
@stores.option("events")
@selection.options
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="Maximum number of events.")
@click.option("--all", "everything", is_flag=True, help="All events; --limit does not count.")
@click.option("--after", "marker", metavar="ID", help="Begin after the event with this message id.")
@click.option("--newest", is_flag=True, help="The newest first.")
@click.option(
    "--format", "form", type=click.Choice(["table", "jsonl", "csv"]), default="table", show_default=True, help="How to print."
)
def list_(
    store: str | None,
    limit: int,
    everything: bool,
    marker: str | None,
    newest: bool,
    form: str,
    **asked: Unpack[selection.Which],
) -> None:
    """Show a page of events, the oldest first. A note on stderr says when there are more.

    \b
    Examples:
      undercroft events list --type compute.instance.create.end --newest --limit 20
      undercroft events list --trait host=web-1 --begin 2026-01-01 --format jsonl --all
      undercroft events list --where 'event_type ^= "volume." and size > 100'
    """
    from undercroft.events.files import FORMS

    most = None if everything else limit
    page = {
        # One more than is shown tells whether there are more.
        "limit": None if most is None else most + 1,
        "marker": marker,
        "sort": [("generated", "desc"), ("message_id", "desc")] if newest else None,
    }
    with stores.opened(store, "events") as opened:
        shown = cut.Cut(opened.get_events(selection.event_filter(asked), page, where=asked["where"]), most)
        if form == "table":
            _show(shown)
        else:
            exporting.show(FORMS[form][1](shown))
    if shown.has_more and shown.last:
        stores.note(
            f"the first {number(shown.count, 'events')}; there are more: --all gives all of them, "
            f"--after {shown.last.message_id} goes on"
        )
    elif not shown.count:
        stores.note("no events found")


def _show(events: Iterable[Event]) -> None:
    from undercroft.cli import output
    from undercroft.events import serialize_dt

    rows = [
        (
            event.generated.replace(tzinfo=dt.UTC),
            event.event_type,
            event.message_id,
            " ".join(f"{trait.name}={serialize_dt(trait.value)}" for trait in event.traits or ()),
        )
        for event in events
    ]
    if rows:
        output.table(("generated", "type", "message id", "traits"), rows)


@click.command()
@stores.option("events")
@selection.options
@click.option(
    "--from", "after", metavar="CURSOR", help="Go on after this cursor; `start` for everything. Default: what comes from now."
)
@click.option("--follow/--no-follow", default=True, help="Wait for more, or end with what is there.  [default: follow]")
@click.option(
    "--every", callback=spans.option(bare="s"), metavar="SPAN", default="1s", show_default=True, help="Time between two looks."
)
def tail(store: str | None, after: str | None, follow: bool, every: dt.timedelta, **asked: Unpack[selection.Which]) -> None:
    """Show events as they arrive, as JSON lines; the cursor to go on from is told on stderr at the end.

    \b
    Examples:
      undercroft events tail --type compute.instance.create.error
      undercroft events tail --from start --no-follow > everything.jsonl
    """
    from undercroft.events.files import jsonl

    with stores.opened(store, "events") as opened:
        cursor = None if after == "start" else after or opened.tail_end()
        pause = threading.Event()
        which = selection.event_filter(asked)
        try:
            while True:
                events, cursor = opened.tail(which, cursor, 1_000, where=asked["where"])
                exporting.show(jsonl(events))
                if not events:
                    if not follow:
                        break
                    pause.wait(max(0.05, every.total_seconds()))
        finally:
            click.echo(f"cursor: {cursor}", err=True)


@click.command()
@stores.option("events")
@click.argument("event_type", required=False, metavar="[TYPE]")
def types(store: str | None, event_type: str | None) -> None:
    """List the types of events, or the traits that events of a type have.

    \b
    Examples:
      undercroft events types
      undercroft events types compute.instance.create.end
    """
    from undercroft.cli import output
    from undercroft.cli.failures import printable
    from undercroft.events import Trait

    with stores.opened(store, "events") as opened:
        if event_type is None:
            for name in opened.get_event_types():
                click.echo(printable(name))
            return
        rows = [(row["name"], Trait.get_name_by_type(row["data_type"])) for row in opened.get_trait_types(event_type)]
    if rows:
        output.table(("trait", "type"), rows)


@click.command()
@stores.option("events")
@selection.options
@click.option("--by", multiple=True, metavar="NAME[,NAME...]", help="Count by event_type, or by the values of text traits.")
@click.option("--interval", callback=spans.option(bare="s"), metavar="SPAN", help="Count by time, too: 15m, 1h, 1d.")
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True, help="How to print."
)
def count(
    store: str | None, by: tuple[str, ...], interval: dt.timedelta | None, form: str, **asked: Unpack[selection.Which]
) -> None:
    """Count events, in groups and by time.

    \b
    Examples:
      undercroft events count --by event_type
      undercroft events count --by project_id,host --interval 1h --begin 2026-01-01 --format csv
    """
    from undercroft.cli import output
    from undercroft.core import cells

    names = [name.strip() for part in by for name in part.split(",") if name.strip()]
    with stores.opened(store, "events") as opened:
        found = opened.count_events(selection.event_filter(asked), groupby=names, interval=interval, where=asked["where"])
        notes = list(selection.empty_groups(opened, names, found)) if found else ["no events found"]
    columns = [*(["start"] if interval else []), *names, "events"]
    rows: list[tuple[Any, ...]] = [
        (
            *([each.start.replace(tzinfo=dt.UTC)] if interval else []),
            *("" if value is None else value for value in each.group.values()),
            each.events,
        )
        for each in found
    ]
    with output.target(None) as out:
        if form == "json":
            out.write(output.json_text([dict(zip(columns, row, strict=True)) for row in rows]) + "\n")
        elif form == "csv":
            cells.write_csv(out, columns, rows, raw=False)
        elif rows:
            output.table(columns, rows)
    for note in notes:
        stores.note(note)


@click.command()
@stores.option("events")
@selection.options
@exporting.options("events")
def export(store: str | None, folder: str, name: str, form: str, **asked: Unpack[selection.Which]) -> None:
    """Write events to a file in FOLDER, which gets its name when it is complete. JSON lines can be imported again.

    \b
    Examples:
      undercroft events export archive --begin 2026-01-01 --end 2026-02-01 --name january --format parquet
    """
    from undercroft.events.files import FORMS

    write = exporting.checked(name, form, FORMS, "undercroft.events.parquet")
    with stores.opened(store, "events") as opened:
        events = opened.get_events(selection.event_filter(asked), where=asked["where"])
        exporting.run(folder, f"{name}.{form}", write, events, "events")

"""`undercroft events expire`: delete what is older than events are kept."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import msgspec
import rich_click as click

from undercroft.cli import deletion, spans, stores
from undercroft.core.paging import LARGEST

if TYPE_CHECKING:
    from undercroft.events import Store


class Report(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What was deleted, or would be.

    Attributes:
        dry_run: nothing was deleted.
        before: what was generated before this moment goes; None when everything is kept.
        events: how many events that are.
        oldest, newest: when the first and the last of them were generated; where `dry_run` is true, the last without --most only.
    """

    dry_run: bool
    before: dt.datetime | None
    events: int
    oldest: dt.datetime | None = None
    newest: dt.datetime | None = None


@click.command()
@stores.option("events")
@click.option(
    "--older-than",
    callback=spans.option(),
    metavar="SPAN",
    help="Delete what is older: 90d, 12w, 36h. Default: [events] time_to_live.",
)
@click.option("--most", type=click.IntRange(min=1), metavar="COUNT", help="Delete so many at most, the oldest.")
@deletion.options
@click.option(
    "--format", "output_format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to report."
)
def expire(
    store: str | None, older_than: dt.timedelta | None, most: int | None, dry_run: bool, yes: bool, output_format: str
) -> None:
    """Delete the events that are older than they are kept for.

    Without --older-than, and without [events] time_to_live in the settings, nothing is deleted. Before more than 5 % of the events
    are deleted, the command asks.

    The oldest go first, in batches, so that others can read and write. `undercroft worker` does the same each hour, without asking.

    \b
    Examples:
      undercroft events expire --older-than 90d --dry-run
      undercroft events expire --older-than 90d --yes
      undercroft events expire --most 100000
    """
    from undercroft.cli import output
    from undercroft.core import cells, settings

    keep = settings.get("events", "time_to_live") if older_than is None else older_than / dt.timedelta(seconds=1)
    with stores.opened(store, "events") as opened:
        before = opened.expiry(keep)
        report = Report(dry_run=dry_run, before=before, events=0)
        if before is not None and dry_run:
            report = _look(opened, before, most)
        elif before is not None:
            if not yes:
                share = opened.expired(before, most)
                deletion.confirm(share, f"events, the oldest of those generated before {cells.timestamp(before)}")
            # A bound, because MongoDB takes a deletion without one as a rule that it then keeps by itself.
            report.events = opened.clear_expired_data(keep, most or LARGEST)
    if output_format == "json":
        click.echo(output.json_text(report))
    elif before is None:
        click.echo("everything is kept: [events] time_to_live is not set, or 0; --older-than SPAN names a span such as 90d")
    elif not dry_run:
        click.echo(f"deleted {report.events:,} events")
    else:
        click.echo(f"would delete {report.events:,} events generated before {cells.timestamp(before)}")
        for which, moment in (("oldest", report.oldest), ("newest", report.newest)):
            if moment is not None:
                click.echo(f"the {which} is of {cells.timestamp(moment)}")


def _look(store: Store, before: dt.datetime, most: int | None) -> Report:
    from undercroft.events import EventFilter

    count = store.expired(before).part
    report = Report(dry_run=True, before=before, events=count if most is None else min(count, most))
    old = EventFilter(end_timestamp=before - dt.timedelta(microseconds=1))
    for event in store.get_events(old, {"limit": 1}):
        report.oldest = event.generated.replace(tzinfo=dt.UTC)
    if report.events == count:
        for event in store.get_events(old, {"limit": 1, "sort": [("generated", "desc")]}):
            report.newest = event.generated.replace(tzinfo=dt.UTC)
    return report

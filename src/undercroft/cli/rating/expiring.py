"""`undercroft rating expire`: delete what is older than the retention, a day at a time."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
import rich_click as click

from undercroft.cli import deletion, reporting, spans, stores
from undercroft.core.plural import number

if TYPE_CHECKING:
    from undercroft.rating import BaseStorage

_DAY = dt.timedelta(days=1)


class Report(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What was deleted, or would be.

    Attributes:
        dry_run: nothing was deleted.
        before: what starts before this moment goes; None when everything is kept.
        points, price: how many points that are, and what they cost.
        oldest, newest: when the first and the last of them start; where `dry_run` is true.
        batches: how many transactions it took.
    """

    dry_run: bool
    before: dt.datetime | None
    points: int
    price: Decimal | None = None
    oldest: dt.datetime | None = None
    newest: dt.datetime | None = None
    batches: int = 0


@click.command()
@stores.option("rating")
@click.option(
    "--older-than",
    "--keep",
    "keep",
    callback=spans.option(bare="h"),
    metavar="SPAN",
    help="Delete what is older: 90d, 12w, 36h. A number without a unit is in hours. Default: [storage] retention_period, where "
    "somebody wrote one.",
)
@deletion.options
@reporting.option("text")
def expire(store: str | None, keep: dt.timedelta | None, dry_run: bool, yes: bool, output_format: str) -> None:
    """Delete the usage that is older than the retention.

    Without --older-than, and without [storage] retention_period in the settings, nothing is deleted. Before more than 5 % of the
    points are deleted, the command asks.

    The oldest day goes first, one day in each transaction, so that others can read and write. If the command is interrupted, run it
    again: it continues with what is left. `undercroft worker` does the same each hour, without asking.

    \b
    Examples:
      undercroft rating expire --older-than 400d --dry-run
      undercroft rating expire --older-than 400d --yes --store sqlite:///rating.db
      undercroft rating expire --format json
    """
    from undercroft.cli import output
    from undercroft.core import cells

    with stores.opened(store, "rating") as storage:
        before = storage.expiry(keep=keep)
        if before is None:
            report = Report(dry_run=dry_run, before=None, points=0)
        elif dry_run:
            report = _look(storage, before)
        else:
            if not yes:
                deletion.confirm(storage.expired(before), f"points, all that start before {cells.timestamp(before)}")
            report = _delete(storage, before)
    if output_format == "json":
        click.echo(output.json_text(report))
        return
    if report.before is None:
        click.echo("everything is kept: [storage] retention_period is not set, or 0; --older-than SPAN names a span such as 90d")
        return
    older = f"{number(report.points, 'points')} that start before {cells.timestamp(report.before)}"
    if not report.dry_run:
        click.echo(f"deleted {older}, in {number(report.batches, 'batches')}")
        return
    click.echo(f"would delete {older}; they cost {output.number(report.price or Decimal(0))}")
    for which, moment in (("oldest", report.oldest), ("newest", report.newest)):
        if moment is not None:
            click.echo(f"the {which} starts {cells.timestamp(moment)}")


def _look(storage: BaseStorage, before: dt.datetime) -> Report:
    from undercroft.cli.rating import totals
    from undercroft.core import time

    begin = time.from_micros(time.FIRST)
    found = totals.stored(storage, begin, before)
    report = Report(dry_run=True, before=before, points=found.points, price=found.price)
    if found.points:
        places = (0, found.points - 1)
        ends = (storage.retrieve(begin, before, offset=place, limit=1)["dataframes"] for place in places)
        report.oldest, report.newest = (frame.start for frames in ends for frame in frames)
    return report


def _delete(storage: BaseStorage, before: dt.datetime) -> Report:
    from undercroft.cli import progress

    report = Report(dry_run=False, before=before, points=0)
    bounds = storage.span()
    days = 0 if bounds is None else max(0, -((bounds[0] - before) // _DAY))
    try:
        with progress.bar("Deleting days", days) as show:
            for batch in storage.expire_before(before):
                report.points += batch.points
                report.batches += 1
                show(days - max(0, (before - batch.end) // _DAY), number(report.points, "points"))
    except BaseException as error:
        error.add_note(f"{number(report.points, 'points')} deleted; the same command goes on from there")
        raise
    return report

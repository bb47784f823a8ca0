"""`undercroft rating expire`: delete what is older than the retention, a day at a time."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
import rich_click as click

from undercroft.cli import stores

if TYPE_CHECKING:
    from undercroft.rating import BaseStorage

_UNITS = {"h": 1, "d": 24, "w": 24 * 7}
_FORM = re.compile(r"([0-9]{1,7})([hdw]?)", re.ASCII)
_DAY = dt.timedelta(days=1)


class Report(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What was deleted, or would be.

    Attributes:
        dry_run: nothing was deleted.
        before: what starts before this moment goes; None when everything is kept.
        points, price: how many points that are, and what they cost.
        batches: how many transactions it took.
    """

    dry_run: bool
    before: dt.datetime | None
    points: int
    price: Decimal | None = None
    batches: int = 0


def _age(_ctx: click.Context, _param: click.Parameter, value: str | None) -> dt.timedelta | None:
    """The time span of `90d`, `12w`, `36h`, or a number of hours."""
    if value is None:
        return None
    match = _FORM.fullmatch(value)
    if match is None:
        raise click.BadParameter(f"{value!r} is no time span such as 90d, 12w, 36h, or a number of hours")
    hours = int(match[1]) * _UNITS[match[2] or "h"]
    if not hours:
        raise click.BadParameter("a span of nothing would delete everything up to now")
    return dt.timedelta(hours=hours)


@click.command()
@stores.option("rating")
@click.option(
    "--older-than",
    "--keep",
    "keep",
    callback=_age,
    metavar="SPAN",
    help="Keep so much: 90d, 12w, 36h, or a number of hours. Default: [storage] retention_period, where 0 keeps everything.",
)
@click.option("--dry-run", is_flag=True, help="Delete nothing; say how many points would go, and what they cost.")
@click.option(
    "--format", "output_format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to report."
)
def expire(store: str | None, keep: dt.timedelta | None, dry_run: bool, output_format: str) -> None:
    """Delete the usage that is older than the retention.

    Goes from the oldest day on, a day in each transaction, so that others read and write meanwhile. When it breaks off, the days
    that are gone are gone, and the same command goes on. `undercroft worker` does this each hour.

    \b
    Examples:
      undercroft rating expire --dry-run
      undercroft rating expire --older-than 400d --store sqlite:///rating.db
      undercroft rating expire --keep 2400 --format json
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
            report = _delete(storage, before)
    if output_format == "json":
        click.echo(output.json_text(report))
        return
    if report.before is None:
        click.echo("everything is kept: [storage] retention_period is 0; --older-than names another span")
        return
    older = f"points that start before {cells.timestamp(report.before)}"
    if report.price is not None:
        click.echo(f"would delete {report.points:,} {older}; they cost {output.number(report.price)}")
    else:
        click.echo(f"deleted {report.points:,} {older}, in {report.batches:,} batches")


def _look(storage: BaseStorage, before: dt.datetime) -> Report:
    from undercroft.cli.rating import totals
    from undercroft.core import time

    found = totals.stored(storage, time.from_micros(time.FIRST), before)
    return Report(dry_run=True, before=before, points=found.points, price=found.price)


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
                show(days - max(0, (before - batch.end) // _DAY), f"{report.points:,} points")
    except BaseException as error:
        error.add_note(f"{report.points:,} points are deleted; the same command goes on from there")
        raise
    return report

"""`undercroft export status`: how far each meter has come, for people and for monitors."""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING

import msgspec
import rich_click as click
from click.exceptions import Exit

from undercroft.cli import failures, reporting, spans
from undercroft.cli.export import configured
from undercroft.export.state import Unit

if TYPE_CHECKING:
    from undercroft.export.settings import Settings
    from undercroft.export.state import Failure, Point


# Clocks of machines that take turns differ by less.
_AHEAD = dt.timedelta(minutes=1)


class Line(msgspec.Struct):
    """One meter of a filter.

    Attributes:
        filter, meter: whose point it is.
        position: the point, UTC; None where none is there yet.
        lag_seconds: how far it is behind the clock.
        rows: rows that were added.
        refused: samples that could not be stored.
        updated: when the point was written last, UTC.
        error: the last failure.
        error_at: when that was, UTC.
        is_well: whether the lag is small, and the last attempt succeeded.
    """

    filter: str
    meter: str
    position: dt.datetime | None
    lag_seconds: float | None
    rows: int
    refused: int
    updated: dt.datetime | None
    error: str | None
    error_at: dt.datetime | None
    is_well: bool


@click.command()
@click.option(
    "--max-lag", callback=spans.option(), metavar="SPAN", help="A meter further behind is unwell. Default: 3 intervals and 5m."
)
@reporting.option("table")
@configured.options
def status(settings: Settings, max_lag: dt.timedelta | None, output_format: str) -> None:
    """Tell how far each meter has come, from the points in the target; the source is not asked.

    \b
    Examples:
      undercroft export status export.ini
      undercroft export status export.ini --max-lag 15m --format json

    \b
    Exit codes, for monitors:
      0    every meter is well
      1    a meter lags, has failed since its last success, or has no point yet
      2    the configuration or the target is wrong
      75   the target does not answer
    """
    from undercroft.cli import output

    if max_lag is None:
        max_lag = dt.timedelta(seconds=3 * settings.interval + settings.lag + 300)
    lines = _lines(settings, max_lag)
    if output_format == "json":
        click.echo(output.json_text({"is_well": all(line.is_well for line in lines), "meters": lines}))
    else:
        shown = [
            (
                line.filter, line.meter, line.position or "", "" if line.lag_seconds is None else f"{line.lag_seconds:,.0f} s",
                line.rows, line.refused, _sign(line), line.error or "",
            )
            for line in lines
        ]  # fmt: skip
        output.table(("filter", "meter", "point", "lag", "rows", "refused", "", "last error"), shown)
    if not all(line.is_well for line in lines):
        raise Exit(failures.FAILED)


def _lines(settings: Settings, max_lag: dt.timedelta) -> list[Line]:
    """A line for each meter that is configured by its name, or has a point or a failure."""
    from undercroft.core import time
    from undercroft.export.query import is_pattern
    from undercroft.export.settings import endpoint_id
    from undercroft.export.target import Target

    endpoint = endpoint_id(_endpoint(settings))
    with contextlib.closing(Target(settings)) as target:
        points, failures_ = target.points(endpoint), target.failures(endpoint)
    now = time.now().replace(tzinfo=None)
    configured_units = [(endpoint, each.name, meter) for each in settings.filters for meter in each.meters if not is_pattern(meter)]
    names = {each.name for each in settings.filters}
    units = dict.fromkeys(tuple(unit) for unit in (*configured_units, *sorted({*points, *failures_})) if unit[1] in names)
    return [_line(Unit(*unit), points.get(Unit(*unit)), failures_.get(Unit(*unit)), now, max_lag) for unit in units]


def _endpoint(settings: Settings) -> str:
    """The endpoint whose points are meant; Keystone is asked where only its catalogue names it."""
    from undercroft.export.login import login

    if settings.endpoint is not None:
        return settings.endpoint
    with contextlib.closing(login(settings)) as logged_in:
        found: str = logged_in.endpoint
        return found


def _line(unit: Unit, point: Point | None, failure: Failure | None, now: dt.datetime, max_lag: dt.timedelta) -> Line:
    # A failure that a success has followed is over.
    if failure and point and failure.at and point.updated and failure.at < point.updated:
        failure = None
    lag = None if point is None else now - point.position
    return Line(
        unit.filter,
        unit.meter,
        position=_aware(None if point is None else point.position),
        lag_seconds=None if lag is None else lag.total_seconds(),
        rows=0 if point is None else point.rows,
        refused=0 if point is None else point.refused,
        updated=_aware(None if point is None else point.updated),
        error=None if failure is None else failure.text,
        error_at=_aware(None if failure is None else failure.at),
        # A point ahead of the clock means that the clock was, or is, wrong, and that nothing is read.
        is_well=lag is not None and -_AHEAD <= lag <= max_lag and failure is None,
    )


def _sign(line: Line) -> str:
    if line.is_well:
        return "ok"
    if line.error:
        return "FAILS"
    return "AHEAD" if line.lag_seconds is not None and line.lag_seconds < 0 else "LAGS"


def _aware(moment: dt.datetime | None) -> dt.datetime | None:
    return None if moment is None else moment.replace(tzinfo=dt.UTC)

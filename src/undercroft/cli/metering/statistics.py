"""`undercroft meter statistics`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Unpack

import rich_click as click

from undercroft.cli import spans, stores
from undercroft.cli.metering import selection

if TYPE_CHECKING:
    from undercroft.metering import Aggregate, Statistics

# Of a number in a table; JSON and CSV have every digit.
_PLACES = 6
_SMALL, _LARGE = 1e-6, 1e18


@click.command()
@stores.option("metering")
@selection.options
@click.option("--period", callback=spans.option(bare="s"), metavar="SPAN", help="A row for each period: 10m, 1h, 1d.")
@click.option(
    "--groupby",
    multiple=True,
    metavar="FIELD[,FIELD...]",
    help="A row for each value of resource_id, project_id, user_id, source or resource_metadata.instance_type.",
)
@click.option(
    "--aggregate",
    multiple=True,
    metavar="FUNCTION[,FUNCTION...]",
    help="max, min, avg, sum, count, stddev, or cardinality/FIELD, the number of different values of resource_id, project_id or "
    "user_id. Default: max, min, avg, sum, count.",
)
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True, help="How to print."
)
def statistics(
    store: str | None,
    period: dt.timedelta | None,
    groupby: tuple[str, ...],
    aggregate: tuple[str, ...],
    form: str,
    **asked: Unpack[selection.Which],
) -> None:
    """Compute statistics of a meter's samples: one row for each unit, group and period that has samples.

    Periods are counted from --begin, or from the first sample. A table rounds to six places; JSON and CSV have every digit.

    \b
    Examples:
      undercroft meter statistics --meter cpu_util --begin 2026-01-01 --end 2026-01-02 --period 1h
      undercroft meter statistics --meter cpu_util --groupby resource_id --aggregate avg,max,stddev --format csv
      undercroft meter statistics --meter instance --period 1d --aggregate cardinality/resource_id --groupby project_id
    """
    from undercroft.cli import output
    from undercroft.core import cells
    from undercroft.metering.query import STANDARD

    if asked["meter"] is None:
        raise click.UsageError("--meter NAME is required; `undercroft meter list --unique` lists the names")
    fields = _names(groupby)
    wanted = _aggregates(_names(aggregate))
    seconds = None if period is None else period / dt.timedelta(seconds=1)
    with stores.opened(store, "metering") as opened:
        found = list(opened.get_meter_statistics(selection.sample_filter(asked), seconds, fields or None, wanted or None))
    if form == "json":
        click.echo(output.json_text([_utc(row.as_dict()) for row in found]))
    measures = [f"{each.func}/{each.param}" if each.param else each.func for each in wanted] or list(STANDARD)
    columns = ["period_start", "period_end", *fields, "unit", *measures]
    rows = [_row(row, fields, measures) for row in found]
    if form == "csv":
        with output.target(None) as out:
            cells.write_csv(out, columns, (["" if value is None else value for value in row] for row in rows), raw=False)
    elif form == "table" and rows:
        output.table(columns, _rounded(rows))
    if not found:
        stores.note("no samples found")


def _names(given: Sequence[str]) -> list[str]:
    return [name.strip() for part in given for name in part.split(",") if name.strip()]


def _aggregates(names: Sequence[str]) -> list[Aggregate]:
    from undercroft.metering import Aggregate

    found = []
    for name in names:
        func, _, param = name.partition("/")
        found.append(Aggregate(func, param or None))
    return found


def _utc(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.replace(tzinfo=dt.UTC) if isinstance(value, dt.datetime) else value for name, value in row.items()}


def _row(row: Statistics, fields: Sequence[str], measures: Sequence[str]) -> list[Any]:
    values = _utc(row.as_dict())
    groups = values["groupby"] or {}
    return [
        values["period_start"],
        values["period_end"],
        *(groups.get(field) for field in fields),
        values["unit"],
        *(values[name] for name in measures),
    ]


def _rounded(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Rows for people: columns of numbers have few digits behind the point, and nothing for null."""
    return [["" if value is None else _short(value) if isinstance(value, float) else value for value in row] for row in rows]


def _short(value: float) -> Decimal | str:
    if value and not _SMALL <= abs(value) < _LARGE:
        return repr(value)
    return round(Decimal(repr(value)), _PLACES).normalize()

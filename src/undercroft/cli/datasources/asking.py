"""`undercroft datasource get` and `series`: values of resources, and where they come from."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click
from click.exceptions import Exit

from undercroft.cli import reporting, spans, stores

if TYPE_CHECKING:
    from undercroft.datasources import Explanation

F = TypeVar("F", bound=Callable[..., Any])
_SECOND = dt.timedelta(seconds=1)
KIND = "datasources"


def _meter(_ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    from undercroft.core import names
    from undercroft.datasources import METERS

    if value not in METERS:
        raise click.BadParameter(names.unknown("meter", value, METERS))
    return value


def _asked(command: F) -> F:
    """Arguments and options of a question about a meter."""
    for add in (
        click.option("--granularity", callback=spans.option(bare="s"), metavar="SPAN", help="Stored resolution to read: 60s."),
        click.option("--vcpus", type=click.FloatRange(0, min_open=True), help="Of the instances, for their CPU use. Default: 1."),
        stores.option(KIND),
        click.argument("meter", callback=_meter),
    ):
        command = add(command)
    return command


@click.command()
@_asked
@click.argument("resources", nargs=-1, required=True, metavar="RESOURCE...")
@click.option("--period", callback=spans.option(bare="s"), default="5m", show_default=True, metavar="SPAN", help="How far back.")
@click.option(
    "--aggregate", type=click.Choice(["mean", "min", "max", "count"]), default="mean", show_default=True, help="Of all samples."
)
@reporting.option("table", "How to print.")
def get(
    meter: str,
    resources: tuple[str, ...],
    store: str | None,
    period: dt.timedelta,
    aggregate: str,
    granularity: dt.timedelta | None,
    vcpus: float | None,
    output_format: str,
) -> None:
    """Get a meter of resources, and tell from which samples each value is made, and how old they are.

    RESOURCE is the uuid of an instance, or the name of a host, as METER is of the one or the other.

    \b
    Examples:
      undercroft datasource get host_power compute-1.example.org --period 10m --store prometheus://127.0.0.1:9090
      undercroft datasource get instance_cpu_usage 1b9c4ae2-7b4d-4a4c-8f4b-5d1f0c6a3f11 --vcpus 4 --aggregate max

    \b
    Exit codes:
      0    every resource has a value
      1    some have none; the note says why
    """
    from undercroft.cli import output

    with stores.opened(store, KIND) as source:
        wanted = _referred(meter, resources, vcpus)
        found = source.explain_batch(wanted, None, meter, period / _SECOND, aggregate, _seconds(granularity))
    if output_format == "json":
        click.echo(output.json_text([dataclasses.asdict(each) for each in found]))
    else:
        columns = ("resource", "value", "unit", "samples", "last", "age", "metric", "note")
        output.table(columns, [_row(each) for each in found])
    if any(each.value is None for each in found):
        raise Exit(1)


def _row(found: Explanation) -> tuple[Any, ...]:
    return (
        found.resource, _shown(found.value), found.unit, found.samples, found.last or "",
        "" if found.age is None else f"{found.age:.0f} s", found.metric, found.note or "",
    )  # fmt: skip


@click.command()
@_asked
@click.argument("resource")
@click.option("--begin", metavar="TIME", help="From this moment on, UTC where it has no zone. Default: an hour before the end.")
@click.option("--end", metavar="TIME", help="Up to this moment. Default: now.")
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True, help="How to print."
)
def series(
    meter: str,
    resource: str,
    store: str | None,
    begin: str | None,
    end: str | None,
    granularity: dt.timedelta | None,
    vcpus: float | None,
    form: str,
) -> None:
    """Print a meter of one resource over time.

    \b
    Examples:
      undercroft datasource series host_inlet_temp compute-1 --begin 2026-01-01T08:00 --end 2026-01-01T09:00
      undercroft datasource series instance_ram_usage 1b9c4ae2-7b4d-4a4c-8f4b-5d1f0c6a3f11 --format csv
    """
    from undercroft.cli import output
    from undercroft.core import cells, time
    from undercroft.datasources import METERS

    first, last = (None if text is None else time.parse(text, name) for name, text in (("--begin", begin), ("--end", end)))
    with stores.opened(store, KIND) as source:
        (reference,) = _referred(meter, [resource], vcpus)
        found = source.statistic_series(reference, None, meter, first, last, _seconds(granularity))
    columns = ("time", f"{meter}, {METERS[meter].unit}")
    if form == "json":
        click.echo(output.json_text([{"time": moment, "value": value} for moment, value in found.items()]))
    elif form == "csv":
        with output.target(None) as out:
            cells.write_csv(out, list(columns), (list(row) for row in found.items()), raw=False)
    elif found:
        output.table(columns, [(moment, _shown(value)) for moment, value in found.items()])
    if not found:
        stores.note("no samples found")


def _referred(meter: str, names: Sequence[str], vcpus: float | None) -> list[dict[str, Any]]:
    """Resources as mappings, by what the meter is of."""
    from undercroft.datasources import METERS

    if METERS[meter].of == "instance":
        return [{"uuid": name, "vcpus": vcpus or 1} for name in names]
    return [{"hypervisor_hostname": name} for name in names]


def _seconds(span: dt.timedelta | None) -> float | None:
    return None if span is None else span / _SECOND


def _shown(value: float | None) -> Decimal | str:
    return "" if value is None else Decimal(repr(value)).normalize()

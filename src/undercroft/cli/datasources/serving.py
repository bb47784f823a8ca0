"""`undercroft datasource list` and `doctor`: what a source serves, and whether strategies can run on it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import rich_click as click

from undercroft.cli import examining, reporting, spans, stores

if TYPE_CHECKING:
    from undercroft.core.findings import Finding
    from undercroft.datasources import DataSourceBase, Survey

KIND = "datasources"
_SECOND = dt.timedelta(seconds=1)
# Samples older than this part of the period are worth a look.
_STALE = 0.5


@click.command(name="list")
@stores.option(KIND)
@reporting.option("table", "How to print.")
def list_(store: str | None, output_format: str) -> None:
    """List the meters that a source serves, with their units and the metric that each is read from.

    It asks the backend nothing.

    \b
    Examples:
      undercroft datasource list --store sqlite:///metering.db
      undercroft datasource list --store 'prometheus://127.0.0.1:9090?host_power=ipmi_power_watts' --format json
    """
    from undercroft.cli import output
    from undercroft.datasources import METERS

    with stores.opened(store, KIND) as source:
        found = source.capabilities()
    if output_format == "json":
        click.echo(output.json_text(found))
        return
    rows = [
        (name, METERS[name].of, told["unit"], told["kind"], told["source"], METERS[name].does)
        for name, told in found["meters"].items()
    ]
    output.table(("meter", "of", "unit", "kind", "metric", "what it measures"), rows)


@click.command()
@stores.option(KIND)
@click.option(
    "--period",
    callback=spans.option(bare="s"),
    default="1h",
    show_default=True,
    metavar="SPAN",
    help="How old samples may be.",
)
@reporting.option("table")
def doctor(store: str | None, period: dt.timedelta, output_format: str) -> None:
    """Tell for each strategy of Watcher which of its meters are served, from where, how fresh, and for how many resources.

    \b
    Examples:
      undercroft datasource doctor --store prometheus://127.0.0.1:9090
      undercroft datasource doctor --period 10m --format json | jq '.[] | select(.level != "ok")'

    \b
    Exit codes:
      0    every strategy has what it reads
      1    some do not, or samples are old
      2    the source does not answer
    """
    with stores.opened(store, KIND) as source:
        examining.report(list(_findings(source, period / _SECOND)), output_format)


def _findings(source: DataSourceBase, period: float) -> Iterator[Finding]:
    from undercroft.core import findings
    from undercroft.datasources import METERS
    from undercroft.datasources.strategies import STRATEGIES

    if source.check_availability() != "available":
        yield findings.error(
            "availability", f"{source.NAME} does not answer", "see that the URL, the login and the server are right"
        )
        return
    yield findings.ok("availability", f"{source.NAME} answers")
    served = source.capabilities()["meters"]
    surveys: dict[str, Survey | None] = {name: source.survey(name, period) for name in METERS if name in served}
    for strategy, needed in STRATEGIES.items():
        of_meters = {name: _meter(f"{strategy}: {name}", served.get(name), surveys.get(name), period) for name in needed}
        wrong = [name for name, found in of_meters.items() if found.level != findings.Level.OK]
        if wrong:
            yield findings.warning(strategy, f"cannot run as it is meant to: see {', '.join(wrong)}", "see the lines below")
        else:
            yield findings.ok(strategy, "can run: what it reads is served and fresh")
        yield from of_meters.values()


def _meter(check: str, served: dict[str, Any] | None, survey: Survey | None, period: float) -> Finding:
    from undercroft.core import findings, time
    from undercroft.core.plural import number

    if served is None:
        return findings.warning(check, "not served", "choose a source that has it, or name its metric in the URL")
    if served["kind"] == "inventory":
        return findings.ok(check, f"from {served['source']}: what the resource itself says")
    if survey is None:
        return findings.error(check, f"{served['source']}: the source does not answer", "its log, and ours, say more")
    if survey.newest is None:
        return findings.warning(check, f"{served['source']}: no sample within {period:g} s", "see that it is measured")
    age = (time.now() - survey.newest) / _SECOND
    told = f"{served['source']}: {number(survey.resources, 'resources')}, the last sample {age:.0f} s old"
    if age > period * _STALE:
        return findings.warning(check, told, "see whether it is still measured")
    return findings.ok(check, told)

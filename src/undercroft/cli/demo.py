"""`undercroft demo`: store the samples of a day of real machines, rate and sum them, and draw the day."""

from __future__ import annotations

import os
import pathlib
import shlex
import shutil
import sys
from typing import TYPE_CHECKING

import rich_click as click
from click.exceptions import Exit

from undercroft.cli import failures

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from undercroft.demo.figures import Cost, Figures
    from undercroft.demo.prices import Prices
    from undercroft.demo.relay import Relayed
    from undercroft.demo.traces import Machine
    from undercroft.metering import Store
    from undercroft.rating import BaseStorage


@click.command()
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=pathlib.Path),
    default=pathlib.Path("demo-out"),
    show_default=True,
    help="Folder of the page, and of the stores unless --store names one.",
)
@click.option("--store", metavar="URL", help="Another store. Default: sqlite:///OUTPUT/rating.db.")
@click.option("--events", metavar="URL", help="Another store of events. Default: that of --store, else sqlite:///OUTPUT/events.db.")
@click.option(
    "--metering", metavar="URL", help="Another store of samples. Default: that of --store, else sqlite:///OUTPUT/metering.db."
)
@click.option(
    "--messaging", metavar="URL", help="Another store of messages. Default: that of --store, else sqlite:///OUTPUT/messaging.db."
)
def demo(output: pathlib.Path, store: str | None, events: str | None, metering: str | None, messaging: str | None) -> None:
    """Store a day of 1,052 real virtual machines as samples, rate it from there, sum it, and draw it.

    Takes the CPU readings of PlanetLab's CoMon project (3 March 2011, every five minutes, as distributed with CloudSim), stores
    them as samples, reads those again, makes hourly rated usage of them by a small price list, pushes it through the storage
    contract and prints totals by project, by type and by hour. The total must equal a recomputation straight from the file, else
    the exit code is 1. Writes OUTPUT/index.html, a page that needs nothing else. Running it again changes nothing.

    140 notifications of OpenStack Nova, spread over the day, go to a store of events; the page shows them by hour.
    They are also posted to a queue and claimed by three processes. One is killed in the middle; its messages come back when its
    claim ends, and each message is finished once, else the exit code is 1.

    \b
    Examples:
      undercroft demo
      undercroft demo --output day --store postgresql://undercroft@127.0.0.1/undercroft
    """
    import undercroft
    from undercroft.cli import output as out
    from undercroft.cli import stores
    from undercroft.demo import figures, happenings, measurements, page, prices, recount, relay, traces
    from undercroft.rating.numbers import plain

    output.mkdir(parents=True, exist_ok=True)
    url = store or f"sqlite:///{output / 'rating.db'}"
    metering = metering or store or f"sqlite:///{output / 'metering.db'}"
    listed, machines = prices.load(), traces.machines()
    with stores.opened(metering, "metering") as measured, stores.opened(url, "rating") as storage:
        measured.upgrade()
        _record(measured, machines, listed)
        use = measurements.use(measured)
        storage.init()
        _push(storage, measured, listed)
        found = figures.ask(storage)
        samples = measurements.count(measured)
    events = events or store or f"sqlite:///{output / 'events.db'}"
    with stores.opened(events, "events") as happened:
        happened.upgrade()
        happened.record_events(happenings.events())
        counted = happenings.by_hour(happened)
    _print(found, listed.currency)
    recounted = recount.grand_total()
    drawn = output / "index.html"
    with out.target(str(drawn)) as text:
        text.write(page.render(found, listed, recounted, counted, use, samples, undercroft.__version__))
    total, again = (out.number(plain(value)) for value in (found.total, recounted))
    click.echo(f"Total of the store:          {total} {listed.currency}")
    click.echo(f"Recomputed from the file:    {again} {listed.currency}")
    if found.total != recounted:
        click.echo("error: the two totals differ; does the store hold other points of 3 March 2011?", err=True)
        raise Exit(failures.FAILED)
    click.echo("Both agree, to the last digit.\n")
    click.echo(f"Samples: {samples:,} of {len(machines):,} machines")
    click.echo(f"Events:  {sum(sum(kinds.values()) for kinds in counted.values()):,} of OpenStack Nova")
    messaging = messaging or store or f"sqlite:///{output / 'messaging.db'}"
    with stores.opened(messaging, "messaging") as queues:
        queues.init()
        _tell(relay.run(queues, messaging))
    click.echo(f"Page:    {drawn}")
    _next(url, events, metering, messaging)


def _tell(relayed: Relayed) -> None:
    from undercroft.demo import relay, relay_worker

    lost = relayed.claimed - relay.DIES_AFTER
    click.echo(f"Queue:   {relayed.posted:,} messages posted, claimed by {relay.WORKERS} processes")
    left = f"{lost} of its {relayed.claimed} messages unfinished"
    click.echo(f"         one was killed with {left}; after {relay_worker.TTL} s these came back")
    click.echo(f"         {relayed.finished:,} messages finished{', each once' if relayed.is_once else ''}")
    if not relayed.is_once:
        click.echo("error: not every message was finished once; does another process work on this queue?", err=True)
        raise Exit(failures.FAILED)


def _record(store: Store, machines: Sequence[Machine], listed: Prices) -> None:
    from undercroft.cli import progress
    from undercroft.demo import measurements, traces

    with progress.bar("Storing samples", traces.HOURS + 1) as show:
        stored = 0
        for done, batch in enumerate(measurements.batches(machines, listed), start=1):
            store.record_metering_data_batch(batch)
            stored += len(batch)
            show(done, f"{stored:,} samples")
        store.maintain()
    click.echo(f"{len(machines):,} virtual machines, {traces.HOURS} hours, 2 meters: {stored:,} samples")


def _push(storage: BaseStorage, measured: Store, listed: Prices) -> None:
    from undercroft.cli import progress
    from undercroft.demo import measurements, traces, usage

    with progress.bar("Rating hours", traces.HOURS) as show:
        pushed = 0
        for done, frames in enumerate(usage.frames(measurements.counters(measured), listed), start=1):
            storage.push(frames)
            pushed += sum(len(points) for frame in frames for _, points in frame.itertypes())
            show(done, f"{pushed:,} points")
    click.echo(f"Rated from the stored samples, {traces.HOURS} hours, 2 metric types: {pushed:,} points")


def _print(found: Figures, currency: str) -> None:
    from undercroft.cli import output as out

    def row(name: str, cost: Cost) -> tuple[str, Decimal, Decimal, Decimal, Decimal]:
        return name, cost.cpu_hours, cost.instance, cost.cpu, cost.total

    head = ("CPU hours", f"instance, {currency}", f"cpu, {currency}", f"total, {currency}")
    out.table(("project", *head), [row(name, cost) for name, cost in sorted(found.by_project.items())], "By project")
    types = [
        ("instance", found.day.machine_hours, "machine hours", found.day.instance),
        ("cpu", found.day.cpu_hours, "CPU hours", found.day.cpu),
    ]
    out.table(("type", "quantity", "of", f"total, {currency}"), types, "By type")
    out.table(("hour, UTC", *head), [row(f"{hour:02}:00", cost) for hour, cost in found.by_hour.items()], "By hour")


def _next(rating: str, events: str, metering: str, messaging: str) -> None:
    # `make demo` runs the program of an environment that is not on the path.
    here = pathlib.Path(sys.executable).with_name("undercroft")
    program = "undercroft" if shutil.which("undercroft") else os.path.relpath(here)
    click.echo("\nTry next:")
    for command, url, rest in (
        ("rating total", rating, "--begin 2011-03-03 --end 2011-03-04 --by project_id,type"),
        (
            "rating total",
            rating,
            "--begin 2011-03-03T08:00 --end 2011-03-03T12:00 --by flavor_id,time --filter project_id=project-07 --format csv",
        ),
        ("meter statistics", metering, "--meter cpu_util --begin 2011-03-03 --end 2011-03-04 --period 1h"),
        ("meter resources", metering, "--project project-07 --limit 5"),
        ("events list", events, "--where 'event_type ^= \"instance.\" and memory_mb >= 512' --limit 5"),
        ("events count", events, "--by event_type --interval 6h --format csv"),
        ("queue list", messaging, "--project demo"),
    ):
        click.echo(f"  {program} {command} --store {_shown(url)} {rest}")


def _shown(url: str) -> str:
    from undercroft.core.url import redacted

    hidden = redacted(url)
    return shlex.quote(hidden if ":***@" in hidden else url)

"""`undercroft events import-panko` and `panko-views`: from Panko's database, and for what was written for it."""

from __future__ import annotations

import pathlib
import time as clock
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import rich_click as click

from undercroft.cli import stores
from undercroft.cli.events import gaps
from undercroft.cli.state import store_name
from undercroft.core import time
from undercroft.core.plural import number
from undercroft.core.statefile import StateFile

if TYPE_CHECKING:
    from undercroft.events.contract import Store
    from undercroft.events.panko import Source

STATE = "undercroft-import-panko.state"
# Ids that are read again after a version that kept no gaps.
_AGAIN = 10_000


class Progress(msgspec.Struct, kw_only=True):
    """How far an import has come.

    Attributes:
        source, store: the two databases, without passwords.
        last: id of the last event that the store acknowledged, or refused.
        events: how many were read.
        refused: how many of them the store cannot hold.
        gaps: ids below `last` that had no event and are asked for again; None in a file of a version that did not keep them.
    """

    source: str
    store: str
    last: int = 0
    events: int = 0
    refused: int = 0
    gaps: list[gaps.Gap] | None = None


@click.command("import-panko")
@click.argument("source", metavar="URL")
@stores.option("events")
@click.option("--state", metavar="FILE", default=STATE, show_default=True, help="Where the import keeps how far it has come.")
@click.option("--restart", is_flag=True, help="Begin anew, whatever an earlier run has brought over.")
def import_panko(source: str, store: str | None, state: str, restart: bool) -> None:
    """Bring the events of a Panko database over: its [database] connection, of the SQLAlchemy driver.

    Message ids stay, so repeating does no harm, and events that are there already stay as they are. When the import breaks off, the
    same command goes on. Panko may run during the import: the same command brings over what it has stored since, and
    what a transaction that was open then has committed within a day.

    \b
    Examples:
      undercroft events import-panko mysql+pymysql://panko@127.0.0.1/panko --store sqlite:////var/lib/undercroft/events.db
      undercroft events import-panko sqlite:////var/lib/panko/panko.sqlite
    """
    from undercroft.events.panko import Source

    with Source(source) as panko:
        file = StateFile(pathlib.Path(state), Progress)
        began = clock.monotonic()
        progress = _bring_over(panko, store, file, restart)
    refused = f", {progress.refused:,} that cannot be stored (the log says which)" if progress.refused else ""
    click.echo(f"{panko.place}: {number(progress.events, 'events')}{refused}, {clock.monotonic() - began:.1f} s")


def _bring_over(panko: Source, store: str | None, file: StateFile[Progress], restart: bool) -> Progress:
    from undercroft.cli import progress as bars
    from undercroft.core.errors import ConfigInvalid

    name = store_name(stores.url(store, "events"))
    done = (None if restart else file.load()) or Progress(source=panko.place, store=name)
    if (done.source, done.store) != (panko.place, name):
        raise ConfigInvalid(f"{file.path}: is of the import from {done.source} to {done.store}; --restart begins anew")
    try:
        with stores.opened(store, "events") as target, bars.bar("Events", done.events + panko.count(done.last)) as show:

            def keep() -> None:
                file.save(done)
                show(done.events, number(done.events, "events"))

            _fill(panko, target, done, keep)
            for batch in panko.batches(done.last):
                done.refused += sum(each.error is not None for each in target.store_events(batch.events))
                done.events += len(batch.ids)
                seen = gaps.without([gaps.Gap(done.last + 1, batch.last, time.now())], batch.ids)
                done.gaps, done.last = [*(done.gaps or ()), *seen][-gaps.MOST :], batch.last
                keep()
    except BaseException as error:
        error.add_note(f"{number(done.events, 'events')} brought over; the same command goes on from there")
        raise
    return done


def _fill(panko: Source, target: Store, done: Progress, keep: Callable[[], None]) -> None:
    """Bring over what has come into the gaps that earlier runs saw; gaps that are too old are then forgotten."""
    if done.gaps is None:
        done.gaps = [gaps.Gap(max(1, done.last - _AGAIN + 1), done.last, time.now())] if done.last else []
    began = time.now()
    for batch in panko.within([(gap.first, gap.last) for gap in done.gaps]):
        outcomes = target.store_events(batch.events)
        refused = sum(each.error is not None for each in outcomes)
        # One that is known was counted when it was read first.
        done.events, done.refused = done.events + refused + sum(each.is_new for each in outcomes), done.refused + refused
        done.gaps = gaps.without(done.gaps, batch.ids)
        keep()
    done.gaps = gaps.young(done.gaps, began)
    keep()


@click.command("panko-views")
@stores.option("events")
@click.option("--drop", is_flag=True, help="Remove the views.")
def panko_views(store: str | None, drop: bool) -> None:
    """Make views with the names and columns of Panko's tables, so that a query that was written for them runs here.

    Reading a page through them takes longer than asking us for it. SQL databases only; they must have no tables of these names.

    \b
    Examples:
      undercroft events panko-views --store sqlite:///events.db
      undercroft events panko-views --drop
    """
    from undercroft.core.errors import Unsupported

    with stores.opened(store, "events") as target:
        if not hasattr(target, "create_panko_views"):
            raise Unsupported(f"{type(target).__module__} has no views")
        if drop:
            target.drop_panko_views()
            click.echo("the views are gone")
        else:
            click.echo(f"views: {', '.join(target.create_panko_views())}")

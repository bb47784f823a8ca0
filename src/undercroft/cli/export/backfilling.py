"""`undercroft export backfill`: samples of a time that the worker has passed."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from typing import TYPE_CHECKING

import rich_click as click
from click.exceptions import Exit

from undercroft.cli import failures, reporting
from undercroft.cli.export import configured

if TYPE_CHECKING:
    from undercroft.export.settings import Settings


@click.command()
@click.option("--from", "begin", required=True, metavar="TIME", help="First timestamp, ISO 8601; UTC unless it has an offset.")
@click.option("--to", "end", metavar="TIME", help="Timestamp before which to end. Default: now less `lag`.")
@click.option("--filter", "filters", multiple=True, metavar="NAME", help="Only this filter; may be repeated.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to log, on stderr.")
@reporting.option("text")
@configured.options
@click.pass_context
def backfill(
    ctx: click.Context,
    settings: Settings,
    begin: str,
    end: str | None,
    filters: tuple[str, ...],
    log_format: str,
    output_format: str,
) -> None:
    """Read a stretch of time again, and store what is missing: samples that came later than `overlap` reaches back.

    Points stay where they are, and what is in the table stays as it is: it may run beside the worker, and be repeated. It goes day
    by day; interrupted, it tells from where to go on.

    \b
    Examples:
      undercroft export backfill export.ini --from 2026-11-01 --to 2026-11-08
      undercroft export backfill export.ini --from 2026-11-01T12:00:00+01:00 --filter servers
    """
    from undercroft.cli import logs, output, progress, stores
    from undercroft.cli.export.reporting import WHOLE, followed
    from undercroft.cli.export.signals import stopping
    from undercroft.core import deadline, time
    from undercroft.core.errors import InvalidInput
    from undercroft.core.names import unknown
    from undercroft.export.backfill import Backfill
    from undercroft.export.storing import Storing, Window

    now = time.now().replace(tzinfo=None)
    window = Window(
        time.parse(begin, "--from").replace(tzinfo=None),
        now - dt.timedelta(seconds=settings.lag) if end is None else time.parse(end, "--to").replace(tzinfo=None),
    )
    if window.begin >= window.end:
        raise InvalidInput("--from", f"{window.begin.isoformat()} is not before --to, {window.end.isoformat()}")
    known = [each.name for each in settings.filters]
    for name in filters:
        if name not in known:
            raise InvalidInput("--filter", unknown("filter", name, known))
    stop, hang_up = threading.Event(), deadline.HangUp()
    totals = None
    with (
        deadline.until(hang_up),
        configured.opened(settings) as (source, target, _),
        progress.bar("exporting", WHOLE, in_percent=True) as show,
    ):
        handler = logs.start(log_format, debug=bool(ctx.find_root().params.get("debug")))
        ctx.call_on_close(lambda: logging.getLogger().removeHandler(handler))
        storing = Storing(target, hang_up)
        work = Backfill(settings, source, target, storing, stop)
        with stopping(stop, hang_up, lambda: storing.is_under_way):
            totals = followed(work.run(window, filters), show)
    if stop.is_set() or totals is None:
        click.echo("interrupted", err=True)
        if work.reached is not None:
            stores.note(f"everything before {work.reached.isoformat()} is stored; go on with --from {work.reached.isoformat()}")
        raise Exit(failures.INTERRUPTED)
    if output_format == "json":
        refused = {name: str(error) for name, error in work.refused.items()}
        click.echo(output.json_text({"totals": totals, "problems": refused}))
    else:
        click.echo(totals.words)
    if work.refused:
        raise Exit(failures.FAILED)

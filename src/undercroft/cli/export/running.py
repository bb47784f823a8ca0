"""`undercroft export run`: the worker itself."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import rich_click as click
from click.exceptions import Exit

from undercroft.cli import failures, reporting
from undercroft.cli.export import configured

if TYPE_CHECKING:
    from undercroft.core.errors import UndercroftError
    from undercroft.export.settings import Settings


@click.command()
@click.option("--once", is_flag=True, help="Do one round, and end.")
@click.option("--dry-run", is_flag=True, help="Do one round, store nothing, and tell what would be read.")
@click.option(
    "--metrics", metavar="[HOST:]PORT", help="Serve counters in Prometheus' form, on this machine unless a host is given."
)
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to log, on stderr.")
@reporting.option("text", "How --once and --dry-run report.")
@configured.options
@click.pass_context
def run(
    ctx: click.Context, settings: Settings, once: bool, dry_run: bool, metrics: str | None, log_format: str, output_format: str
) -> None:
    """Read what is new, store it, move the points on; again each `interval`, until SIGTERM or SIGINT.

    Each sample is in the table exactly once, whatever is killed on the way: rows and points are committed together, and the table's
    key leaves out what is there already. Temporary failures are tried again for as long as `retries` allows, by default for ever.

    \b
    Examples:
      undercroft export run /etc/undercroft/export.ini
      undercroft export run export.ini --metrics 9109 --log-format json 2>> export.log
      undercroft export run export.ini --once --retries 5
      undercroft export run export.ini --dry-run

    \b
    Exit codes:
      0    stopped by a signal, or --once is done
      1    with --once: a filter was refused, a login failed, or the metrics have moved
      2    the configuration or the table is wrong: mend it first
      75   with --once: it failed as often as `retries` allows; the same command may work later
    """
    from undercroft.cli import logs, output, progress
    from undercroft.cli.export.reporting import WHOLE, followed
    from undercroft.cli.export.signals import stopping
    from undercroft.core import deadline
    from undercroft.core.plural import number
    from undercroft.export.storing import Storing
    from undercroft.export.worker import Worker

    ends_after_a_round = once or dry_run
    stop, hang_up = threading.Event(), deadline.HangUp()
    storing = None
    with (
        stopping(stop, hang_up, lambda: storing is not None and storing.is_under_way),
        deadline.until(hang_up),
        configured.opened(settings, dry=dry_run) as (source, target, _),
        progress.bar("exporting", WHOLE, in_percent=True) as show,
    ):
        handler = logs.start(log_format, debug=bool(ctx.find_root().params.get("debug")))
        ctx.call_on_close(lambda: logging.getLogger().removeHandler(handler))
        storing = Storing(target, hang_up)
        if metrics is not None:
            storing.metrics.serve(metrics)
        worker = Worker(settings, source, target, storing, stop)
        if not ends_after_a_round:
            logging.getLogger("undercroft.export").info("worker begins", extra={"filters": len(settings.filters)})
        totals = followed(worker.run(once=ends_after_a_round), show)
    if stop.is_set():
        return
    if output_format == "json":
        click.echo(
            output.json_text({"totals": totals, "problems": {_name(key): str(error) for key, error in worker.problems.items()}})
        )
    else:
        done = f"{number(totals.read, 'samples')} would be read, nothing was stored" if dry_run else totals.words
        click.echo(f"{number(len(settings.filters), 'filters')}: {done}")
    if worker.problems:
        raise Exit(_exit_code(worker.problems))


def _name(key: Any) -> str:
    return key if isinstance(key, str) else "/".join(key)


def _exit_code(problems: Mapping[Any, UndercroftError]) -> int:
    codes = {failures.exit_code(error) for error in problems.values()}
    # What was refused is not mended by trying again.
    return failures.FAILED if codes - {failures.TRY_AGAIN} else failures.TRY_AGAIN

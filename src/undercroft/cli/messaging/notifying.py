"""`undercroft queue notify`."""

from __future__ import annotations

import contextlib
import logging

import rich_click as click

from undercroft.cli import stopping, stores

LOG = logging.getLogger(__name__)


@click.command()
@stores.option("messaging")
@click.option("--once", is_flag=True, help="End when everything is sent that is due now; what failed is due again later.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to log, on stderr.")
@click.pass_context
def notify(ctx: click.Context, store: str | None, once: bool, log_format: str) -> None:
    """Send posted messages to the subscribers of their queues, until SIGTERM or SIGINT.

    Each message goes to each subscriber at least once; what one does not take is sent again by the retry policy of the subscription
    or the queue. Any number of these processes, and of `undercroft worker`, which does the same, may run on one store. A signal
    lets what is under way be finished. A line in the log each minute says what was done. docs/notifications.md has the rest.

    \b
    Examples:
      undercroft queue notify
      undercroft queue notify --once --store postgresql://undercroft@127.0.0.1/undercroft
      undercroft queue notify --log-format json 2>> notify.log

    \b
    Exit codes:
      0    stopped by a signal, or --once is done, whether receivers took what they were sent or not
      2    the configuration is wrong, or the store is not set up: mend it first
      75   with --once: the store did not answer; the same command may work later
    """
    from undercroft.cli import logs
    from undercroft.core import settings
    from undercroft.messaging.delivery.senders import Senders
    from undercroft.messaging.delivery.worker import worker_of

    handler = logs.start(log_format, debug=bool(ctx.find_root().params.get("debug")))
    ctx.call_on_close(lambda: logging.getLogger().removeHandler(handler))
    with (
        stores.opened(store, "messaging") as opened,
        contextlib.closing(Senders(settings.current())) as sender,
        stopping.until_signal() as stop,
    ):
        worker = worker_of(opened, sender, settings.current())
        if not once:
            LOG.info("notify begins", extra={"parallel": worker.parallel})
        done = worker.run(stop, until_idle=once)
    click.echo(
        f"{done.delivered:,} delivered, {done.failed:,} to be sent again, {done.dropped:,} given up, {done.expired:,} expired"
    )

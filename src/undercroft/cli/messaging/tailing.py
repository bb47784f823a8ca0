"""`undercroft queue tail`."""

from __future__ import annotations

import datetime as dt
import threading
import time

import rich_click as click

from undercroft.cli import exporting, spans, stores
from undercroft.cli.messaging import bodies, options

_PAGE = 1_000
# Seconds that a look waits for more messages; one that answers sooner had no room to wait, and is repeated after the pause.
_WAIT, _PAUSE = 20, 1.0


@click.command()
@options.name
@options.store
@click.option(
    "--marker", metavar="MARKER", help="Begin after this marker, or after the message with this id. Default: the oldest message."
)
@click.option("--new", "only_new", is_flag=True, help="Begin after the newest message that there is.")
@click.option("--follow", is_flag=True, help="Wait for more messages, until an interrupt: each is printed within a second.")
@click.option(
    "--every", "_every", callback=spans.option(bare="s"), metavar="SPAN", help="Deprecated: nothing is looked for in intervals now."
)
def tail(
    queue: str,
    store: str | None,
    project: str | None,
    marker: str | None,
    only_new: bool,
    follow: bool,
    _every: dt.timedelta | None,
) -> None:
    """Print messages in the order of their posting, as JSON lines, claimed and delayed ones included. Nothing is removed.

    At the end the marker goes to stderr: `--marker` goes on there, and neither repeats nor skips a message.

    \b
    Examples:
      undercroft queue tail jobs
      undercroft queue tail jobs --follow --new
      undercroft queue tail jobs --marker 000000000042 --project p1 | jq .body
    """
    from undercroft.cli import output

    if marker and only_new:
        raise click.UsageError("--marker and --new contradict each other")
    with stores.opened(store, "messaging") as opened:
        options.total(opened, queue, project)
        messages, shown = opened.message_controller, bodies.Bodies(opened, queue, project)
        if only_new:
            newest = messages.first(queue, project, -1)
            marker = None if newest is None else newest["id"]
        pause = threading.Event()
        try:
            while True:
                began = time.monotonic()
                page = messages.list(
                    queue, project, marker, _PAGE, echo=True, include_claimed=True, include_delayed=True,
                    wait=_WAIT if follow else None,
                )  # fmt: skip
                found = shown.opened(next(page))
                exporting.show(f"{output.json_line(message)}\n".encode() for message in found)
                marker = next(page)
                if not found:
                    if not follow:
                        break
                    if time.monotonic() - began < _PAUSE:
                        pause.wait(_PAUSE)
        finally:
            click.echo(f"marker: {marker or 'none'}", err=True)

"""`undercroft events import` and `expire`."""

from __future__ import annotations

import re
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

import msgspec
import rich_click as click

from undercroft.cli import stores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from undercroft.events import Event

_SPAN = re.compile(r"([0-9]{1,9})([smhdw])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_AT_ONCE = 2_000


@click.command("import")
@click.argument("files", nargs=-1, metavar="[FILE...|-]", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@stores.option("events")
@click.option(
    "--from", "form", type=click.Choice(["events", "notifications"]), default="events", show_default=True, help="What a line holds."
)
@click.option(
    "--definitions", type=click.Path(dir_okay=False), help="How notifications become events. Default: [events] definitions_file."
)
@click.option("--keep-raw", is_flag=True, help="Notifications: keep the whole of each in its event.")
def import_(files: tuple[str, ...], store: str | None, form: str, definitions: str | None, keep_raw: bool) -> None:
    """Store events from files of JSON lines, or from stdin.

    A line holds an event, as `events export` writes it and Ceilometer sends it; with --from notifications, a notification, which
    becomes an event by the definitions. Events that are there already stay as they are: a broken import is repeated.

    \b
    Examples:
      undercroft events import january.jsonl
      undercroft events import --from notifications --definitions event_definitions.yaml notifications.jsonl
    """
    from undercroft.events import wire

    make: Callable[[Any], Event] = wire.parse
    if form == "notifications":
        from undercroft.core import settings
        from undercroft.events.definitions import Converter

        make = Converter.load(definitions or settings.get("events", "definitions_file"), keep_raw).event
    with stores.opened(store, "events") as opened:
        for file in files or ("-",):
            with click.open_file(file, "rb") as stream:
                stored = known = 0
                lines = _events(stream, "stdin" if file == "-" else file, make)
                while batch := list(islice(lines, _AT_ONCE)):
                    for (place, _), outcome in zip(batch, opened.store_events([event for _, event in batch]), strict=True):
                        if outcome.error is not None:
                            outcome.error.add_note(f"line {place} of {file}")
                            raise outcome.error
                        stored, known = stored + outcome.is_new, known + (not outcome.is_new)
            click.echo(f"{'stdin' if file == '-' else file}: {stored:,} events stored, {known:,} were there")


def _events(stream: IO[bytes], file: str, make: Callable[[Any], Event]) -> Iterator[tuple[int, Event]]:
    from undercroft.core.errors import InvalidInput

    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        try:
            yield number, make(msgspec.json.decode(line))
        except msgspec.DecodeError as error:
            raise InvalidInput(f"{file}, line {number}", f"is not JSON: {error}") from None
        except InvalidInput as error:
            error.add_note(f"line {number} of {file}; what stands in lines far enough before it is stored")
            raise


def _span(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    match = _SPAN.fullmatch(value)
    if match is None or not int(match[1]):
        raise click.BadParameter(f"{value!r} is no time span such as 90d, 12w, 36h")
    return int(match[1]) * _SECONDS[match[2]]


@click.command()
@stores.option("events")
@click.option(
    "--older-than", callback=_span, metavar="SPAN", help="Delete what is older: 90d, 12w, 36h. Default: [events] time_to_live."
)
@click.option("--most", type=click.IntRange(min=1), metavar="COUNT", help="Delete so many at most, the oldest.")
def expire(store: str | None, older_than: int | None, most: int | None) -> None:
    """Delete the events that are older than they are kept for.

    The oldest go first, in batches, so that others read and write meanwhile. `undercroft worker` does this each hour.

    \b
    Examples:
      undercroft events expire --older-than 90d
      undercroft events expire --most 100000
    """
    from undercroft.core import settings

    ttl = older_than or settings.get("events", "time_to_live")
    if ttl <= 0:
        click.echo("everything is kept: [events] time_to_live is not above 0; --older-than names a span")
        return
    with stores.opened(store, "events") as opened:
        gone = opened.clear_expired_data(ttl, most)
    click.echo(f"deleted {gone:,} events")

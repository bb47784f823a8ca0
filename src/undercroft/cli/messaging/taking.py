"""`undercroft queue claim` and `pop`."""

from __future__ import annotations

import datetime as dt

import rich_click as click

from undercroft.cli import exporting, spans, stores
from undercroft.cli.messaging import bodies, options
from undercroft.core.plural import number

_MOST = 10_000


@click.command()
@options.name
@options.store
@click.option(
    "--ttl",
    callback=spans.option(bare="s"),
    metavar="SPAN",
    help="How long the claim lives: 5m. Default: [messaging] default_claim_ttl.",
)
@click.option(
    "--grace",
    callback=spans.option(bare="s"),
    metavar="SPAN",
    help="How much longer than the claim its messages live, at least. Default: [messaging] default_claim_grace.",
)
@click.option("--limit", type=click.IntRange(1, _MOST), default=10, show_default=True, help="Maximum number of messages.")
@click.option(
    "--wait",
    type=click.IntRange(1, 20),
    metavar="SECONDS",
    help="Where no message is free, wait that long for one: 1 to 20 seconds. Default: do not wait.",
)
@click.option("--renew", metavar="CLAIM", help="Renew this claim instead: its life begins again, with --ttl and --grace.")
@click.option("--release", metavar="CLAIM", help="Release this claim instead: others can claim its messages at once.")
@click.option("--finish", metavar="CLAIM", help="Delete the messages of this claim instead: the work is done.")
def claim(
    queue: str,
    store: str | None,
    project: str | None,
    ttl: dt.timedelta | None,
    grace: dt.timedelta | None,
    limit: int,
    wait: int | None,
    renew: str | None,
    release: str | None,
    finish: str | None,
) -> None:
    """Claim the oldest free messages, and print the claim with its messages as JSON.

    Others cannot claim these messages before the claim ends. When the work is done, delete them with --finish; when it will not be
    done, release them with --release. A claim that is neither renewed nor finished ends after its ttl, and its messages can be
    claimed again. Where no message is free, `id` is null. With --wait, the command has a message within a second after it was
    posted, its delay was over, or another claim on it ended.

    \b
    Examples:
      undercroft queue claim jobs --ttl 5m --limit 1
      undercroft queue claim jobs --wait 20 | jq .messages
      undercroft queue claim jobs --renew 4d1fe2 --ttl 10m
      undercroft queue claim jobs --finish 4d1fe2
      undercroft queue claim jobs --release 4d1fe2
    """
    from undercroft.cli import output
    from undercroft.core import settings
    from undercroft.core.errors import UndercroftError

    named = {"--renew": renew, "--release": release, "--finish": finish}
    if len(given := [name for name, value in named.items() if value is not None]) > 1:
        raise click.UsageError(f"{given[0]} and {given[1]} contradict each other")
    if given and wait is not None:
        raise click.UsageError(f"--wait and {given[0]} contradict each other")
    with stores.opened(store, "messaging") as opened:
        claims = opened.claim_controller
        metadata = {
            "ttl": options.seconds(ttl) or settings.get("messaging", "default_claim_ttl"),
            "grace": options.seconds(grace) or settings.get("messaging", "default_claim_grace"),
        }
        if renew is not None:
            claims.update(queue, renew, metadata, project)
            click.echo(f"{renew}: renewed, for {metadata['ttl']} s")
        elif release is not None:
            claims.delete(queue, release, project)
            click.echo(f"{release}: released")
        elif finish is not None:
            _, taken = claims.get(queue, finish, project)
            ids = [message["id"] for message in taken]
            opened.message_controller.bulk_delete(queue, ids, project, claim_ids=[finish])
            click.echo(f"{finish}: {number(len(ids), 'messages')} deleted")
        else:
            shown = bodies.Bodies(opened, queue, project)
            found, messages = claims.create(queue, metadata, project, limit, wait=wait)
            try:
                readable = shown.opened(messages)
            except UndercroftError:
                claims.delete(queue, found, project)
                raise
            click.echo(output.json_text({"id": found, **metadata, "messages": readable}))
            if found is None:
                stores.note("no message is free")


@click.command()
@options.name
@options.store
@click.option("--limit", type=click.IntRange(1, _MOST), default=1, show_default=True, help="Maximum number of messages.")
def pop(queue: str, store: str | None, project: str | None, limit: int) -> None:
    """Remove the oldest free messages, and print them as JSON lines.

    The messages are removed before they are printed: a reader that fails loses them. Where that matters, use `queue claim`.

    \b
    Examples:
      undercroft queue pop jobs
      undercroft queue pop jobs --limit 100 | jq .body
    """
    from undercroft.cli import output

    with stores.opened(store, "messaging") as opened:
        shown, messages = bodies.Bodies(opened, queue, project), opened.message_controller
        # What cannot be decrypted is refused before anything is removed: a queue of dead letters may have messages of others.
        shown.opened(next(messages.list(queue, project, None, limit, echo=True)))
        found = messages.pop(queue, limit, project)
        try:
            found = shown.opened(found)
        finally:
            exporting.show(f"{output.json_line(message)}\n".encode() for message in found)
    if not found:
        stores.note("no message is free")

"""`undercroft queue purge` and `redrive`: commands that work on a whole queue, part by part."""

from __future__ import annotations

import time as clock
from typing import TYPE_CHECKING

import rich_click as click

from undercroft.cli import progress, reporting, stores
from undercroft.cli.messaging import options
from undercroft.core.plural import number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from undercroft.messaging import DataDriverBase

_AT_ONCE = 1_000


@click.command()
@options.name
@options.store
@click.option("--subscriptions", is_flag=True, help="Delete the queue's subscriptions, too.")
@options.look
@options.sure
@reporting.option("text")
def purge(
    queue: str, store: str | None, project: str | None, subscriptions: bool, dry_run: bool, yes: bool, output_format: str
) -> None:
    """Delete every message of a queue, claimed and delayed ones included. The queue and its metadata stay.

    Asks when there are messages. They are deleted in parts, so that others can read and write; after an interrupt, the same command
    continues. Messages that are posted in the meantime may stay.

    \b
    Examples:
      undercroft queue purge jobs --dry-run
      undercroft queue purge jobs --yes
    """
    from undercroft.cli import output

    messages = unsubscribed = 0
    with stores.opened(store, "messaging") as opened:
        if dry_run:
            messages = options.total(opened, queue, project)
        else:
            count = options.confirm(opened, queue, project, yes)
            messages = _in_parts("Deleting", count, _purge(opened, queue, project), "deleted; the same command continues")
            if subscriptions:
                unsubscribed = _unsubscribe(opened, queue, project)
    if output_format == "json":
        click.echo(output.json_text({"queue": queue, "dry_run": dry_run, "messages": messages, "subscriptions": unsubscribed}))
        return
    also = f" and {number(unsubscribed, 'subscriptions')}" if unsubscribed else ""
    click.echo(f"{queue}: {'would delete' if dry_run else 'deleted'} {number(messages, 'messages')}{also}")


def _purge(opened: DataDriverBase, queue: str, project: str | None) -> Iterator[int]:
    """Delete the messages that there are, part by part; how many each part had."""
    messages, began = opened.message_controller, clock.monotonic()
    while True:
        page = messages.list(queue, project, None, _AT_ONCE, echo=True, include_claimed=True, include_delayed=True)
        found = list(next(page))
        # Others may post as fast as this deletes. Ages are whole seconds.
        ids = [message["id"] for message in found if message["age"] + 1 >= clock.monotonic() - began]
        if not ids:
            return
        messages.bulk_delete(queue, ids, project)
        yield len(ids)


def _unsubscribe(opened: DataDriverBase, queue: str, project: str | None) -> int:
    subscriptions, deleted = opened.subscription_controller, 0
    while found := list(next(subscriptions.list(queue, project, None, _AT_ONCE))):
        for each in found:
            subscriptions.delete(queue, each["id"], project)
        deleted += len(found)
    return deleted


@click.command()
@options.name
@options.store
@click.option("--to", "target", required=True, metavar="QUEUE", help="The queue that they go to.")
@click.option("--limit", type=click.IntRange(min=1), metavar="COUNT", help="Move so many at most, the oldest. Default: all.")
@reporting.option("text")
def redrive(queue: str, store: str | None, project: str | None, target: str, limit: int | None, output_format: str) -> None:
    """Move the free messages of a queue, such as a dead letter queue, to another queue of the project.

    They keep id, body and order, go behind the messages that the target has, can be claimed at once, and have a claim count of 0
    and their whole ttl again. Claimed and delayed messages stay. Messages are moved in parts, each in one transaction; after an
    interrupt, the same command continues.

    \b
    Examples:
      undercroft queue redrive jobs-dead --to jobs
      undercroft queue redrive jobs-dead --to jobs --limit 10 --project p1
    """
    from undercroft.cli import output

    with stores.opened(store, "messaging") as opened:
        count = options.total(opened, queue, project)
        options.check_exists(opened, target, project)
        parts = _redrive(opened, queue, target, project, limit)
        moved = _in_parts(
            "Moving",
            count if limit is None else min(limit, count),
            parts,
            f"moved{'; the same command continues' if limit is None else ''}",
        )
    if output_format == "json":
        click.echo(output.json_text({"queue": queue, "to": target, "messages": moved}))
    else:
        click.echo(f"{queue}: {number(moved, 'messages')} moved to {target}")


def _redrive(opened: DataDriverBase, queue: str, target: str, project: str | None, limit: int | None) -> Iterator[int]:
    """Move messages, part by part; how many each part had."""
    left = limit
    while left is None or left > 0:
        moved = opened.message_controller.redrive(queue, target, project, limit=_AT_ONCE if left is None else min(left, _AT_ONCE))
        if not moved:
            return
        left = None if left is None else left - moved
        yield moved


def _in_parts(label: str, count: int, parts: Iterator[int], done: str) -> int:
    """Work part by part, and show how far it is; how much was done.

    Args:
        label: what the progress bar is called.
        count: how many messages there are.
        parts: does the work.
        done: what was done, for the note of an interrupt.
    """
    total = 0
    try:
        with progress.bar(label, count) as show:
            for part in parts:
                total += part
                show(total, "messages")
    except BaseException as error:
        error.add_note(f"{number(total, 'messages')} {done}")
        raise
    return total

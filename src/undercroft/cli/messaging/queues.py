"""`undercroft queue create`, `list`, `show`, `set`, `stats` and `delete`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import rich_click as click

from undercroft.cli import cut, reporting, stores
from undercroft.cli.messaging import metadata, options
from undercroft.core.plural import number

if TYPE_CHECKING:
    from undercroft.messaging import DataDriverBase

_PAGE = 1_000


@click.command()
@options.name
@click.argument("attributes", nargs=-1, metavar="[KEY=VALUE...]")
@options.store
def create(queue: str, attributes: tuple[str, ...], store: str | None, project: str | None) -> None:
    """Create a queue, with metadata. An existing queue stays as it is; `queue set` changes its metadata.

    A value is JSON where it can be read as JSON, and text otherwise. Keys that begin with an underscore are reserved, see
    docs/messaging.md. The queue that _dead_letter_queue names is created, too.

    \b
    Examples:
      undercroft queue create jobs
      undercroft queue create jobs _max_claim_count=3 _dead_letter_queue=jobs-dead team=images
      undercroft queue create letters _enable_encrypt_messages=true --project p1
    """
    given = options.attributes(attributes)
    metadata.check_name(queue)
    metadata.check(given)
    with stores.opened(store, "messaging") as opened:
        made = opened.queue_controller.create(queue, given, project)
        if made:
            metadata.see_to_dead_letters(opened, given, project)
    click.echo(f"{queue}: created" if made else f"{queue}: existed, and is unchanged")


@click.command("list")
@options.store
@click.option(
    "--where", multiple=True, metavar="KEY=VALUE", help="Only queues whose metadata have this value. Repeated: all must hold."
)
@click.option("--after", metavar="QUEUE", help="Begin after this name.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="Maximum number of queues.")
@click.option("--all", "everything", is_flag=True, help="All queues; --limit does not count.")
@click.option(
    "--format", "form", type=click.Choice(["table", "jsonl", "csv"]), default="table", show_default=True, help="How to print."
)
def list_(
    store: str | None,
    project: str | None,
    where: tuple[str, ...],
    after: str | None,
    limit: int,
    everything: bool,
    form: str,
) -> None:
    """List the queues of a project with their metadata, by name. A note on stderr says when there are more.

    \b
    Examples:
      undercroft queue list
      undercroft queue list --project p1 --where team=images
      undercroft queue list --all --format jsonl
    """
    from undercroft.cli import output
    from undercroft.core import cells

    with stores.opened(store, "messaging") as opened:
        most = None if everything else limit
        shown = cut.Cut(_queues(opened, project, after, most, options.attributes(where)), most)
        with output.target(None) as out:
            if form == "jsonl":
                for each in shown:
                    out.write(f"{output.json_line(each)}\n")
            elif form == "csv":
                rows = ((each["name"], output.json_line(each["metadata"])) for each in shown)
                cells.write_csv(out, ("name", "metadata"), rows, raw=False)
            elif found := [(each["name"], _words(each["metadata"])) for each in shown]:
                output.table(("queue", "metadata"), found)
    if shown.has_more and shown.last:
        stores.note(
            f"the first {number(shown.count, 'queues')}; there are more: --all gives all of them, "
            f"--after {shown.last['name']} goes on"
        )
    elif not shown.count:
        stores.note("no queues found")


def _queues(
    opened: DataDriverBase, project: str | None, after: str | None, most: int | None, kfilter: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """The queues behind a name; one more than `most` where there are more."""
    marker, left = after, None if most is None else most + 1
    while left is None or left > 0:
        limit = _PAGE if left is None else min(left, _PAGE)
        found = opened.queue_controller.list(project, marker, limit, detailed=True, kfilter=kfilter)
        page, marker = list(next(found)), next(found)
        yield from page
        if len(page) < limit:
            break
        left = None if left is None else left - len(page)


def _words(found: Mapping[str, Any]) -> str:
    from undercroft.cli import output

    return " ".join(f"{key}={value if isinstance(value, str) else output.json_line(value)}" for key, value in found.items())


@click.command()
@options.name
@options.store
@reporting.option("table", "How to print.")
def show(queue: str, store: str | None, project: str | None, output_format: str) -> None:
    """Show the metadata of a queue.

    \b
    Examples:
      undercroft queue show jobs
      undercroft queue show jobs --project p1 --format json
    """
    with stores.opened(store, "messaging") as opened:
        _show(queue, opened.queue_controller.get_metadata(queue, project), output_format)


def _show(queue: str, found: Mapping[str, Any], output_format: str) -> None:
    from undercroft.cli import output

    if output_format == "json":
        click.echo(output.json_text(found))
    elif found:
        output.table(
            ("attribute", "value"),
            [(key, value if isinstance(value, str) else output.json_line(value)) for key, value in found.items()],
        )
    else:
        stores.note(f"the queue {queue!r} has no metadata")


@click.command("set")
@options.name
@click.argument("attributes", nargs=-1, metavar="[KEY=VALUE...]")
@options.store
@click.option("--remove", multiple=True, metavar="KEY", help="Remove this attribute. May be repeated.")
@click.option("--replace", is_flag=True, help="Remove every attribute that is not given.")
@reporting.option("table", "How to print the new metadata.")
def set_(
    queue: str,
    attributes: tuple[str, ...],
    store: str | None,
    project: str | None,
    remove: tuple[str, ...],
    replace: bool,
    output_format: str,
) -> None:
    """Change the metadata of a queue, and show them. Attributes that are not named stay as they are.

    The metadata are read, changed and written: of two commands that change one queue at once, the last one wins.

    \b
    Examples:
      undercroft queue set jobs _max_claim_count=5
      undercroft queue set jobs --remove team
      undercroft queue set jobs team=images --replace
    """
    changes = options.attributes(attributes)
    if both := changes.keys() & set(remove):
        raise click.UsageError(f"{min(both)[:64]!r} is set and removed")
    if not (changes or remove or replace):
        raise click.UsageError("nothing to change: give KEY=VALUE, --remove KEY or --replace")
    metadata.check(changes)
    with stores.opened(store, "messaging") as opened:
        before = opened.queue_controller.get_metadata(queue, project)
        if missing := [key for key in remove if key not in before]:
            raise click.UsageError(f"the queue has no attribute {missing[0][:64]!r}")
        kept = {} if replace else {key: value for key, value in before.items() if key not in remove}
        opened.queue_controller.set_metadata(queue, kept | changes, project)
        metadata.see_to_dead_letters(opened, kept | changes, project)
        _show(queue, kept | changes, output_format)


@click.command()
@click.argument("queues", nargs=-1, metavar="[QUEUE...]")
@options.store
@click.option(
    "--limit",
    type=click.IntRange(min=1, max=100_000),
    default=100,
    show_default=True,
    help="Maximum number of queues, where none is named.",
)
@reporting.option("table", "How to print.")
def stats(queues: tuple[str, ...], store: str | None, project: str | None, limit: int, output_format: str) -> None:
    """Show how many messages queues have: free, claimed, and the ages of the oldest and the newest message.

    Without a name: the queues with the most messages, of every project, or of --project.

    \b
    Examples:
      undercroft queue stats jobs
      undercroft queue stats jobs letters --project p1 --format json
      undercroft queue stats --limit 20
    """
    from undercroft.cli import output

    with stores.opened(store, "messaging") as opened:
        if queues or project is not None:
            names = queues or [each["name"] for each in _queues(opened, project, None, limit, {})]
            found = [
                {"queue": name, **opened.queue_controller.stats(name, project)["messages"]}
                for name in names[: len(queues) or limit]
            ]
            is_cut = not queues and len(names) > limit
        else:
            depths = opened.depths(limit)
            found, is_cut = [depth._asdict() for depth in depths.queues], depths.left_out > 0
    if output_format == "json":
        click.echo(output.json_text(found))
    elif found and (queues or project is not None):
        output.table(("queue", "free", "claimed", "total", "oldest, seconds", "newest, seconds"), [_row(each) for each in found])
    elif found:
        output.table(("project", "queue", "free", "claimed", "oldest, seconds"), [tuple(each.values()) for each in found])
    if is_cut:
        stores.note(f"the first {number(limit, 'queues')}; there are more: --limit COUNT")
    elif not found:
        stores.note("no queues found")


def _row(found: Mapping[str, Any]) -> tuple[Any, ...]:
    ages = [found[end]["age"] if end in found else "" for end in ("oldest", "newest")]
    return (found["queue"], found["free"], found["claimed"], found["total"], *ages)


@click.command()
@options.name
@options.store
@options.look
@options.sure
def delete(queue: str, store: str | None, project: str | None, dry_run: bool, yes: bool) -> None:
    """Delete a queue with its messages and claims. Its subscriptions stay. Asks when the queue has messages.

    \b
    Examples:
      undercroft queue delete jobs
      undercroft queue delete jobs --project p1 --yes
    """
    with stores.opened(store, "messaging") as opened:
        count = options.total(opened, queue, project) if dry_run else options.confirm(opened, queue, project, yes)
        if not dry_run:
            opened.queue_controller.delete(queue, project)
    click.echo(f"{queue}: {'would be deleted' if dry_run else 'deleted'}, with {number(count, 'messages')}")

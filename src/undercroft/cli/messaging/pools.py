"""`undercroft pool create`, `list`, `show`, `update` and `delete`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import rich_click as click

from undercroft.cli import reporting, stores
from undercroft.cli.messaging import metadata, options
from undercroft.core.plural import number

KIND = "messaging"
_name = click.argument("pool", metavar="POOL")
_options = click.option(
    "--option", "given", multiple=True, metavar="KEY=VALUE", help="Kept with the pool, for programs that read it. May be repeated."
)
_unchecked = click.option(
    "--unchecked", is_flag=True, help="Do not open the store behind the URI; it is created when a queue first goes there."
)
_secrets = click.option("--secrets", is_flag=True, help="Show passwords in URIs.")
_HEAVIEST = 2**32 - 1
_weight = click.IntRange(min=0, max=_HEAVIEST)


@click.command()
@_name
@click.argument("uri", metavar="URI")
@stores.option(KIND)
@click.option(
    "--weight",
    type=_weight,
    default=100,
    show_default=True,
    help="How many of the new queues it takes, beside the weights of the other pools; 0 for none.",
)
@click.option("--flavor", metavar="FLAVOR", help="The flavor that it belongs to.")
@_options
@_unchecked
def create(
    pool: str, uri: str, store: str | None, weight: int, flavor: str | None, given: tuple[str, ...], unchecked: bool
) -> None:
    """Register a pool: the URL of a store of messages, of any engine. The store is opened, and created where it is new.

    A URI of - is read from standard input, so that its password is in no list of processes.

    \b
    Examples:
      undercroft pool create fast redis://cache.example --weight 100
      undercroft pool create safe postgresql://undercroft@db.example/messages --flavor durable
      undercroft pool create safe - < /run/secrets/pool-uri
    """
    from undercroft.core.errors import Conflict

    own = options.attributes(given)
    for name in (pool, *([flavor] if flavor else [])):
        metadata.check_name(name, "POOL" if name == pool else "--flavor")
    with stores.opened(store, KIND) as opened:
        register = opened.control_driver.pools_controller
        if register.exists(pool):
            raise Conflict(f"the pool {pool!r} exists; undercroft pool update changes it")
        address = _uri(uri, unchecked)
        with _explained(register, address):
            register.create(pool, weight, address, flavor, own)
    click.echo(f"{pool}: created")


@click.command("list")
@stores.option(KIND)
@click.option("--flavor", metavar="FLAVOR", help="Only the pools of this flavor.")
@_secrets
@reporting.option("table", "How to print.")
def list_(store: str | None, flavor: str | None, secrets: bool, output_format: str) -> None:
    """List all pools by name, and how many queues each has. Passwords in URIs are masked.

    \b
    Examples:
      undercroft pool list
      undercroft pool list --flavor durable --format json
    """
    from undercroft.cli import output

    with stores.opened(store, KIND) as opened:
        control = opened.control_driver
        wanted = {"name": flavor} if flavor else None
        counts = control.catalogue_controller.counts()
        found = [
            _shown(each, secrets) | {"queues": counts.get(each["name"], 0)}
            for each in control.pools_controller.get_pools_by_flavor(wanted, detailed=True)
        ]
    if output_format == "json":
        click.echo(output.json_text(found))
    elif found:
        rows = [(each["name"], each["uri"], each["weight"], each["flavor"] or "", each["queues"]) for each in found]
        output.table(("pool", "URI", "weight", "flavor", "queues"), rows)
    else:
        stores.note("no pools found")


@click.command()
@_name
@stores.option(KIND)
@_secrets
@reporting.option("table", "How to print.")
def show(pool: str, store: str | None, secrets: bool, output_format: str) -> None:
    """Show a pool, what its driver offers, and how many queues it has.

    \b
    Examples:
      undercroft pool show fast
      undercroft pool show fast --secrets --format json
    """
    from undercroft.cli import output

    with stores.opened(store, KIND) as opened:
        control = opened.control_driver
        found = _shown(control.pools_controller.get(pool, detailed=True), secrets)
        found["capabilities"] = [each.name for each in control.pools_controller.capabilities(name=pool)]
        found["queues"] = control.catalogue_controller.counts().get(pool, 0)
    if output_format == "json":
        click.echo(output.json_text(found))
        return
    output.table(("attribute", "value"), [(key, _word(value)) for key, value in found.items()])


@click.command()
@_name
@stores.option(KIND)
@click.option("--weight", type=_weight, help="How many of the new queues it takes; 0 for none.")
@click.option("--uri", metavar="URI", help="The store. It has to have what the old one had: nothing is copied.")
@click.option("--flavor", metavar="FLAVOR", help="The flavor that it belongs to.")
@click.option("--no-flavor", is_flag=True, help="Take it out of its flavor.")
@_options
@_unchecked
def update(
    pool: str,
    store: str | None,
    weight: int | None,
    uri: str | None,
    flavor: str | None,
    no_flavor: bool,
    given: tuple[str, ...],
    unchecked: bool,
) -> None:
    """Change a pool. What is not named stays as it is; options are replaced as a whole. Queues stay where they are.

    \b
    Examples:
      undercroft pool update fast --weight 0
      undercroft pool update safe --uri postgresql://undercroft@new-db.example/messages
      undercroft pool update safe --no-flavor
    """
    if flavor and no_flavor:
        raise click.UsageError("--flavor and --no-flavor contradict each other")
    if flavor:
        metadata.check_name(flavor, "--flavor")
    changes: dict[str, Any] = {"weight": weight, "flavor": "" if no_flavor else flavor}
    if given:
        changes["options"] = options.attributes(given)
    if uri is None and not any(value is not None for value in changes.values()):
        raise click.UsageError("nothing to change: give --weight, --uri, --flavor, --no-flavor or --option")
    with stores.opened(store, KIND) as opened:
        register = opened.control_driver.pools_controller
        register.get(pool)
        if uri is not None:
            changes["uri"] = _uri(uri, unchecked)
        with _explained(register, changes.get("uri")):
            register.update(pool, **changes)
    click.echo(f"{pool}: changed")


@click.command()
@_name
@stores.option(KIND)
@click.option(
    "--force", is_flag=True, help="Also with queues in it: they are out of reach until a pool of this name is registered."
)
def delete(pool: str, store: str | None, force: bool) -> None:
    """Take a pool out of the register. What it holds stays in it; nothing is deleted there.

    Refused while queues are in the pool. To empty it, give its queues a flavor of other pools, and wait until they have moved.

    \b
    Examples:
      undercroft pool update old --weight 0
      undercroft pool delete old
    """
    from undercroft.core.errors import Conflict
    from undercroft.messaging import registers

    with stores.opened(store, KIND) as opened:
        control = opened.control_driver
        control.pools_controller.get(pool)
        if not force and (count := registers.queues_of(control, pool)):
            raise Conflict(
                f"the pool {pool!r} has {number(count, 'queues')}: move them first, by a flavor of other pools; --force takes it "
                "out all the same, and they are out of reach until a pool of this name is registered"
            )
        with _explained(control.pools_controller):
            control.pools_controller.delete(pool)
    click.echo(f"{pool}: deleted")


@contextlib.contextmanager
def _explained(register: Any, uri: str | None = None) -> Iterator[None]:
    """Add to what the register refuses which pool or flavor is in the way, and the way out."""
    from undercroft.messaging.errors import PoolAlreadyExists, PoolInUseByFlavor

    try:
        yield
    except PoolAlreadyExists as error:
        for each in register.get_pools_by_flavor():
            if each["uri"] == uri:
                error.add_note(f"it is that of the pool {each['name']!r}; no two pools have the same store and namespace")
        raise
    except PoolInUseByFlavor as error:
        error.add_note("it is its last pool: undercroft flavor update gives it others, undercroft flavor delete removes it")
        raise


def _uri(given: str, unchecked: bool) -> str:
    """The URI that was given, or is on standard input; its store is open and prepared."""
    from undercroft.messaging import registers

    uri = sys.stdin.readline().strip() if given == "-" else given
    if not unchecked:
        registers.prepare(uri)
    return uri


def _shown(found: Mapping[str, Any], secrets: bool) -> dict[str, Any]:
    from undercroft.core import url as urls

    return dict(found) if secrets else {**found, "uri": urls.masked(found["uri"])}


def _word(value: Any) -> Any:
    from undercroft.cli import output

    match value:
        case None:
            return ""
        case list():
            return " ".join(value)
        case dict():
            return output.json_line(value)
    return value

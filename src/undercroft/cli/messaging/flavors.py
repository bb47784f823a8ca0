"""`undercroft flavor create`, `list`, `show`, `update` and `delete`."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import rich_click as click

from undercroft.cli import reporting, stores
from undercroft.cli.messaging import metadata, options

KIND = "messaging"
_name = click.argument("flavor", metavar="FLAVOR")
_pools = click.argument("pools", nargs=-1, required=True, metavar="POOL...")


@click.command()
@_name
@_pools
@options.store
def create(flavor: str, pools: tuple[str, ...], store: str | None, project: str | None) -> None:
    """Make a flavor of pools, for the queues of one project. A pool has one flavor: it leaves the one that it had.

    \b
    Examples:
      undercroft flavor create durable safe
      undercroft flavor create durable safe other-safe --project p1
    """
    from undercroft.core.errors import Conflict
    from undercroft.messaging import registers

    metadata.check_name(flavor, "FLAVOR")
    with stores.opened(store, KIND) as opened:
        if opened.control_driver.flavors_controller.exists(flavor, project):
            raise Conflict(f"the flavor {flavor!r} exists; undercroft flavor update changes it")
        with _noted(opened.control_driver, flavor, pools):
            registers.put_flavor(opened.control_driver, flavor, project, _unique(pools))
    click.echo(f"{flavor}: created")


@click.command("list")
@options.store
@reporting.option("table", "How to print.")
def list_(store: str | None, project: str | None, output_format: str) -> None:
    """List all flavors of a project by name, and their pools.

    \b
    Examples:
      undercroft flavor list
      undercroft flavor list --project p1 --format json
    """
    from undercroft.cli import output

    with stores.opened(store, KIND) as opened:
        control = opened.control_driver
        names = [each["name"] for each in next(control.flavors_controller.list(project, limit=0))]
        of: dict[str | None, list[str]] = defaultdict(list)
        for each in control.pools_controller.get_pools_by_flavor():
            of[each["flavor"]].append(each["name"])
    if output_format == "json":
        click.echo(output.json_text([{"name": name, "pools": of[name]} for name in names]))
    elif names:
        output.table(("flavor", "pools"), [(name, " ".join(of[name])) for name in names])
    else:
        stores.note("no flavors found")


@click.command()
@_name
@options.store
@reporting.option("table", "How to print.")
def show(flavor: str, store: str | None, project: str | None, output_format: str) -> None:
    """Show the pools of a flavor, and what they offer.

    \b
    Examples:
      undercroft flavor show durable
      undercroft flavor show durable --project p1 --format json
    """
    from undercroft.cli import output

    with stores.opened(store, KIND) as opened:
        control = opened.control_driver
        control.flavors_controller.get(flavor, project)
        wanted = {"name": flavor}
        found: dict[str, Any] = {
            "name": flavor,
            "pools": [each["name"] for each in control.pools_controller.get_pools_by_flavor(wanted)],
            "capabilities": [each.name for each in control.pools_controller.capabilities(wanted)],
        }
    if output_format == "json":
        click.echo(output.json_text(found))
        return
    rows = [(key, value if isinstance(value, str) else " ".join(value)) for key, value in found.items()]
    output.table(("attribute", "value"), rows)


@click.command()
@_name
@_pools
@options.store
def update(flavor: str, pools: tuple[str, ...], store: str | None, project: str | None) -> None:
    """Let a flavor have these pools, and no others. Queues stay where they are.

    \b
    Examples:
      undercroft flavor update durable safe third-safe
    """
    from undercroft.messaging import registers

    with stores.opened(store, KIND) as opened, _noted(opened.control_driver, flavor, pools):
        registers.change_flavor(opened.control_driver, flavor, project, _unique(pools))
    click.echo(f"{flavor}: changed")


@click.command()
@_name
@options.store
def delete(flavor: str, store: str | None, project: str | None) -> None:
    """Remove a flavor. Its pools stay, and leave it unless another project has a flavor of this name.

    Queues that asked for it stay where they are.

    \b
    Examples:
      undercroft flavor delete durable --project p1
    """
    from undercroft.messaging import registers

    with stores.opened(store, KIND) as opened:
        opened.control_driver.flavors_controller.get(flavor, project)
        registers.drop_flavor(opened.control_driver, flavor, project)
    click.echo(f"{flavor}: deleted")


@contextlib.contextmanager
def _noted(control: Any, flavor: str, pools: Sequence[str]) -> Iterator[None]:
    """Say which other flavors lose their last pool: a queue that asks for one of them is refused from then on."""
    register = control.pools_controller
    others = {each["flavor"] for each in register.get_pools_by_flavor() if each["name"] in pools} - {None, flavor}
    yield
    for other in sorted(others):
        if not register.get_pools_by_flavor({"name": other}):
            stores.note(f"the flavor {other!r} has no pools any more: new queues that ask for it are refused")


def _unique(pools: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(pools))

"""`undercroft db`: create and upgrade the tables, or indexes, of a store."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import rich_click as click
from click.exceptions import Exit

from undercroft.cli import failures, stores


@runtime_checkable
class Versioned(Protocol):
    """A store whose tables have a version."""

    def init(self) -> None:
        """Create or upgrade the tables."""

    def check(self) -> list[str]:
        """What keeps the tables from being current."""

    def schema_version(self) -> tuple[str | None, str]:
        """The tables' version, and the one that is needed."""


@click.group()
def db() -> None:
    """Create, upgrade and check the tables of a store.

    \b
    Examples:
      undercroft db upgrade --store sqlite:////var/lib/undercroft/rating.db
      undercroft db check --store postgresql://undercroft@127.0.0.1/undercroft
    """


@db.command()
@stores.kind_option
@stores.any_store_option
def upgrade(kind: str, store: str | None) -> None:
    """Create the tables, or bring them to this version.

    Harmless to repeat, also from several machines at once, and while older processes still write.

    \b
    Examples:
      undercroft db upgrade --store sqlite:///rating.db
      UNDERCROFT_RATING__CONNECTION=postgresql://u@h/db undercroft db upgrade
    """
    with stores.opened(store, kind) as opened:
        storage = _versioned(opened)
        before, _ = storage.schema_version()
        storage.init()
        after, _ = storage.schema_version()
        problems = storage.check()
    change = "was current" if before == after else f"from {before or 'nothing'} to {after}"
    click.echo(f"{kind}: {change}")
    _report(kind, problems)


@db.command()
@stores.kind_option
@stores.any_store_option
def check(kind: str, store: str | None) -> None:
    """Tell whether the tables are those that this version needs. Exit code 1 when they are not.

    \b
    Examples:
      undercroft db check --store sqlite:///rating.db
      undercroft db check || undercroft db upgrade
      undercroft db check --kind events --store mongodb://127.0.0.1/undercroft
    """
    with stores.opened(store, kind) as opened:
        storage = _versioned(opened)
        _, version = storage.schema_version()
        problems = storage.check()
    _report(kind, problems)
    click.echo(f"{kind}: current, {version}")


def _report(kind: str, problems: list[str]) -> None:
    """End the command when there are problems."""
    for problem in problems:
        click.echo(f"{kind}: {failures.printable(problem)}")
    if problems:
        raise Exit(failures.FAILED)


def _versioned(storage: object) -> Versioned:
    from undercroft.core.errors import Unsupported

    if not isinstance(storage, Versioned):
        raise Unsupported(f"{type(storage).__module__} keeps no version of its tables")
    return storage

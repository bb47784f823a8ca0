"""`undercroft db`: create and upgrade the tables, or indexes, of a store."""

from __future__ import annotations

import rich_click as click
from click.exceptions import Exit

from undercroft.cli import failures, stores
from undercroft.core import kinds
from undercroft.core.store import Versioned

_UNVERSIONED = "no tables whose version is known"
_NO_TABLES = "this kind has no tables of its own; those that it reads are upgraded under the kind that stores them"


@click.group()
def db() -> None:
    """Create, upgrade and check the tables of a store.

    \b
    Examples:
      undercroft db upgrade --store rating=sqlite:////var/lib/undercroft/undercroft.db
      undercroft db check --store events=postgresql://undercroft@127.0.0.1/undercroft
    """


@db.command()
@stores.options
def upgrade(kind: str | None, given: tuple[str, ...]) -> None:
    """Create the tables, or bring them to this version.

    Harmless to repeat, also from several machines at once, and while older processes still write.

    \b
    Examples:
      undercroft db upgrade --store rating=sqlite:///undercroft.db --store events=sqlite:///undercroft.db
      UNDERCROFT_RATING__CONNECTION=postgresql://u@h/db undercroft db upgrade
    """
    problems = 0
    for each, url in stores.chosen(kind, given).items():
        with stores.opened(url, each) as storage:
            if not isinstance(storage, Versioned):
                storage.init()
                click.echo(f"{each}: nothing to upgrade: {_NO_TABLES}" if _only_reads(each) else f"{each}: ready, {_UNVERSIONED}")
                continue
            before, _ = storage.schema_version()
            storage.init()
            after, _ = storage.schema_version()
            found = storage.check()
        change = "was current" if before == after else f"from {before or 'nothing'} to {after}"
        click.echo(f"{each}: {change}")
        problems += _report(each, found)
    _end(problems)


@db.command()
@stores.options
def check(kind: str | None, given: tuple[str, ...]) -> None:
    """Tell whether the tables are those that this version needs. Exit code 1 when they are not.

    \b
    Examples:
      undercroft db check --store rating=sqlite:///undercroft.db
      undercroft db check || undercroft db upgrade
      undercroft db check --store events=mongodb://127.0.0.1/undercroft
    """
    problems = 0
    for each, url in stores.chosen(kind, given).items():
        with stores.opened(url, each) as storage:
            if not isinstance(storage, Versioned):
                click.echo(f"{each}: nothing to check: {_NO_TABLES}" if _only_reads(each) else f"{each}: {_UNVERSIONED}")
                continue
            _, version = storage.schema_version()
            found = storage.check()
        if not _report(each, found):
            click.echo(f"{each}: current, {version}")
        problems += len(found)
    _end(problems)


def _only_reads(kind: str) -> bool:
    """Whether stores of a kind never have tables."""
    return kinds.installed()[kind].migrations is None


def _report(kind: str, problems: list[str]) -> int:
    """Tell what keeps the tables from being current; how much that is."""
    for problem in problems:
        click.echo(f"{kind}: {failures.printable(problem)}")
    return len(problems)


def _end(problems: int) -> None:
    """End the command as one that has failed when there are problems."""
    if problems:
        raise Exit(failures.FAILED)

"""What commands that delete have in common: a look beforehand, and a question before a large part of a store goes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click
from click.exceptions import Exit

from undercroft.cli import failures

if TYPE_CHECKING:
    from undercroft.core.findings import Share

F = TypeVar("F", bound=Callable[..., Any])


def options(command: F) -> F:
    """The options `dry_run` and `yes`."""
    look = click.option("--dry-run", is_flag=True, help="Delete nothing; say how much would go, the oldest and the newest of it.")
    sure = click.option("--yes", "-y", is_flag=True, help="Do not ask before more than 5 % of the store is deleted.")
    return look(sure(command))


def confirm(share: Share, what: str) -> None:
    """Ask before more than a few percent of a store is deleted.

    Raises:
        click.UsageError: the question needs a terminal, and standard input is not one.
        Exit: the answer is no.
    """
    if not share.is_large:
        return
    text = f"this deletes {share.words} {what}"
    if not sys.stdin.isatty():
        raise click.UsageError(f"{text}: give --yes to delete them, or --dry-run to look at them first")
    if not click.confirm(f"{text}. Delete them?", err=True):
        click.echo("nothing is deleted", err=True)
        raise Exit(failures.FAILED)

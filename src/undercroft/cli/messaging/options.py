"""The options of several commands, and what they mean."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import rich_click as click

from undercroft.cli import stores

if TYPE_CHECKING:
    from undercroft.messaging import DataDriverBase

F = TypeVar("F", bound=Callable[..., Any])

_project = click.option("--project", metavar="ID", help="The project. Default: none, the global scope.")
name = click.argument("queue", metavar="QUEUE")
look = click.option("--dry-run", is_flag=True, help="Delete nothing; say how many messages would go.")
sure = click.option("--yes", "-y", is_flag=True, help="Do not ask before messages are deleted.")


def store(command: F) -> F:
    """The options `--store` and `--project`."""
    return stores.option("messaging")(_project(command))


def attributes(given: Sequence[str]) -> dict[str, Any]:
    """Metadata of KEY=VALUE: a value is JSON where it can be read as JSON, and text otherwise.

    Raises:
        click.UsageError: an item without `=`, or a key that is given twice.
    """
    found: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{text[:64]!r} is not of the form KEY=VALUE")
        if key in found:
            raise click.UsageError(f"{key[:64]!r} is given twice")
        try:
            found[key] = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            found[key] = value
    return found


def seconds(span: dt.timedelta | None) -> int | None:
    """A span in whole seconds.

    Raises:
        click.UsageError: it has a part of a second.
    """
    if span is None:
        return None
    if span % dt.timedelta(seconds=1):
        raise click.UsageError("messages and claims live for whole seconds")
    return span // dt.timedelta(seconds=1)


def total(opened: DataDriverBase, queue: str, project: str | None) -> int:
    """How many messages a queue has.

    Raises:
        QueueDoesNotExist: the queue is unknown.
    """
    return int(opened.queue_controller.stats(queue, project)["messages"]["total"])


def check_exists(opened: DataDriverBase, queue: str, project: str | None) -> None:
    """Refuse a queue that does not exist.

    Raises:
        QueueDoesNotExist: the queue is unknown.
    """
    from undercroft.messaging import QueueDoesNotExist

    if not opened.queue_controller.exists(queue, project):
        raise QueueDoesNotExist(queue, project)


def confirm(opened: DataDriverBase, queue: str, project: str | None, yes: bool) -> int:
    """Ask before the messages of a queue are deleted; how many messages it has.

    Raises:
        click.UsageError: the question needs a terminal, and standard input is not one.
        Exit: the answer is no.
        QueueDoesNotExist: the queue is unknown.
    """
    from undercroft.cli import deletion
    from undercroft.core.findings import Share

    count = total(opened, queue, project)
    if count and not yes:
        deletion.confirm(Share(count, count), f"messages of the queue {queue!r}")
    return count

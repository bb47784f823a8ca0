"""Write the items of a store to one file, which gets its name when it is complete."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import rich_click as click

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
FORMS = ("jsonl", "csv", "parquet")
Write = Callable[[Iterable[Any]], Iterator[bytes]]


def options(things: str) -> Callable[[F], F]:
    """The argument FOLDER and the options `--name` and `--format` of a command that exports one file.

    Args:
        things: what is exported, in the plural; the file's default name.
    """
    folder = click.argument("folder", type=click.Path(file_okay=False))
    name = click.option("--name", default=things, show_default=True, help="The file's name, without its ending.")
    return lambda command: folder(name(form("What to write.")(command)))


def form(told: str) -> Callable[[F], F]:
    """The option `--format` of a command that writes files.

    Args:
        told: its help.
    """
    return click.option("--format", "form", type=click.Choice(FORMS), default="jsonl", show_default=True, help=told)


def show(parts: Iterable[bytes]) -> None:
    """Write to stdout, and leave nothing in its buffer."""
    for part in parts:
        sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()


def checked(name: str, form: str, forms: Mapping[str, tuple[str, Write]], parquet: str) -> Write:
    """What writes the file, after a look at what would only fail later.

    Args:
        name: the option `--name`.
        form: the option `--format`.
        forms: media type and writer of each format.
        parquet: the module that writes Parquet, imported now: a missing library is told before anything is read.

    Raises:
        InvalidInput: the name is not that of a file.
        ConfigInvalid: pyarrow is not installed.
    """
    from undercroft.core.errors import InvalidInput

    if not name or "/" in name or name.startswith("."):
        raise InvalidInput("--name", f"{name!r} is not a valid file name")
    if form == "parquet":
        importlib.import_module(parquet)
    return forms[form][1]


def run(folder: str, file: str, write: Write, items: Iterable[T], things: str, of: int | None = None) -> None:
    """Write the file, show the progress, and tell what was written.

    An interrupt or an error leaves nothing of the file behind, and an older file of that name as it was.

    Args:
        folder: where to.
        file: the file's name.
        write: makes bytes of items.
        items: what to write.
        things: what they are, in the plural.
        of: how many there are; None when that is not known.
    """
    from undercroft.cli import progress
    from undercroft.cli.folder import Folder
    from undercroft.core.plural import number

    size = count = 0

    def counted() -> Iterator[T]:
        nonlocal count
        for count, item in enumerate(items, start=1):  # noqa: B007 - the count is what is told
            yield item

    with Folder(folder) as target, target.file(file) as out, progress.bar(file, of) as show:
        for part in write(counted()):
            out.write(part)
            size += len(part)
            show(count, number(size, "bytes"))
    click.echo(f"{folder}/{file}: {number(count, things)}, {number(size, 'bytes')}")

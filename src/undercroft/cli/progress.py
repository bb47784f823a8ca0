"""A progress bar on stderr when that is a terminal; silence otherwise."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from undercroft.cli.output import console


@contextlib.contextmanager
def bar(label: str, total: int | None, in_bytes: bool = False, in_percent: bool = False) -> Iterator[Callable[[int, str], None]]:
    """A bar, as a function that takes how much is done and a word about it.

    Args:
        label: what is going on.
        total: how much there is to do; None when nobody knows.
        in_bytes: whether that is a number of bytes.
        in_percent: whether it says little, and the part that is done is shown instead.
    """
    screen = console(stderr=True)
    if not screen.is_terminal:
        yield _silent
        return
    amount: ProgressColumn = DownloadColumn() if in_bytes else TaskProgressColumn() if in_percent else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn(), TextColumn("{task.fields[word]}"))
    with Progress(*columns, console=screen) as progress:
        task = progress.add_task(label, total=total, word="")
        yield lambda done, word: progress.update(task, completed=done, word=word)


def total(count: Callable[[], int]) -> int | None:
    """How many items there are, where a bar is shown; None where nobody sees it, and nothing is counted."""
    return count() if console(stderr=True).is_terminal else None


def _silent(done: int, word: str) -> None:
    """Show nothing."""

"""The report of the lines that an import passed over: JSON lines, with the reason and the line itself."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
import rich_click as click
from click.exceptions import Exit

from undercroft.cli import failures
from undercroft.core.lines import Refused
from undercroft.core.plural import number

SUFFIX = ".refused.jsonl"
F = TypeVar("F", bound=Callable[..., Any])


def options(command: F) -> F:
    """The options `--skip-bad` and `--report` of a command that imports files."""
    report = click.option(
        "--report",
        metavar="FILE",
        help=f"Where --skip-bad writes the refused lines: JSON lines with number, reason and line. Default: FILE{SUFFIX}.",
    )
    skip = click.option(
        "--skip-bad", is_flag=True, help="Pass over lines that cannot be stored; exit code 1 at the end when there were any."
    )
    return skip(report(command))


def check(files: Sequence[str], skip_bad: bool, report: str | None) -> None:
    """Refuse options that contradict each other.

    Raises:
        click.UsageError: `--report` is for one input, and for `--skip-bad`.
    """
    if report is not None and not skip_bad:
        raise click.UsageError("--report is where --skip-bad writes the refused lines; give --skip-bad, too")
    if report is not None and len(files) > 1:
        raise click.UsageError("--report is for one input; each of several files has its own report beside it")


def told(count: int, report: str | None) -> str:
    """What was refused, for people; empty when nothing was."""
    return f"; {number(count, 'lines')} refused{f', listed in {report}' if report else ''}" if count else ""


def leave(count: int) -> None:
    """End the command as failed where lines were refused."""
    if count:
        raise Exit(failures.FAILED)


def place(file: str, report: str | None) -> pathlib.Path:
    """The report's file.

    Args:
        file: the input; `-` for stdin.
        report: the option `--report`.
    """
    return pathlib.Path(("stdin" if file == "-" else file) + SUFFIX if report is None else report)


class Report:
    """The file of the refused lines of one input. It is made with the first of them, for its owner only.

    Args:
        path: the file; None to count only.
        file: how the input is called.
        count, size: how many lines an earlier run refused, and the bytes of its report, which are kept.

    Attributes:
        count: lines refused so far, those of earlier runs included.
        size: bytes of the report.
    """

    def __init__(self, path: pathlib.Path | None, file: str, count: int = 0, size: int = 0) -> None:
        self.path = path
        self.count = count
        self.size = size
        self._file = file
        if path is None:
            return
        if size and path.exists():
            # What was written after the last checkpoint is written again.
            os.truncate(path, size)
        else:
            self.size = 0
            path.unlink(missing_ok=True)

    def add(self, refused: Sequence[Refused]) -> None:
        """Write refused lines; they are flushed when this returns."""
        if not refused:
            return
        self.count += len(refused)
        if self.path is None:
            return
        data = b"".join(msgspec.json.encode(self._row(each)) + b"\n" for each in refused)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        with os.fdopen(os.open(self.path, flags, 0o600), "ab") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        self.size += len(data)

    def _row(self, refused: Refused) -> dict[str, Any]:
        data = b"".join(line.data for line in refused.lines).rstrip(b"\r\n")
        row: dict[str, Any] = {"file": self._file, "line": refused.lines[0].number, "reason": str(refused.error)}
        try:
            row["content"] = data.decode()
        except UnicodeDecodeError:
            row["content_base64"] = data
        if not refused.lines[-1].is_whole:
            row["is_cut"] = True
        return row

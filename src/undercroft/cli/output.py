"""What a command writes: tables for people, JSON and CSV for programs, files that appear as a whole or not at all."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import IO, Any, Literal

import msgspec
from rich.console import Console

from undercroft.cli.failures import printable
from undercroft.core.cells import plain_text

_encoder = msgspec.json.Encoder(decimal_format="number")


class _Pipe(Console):
    """A console that lets a closed pipe be an error, as every other output does; rich would end the process."""

    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704 - rich calls this while it handles the error


def console(stderr: bool = False) -> Console:
    """A console that shortens nothing: what is no proper terminal gets lines as long as they need to be."""
    plain: dict[str, Any] = {"stderr": stderr, "highlight": False, "markup": False, "emoji": False}
    out = _Pipe(**plain)
    return out if out.is_terminal and not out.is_dumb_terminal else _Pipe(**plain, force_terminal=False, width=10_000)


def number(value: Decimal, places: int = 0) -> str:
    """A number for people: every digit, thousands parted by commas, padded by zeros to `places`."""
    text = f"{value:,f}"
    head, _, tail = text.partition(".")
    return f"{head}.{tail.ljust(places, '0')}" if tail or places else head


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str | None = None) -> None:
    """Print a table: numbers to the right with their points below each other, times in UTC, everything else to the left."""
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    cells: list[list[str]] = []
    least: list[int] = []
    for position, name in enumerate(columns):
        values = [row[position] for row in rows]
        numeric = bool(values) and all(isinstance(value, (Decimal, int)) and not isinstance(value, bool) for value in values)
        times = bool(values) and all(isinstance(value, dt.datetime) for value in values)
        if numeric:
            places = max(map(_places, values))
            cells.append([number(Decimal(value), places) for value in values])
        else:
            cells.append([_short(value) if times else printable(plain_text(value)) for value in values])
        head = Text(printable(f"{name}, UTC" if times else name))
        longest = max(map(cell_len, [head.plain, *cells[-1]]))
        # Text may be folded; a number or a time is never cut: where the terminal is too narrow, it wraps the line.
        least.append(longest if numeric or times else min(longest, 12))
        justify: Literal["left", "right"] = "right" if numeric else "left"
        shown.add_column(head, justify=justify, overflow="fold", no_wrap=numeric or times, min_width=least[-1])
    for row in zip(*cells, strict=True):
        shown.add_row(*map(Text, row))
    screen = console()
    screen.width = max(screen.width, sum(least) + 3 * len(least) + 2)
    screen.print(shown)


def _short(value: dt.datetime) -> str:
    """A UTC time for people; seconds only where there are any."""
    utc = value.astimezone(dt.UTC).replace(tzinfo=None)
    return utc.isoformat(" ", "minutes" if not (utc.second or utc.microsecond) else "auto")


def _places(value: Any) -> int:
    exponent = value.as_tuple().exponent if isinstance(value, Decimal) else 0
    return max(0, -int(exponent))


def json_text(value: Any) -> str:
    """`value` as JSON, numbers with every digit."""
    return msgspec.json.format(_encoder.encode(value), indent=2).decode()


def json_line(value: Any) -> str:
    """`value` as JSON on one line."""
    return _encoder.encode(value).decode()


@contextlib.contextmanager
def target(path: str | None) -> Iterator[IO[str]]:
    """Text to be written to stdout, or to a file that gets its name when it is complete; half a file never shows.

    The file can be read by its owner only.
    """
    if path is None or path == "-":
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")
        yield sys.stdout
        sys.stdout.flush()
        return
    final = pathlib.Path(path)
    handle, name = tempfile.mkstemp(dir=final.parent, prefix=f".{final.name}.", suffix=".part")
    part = pathlib.Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        part.replace(final)
    except BaseException:
        part.unlink(missing_ok=True)
        raise

"""Values as the text of a CSV file's cells, which people open in a spreadsheet."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import chain
from typing import IO, Any

import msgspec

from undercroft.core.portions import batches

# A spreadsheet takes a cell that begins so for a formula (one that is a plain number, it takes for a number).
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?", re.IGNORECASE)
# Rows of a part.
_AT_ONCE = 500
_encoder = msgspec.json.Encoder(decimal_format="number")


def guarded(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe before what would begin one, or is guarded already."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def unguarded(text: str) -> str:
    """The text of which `guarded` made this one."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def timestamp(value: dt.datetime) -> str:
    """A UTC time as ISO 8601 text."""
    return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def plain_text(value: Any) -> str:
    """A value as the text of a cell: text as it is, numbers with every digit, times in UTC, the rest as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, dt.datetime):
        return timestamp(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    return _encoder.encode(value).decode()


class _Ends:
    """Takes rows that end with CR LF, and writes them with LF. The writer quotes whatever it ends rows with, CR and LF alike."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def write(self, row: str) -> object:
        """Write one row."""
        return self._out.write(row.removesuffix("\r\n") + "\n")


def write_rows(out: IO[str], rows: Iterable[Sequence[str]]) -> None:
    """Write rows as CSV: LF between them, and every cell that holds a comma, a quote, CR or LF in quotes.

    A bare CR in a cell ends the row for many readers, unless it is quoted.
    """
    csv.writer(_Ends(out), lineterminator="\r\n").writerows(rows)


def write_csv(out: IO[str], header: Sequence[str] | None, rows: Iterable[Sequence[Any]], raw: bool) -> None:
    """Write rows as CSV.

    Args:
        out: where to write.
        header: the first row; None: no header.
        rows: the rows, as wide as the header.
        raw: leave text as it is. Otherwise a cell that a spreadsheet would take for a formula is quoted, see `guarded`.
    """
    keep = str if raw else guarded
    if header is not None:
        write_rows(out, [[keep(name) for name in header]])
    write_rows(out, ([keep(value) if isinstance(value, str) else plain_text(value) for value in row] for row in rows))


def csv_parts(header: Sequence[str], rows: Iterable[Sequence[Any]], raw: bool) -> Iterator[bytes]:
    """A CSV file in parts, whatever its length; the arguments are those of `write_csv`."""
    head: Sequence[str] | None = header
    for part in chain(([],), batches(rows, _AT_ONCE)):
        text = io.StringIO(newline="")
        write_csv(text, head, part, raw)
        head = None
        yield text.getvalue().encode()

"""Rated usage from files: JSON lines (a frame a line) and CSV (a point a row). No number passes through a float.

Every frame comes with its place in the input, so that errors name the line and an import can go on after it.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple, NoReturn

from undercroft.core import time
from undercroft.core.errors import ConfigInvalid, InvalidInput
from undercroft.rating import wire
from undercroft.rating.files import COLUMNS, GROUPBY, METADATA
from undercroft.rating.models import DataFrame, DataPoint


class Mark(NamedTuple):
    """A place between two lines: the bytes and lines before it, and the hash of those bytes."""

    offset: int
    line: int
    hashed: hashlib.blake2b

    @property
    def digest(self) -> str:
        """The hash as text."""
        return self.hashed.hexdigest()


class Source:
    """The lines of a binary stream, counted and hashed.

    Args:
        stream: the input.
        name: how errors call it.
    """

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self.name = name
        self.offset = 0
        self.line = 0
        self._stream = stream
        self._hash = hashlib.blake2b(digest_size=16)

    def readline(self) -> bytes:
        """The next line with its end; empty at the end of the input. A byte order mark before the first line is left out."""
        line = self._stream.readline()
        first = self.offset == 0
        self._took(line)
        self.line += bool(line)
        return line.removeprefix(codecs.BOM_UTF8) if first else line

    def mark(self) -> Mark:
        """The place after the last line read."""
        return Mark(self.offset, self.line, self._hash.copy())

    def skip(self, offset: int, line: int, digest: str) -> None:
        """Go to a place that was marked in an earlier run.

        Raises:
            ConfigInvalid: what lies before it is not what it was then.
        """
        while self.offset < offset:
            block = self._stream.read(min(1 << 20, offset - self.offset))
            if not block:
                break
            self._took(block)
        if self.offset != offset or self._hash.hexdigest() != digest:
            raise ConfigInvalid(
                f"{self.name}: its beginning, which is stored, has changed since the import broke off; --restart begins anew"
            )
        self.line = line

    def wrong(self, line: int, error: InvalidInput) -> NoReturn:
        """Raise `error` with its place in the input."""
        raise InvalidInput(f"{self.name}:{line}: {error.field}", error.problem) from None

    def _took(self, data: bytes) -> None:
        self.offset += len(data)
        self._hash.update(data)


class Parsed(NamedTuple):
    """A frame, the number of its points, the line it begins at, and the place after it."""

    frame: DataFrame
    points: int
    line: int
    after: Mark


# -- JSON lines --------------------------------------------------------------------------------------------------------


def jsonl(source: Source) -> Iterator[Parsed]:
    """The frames of JSON lines; blank lines are passed over.

    Raises:
        InvalidInput: a line is not a frame; the error names the line and the place in it.
    """
    while line := source.readline():
        if line.isspace():
            continue
        try:
            frame = wire.parse(line)
        except InvalidInput as error:
            source.wrong(source.line, error)
        yield Parsed(frame, sum(len(points) for _, points in frame.itertypes()), source.line, source.mark())


# -- CSV ---------------------------------------------------------------------------------------------------------------


class CsvReader:
    """The frames of a CSV file: neighbouring rows of one period are one frame.

    Args:
        source: the input; its header is read at once.

    Raises:
        InvalidInput: the header lacks a column, has one twice, or one that means nothing.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._rows = csv.reader(self._lines(), strict=True)
        header = self._next_row() or []
        try:
            self._places, self._groupby, self._metadata = _columns(header)
        except InvalidInput as error:
            source.wrong(source.line or 1, error)
        self._width = len(header)

    def frames(self) -> Iterator[Parsed]:
        """The frames after the header, or after the place that the source was made to skip to.

        Raises:
            InvalidInput: a row is not a point; the error names the line and the column.
        """
        source = self._source
        frame: DataFrame | None = None
        bounds: tuple[str, str] | None = None
        first = points = 0
        while True:
            before = source.mark()
            row = self._next_row()
            if row is None:
                break
            if not row:
                continue
            line = before.line + 1
            try:
                begin, end, type_, unit, qty, price = self._cells(row)
                if frame is None or (begin, end) != bounds:
                    if frame is not None:
                        yield Parsed(frame, points, first, before)
                    frame, bounds, first, points = (
                        DataFrame(time.parse(begin, "begin"), time.parse(end, "end")),
                        (begin, end),
                        line,
                        0,
                    )
                groupby = {name: row[place] for name, place in self._groupby if row[place]}
                metadata = {name: row[place] for name, place in self._metadata if row[place]}
                frame.add_point(DataPoint(unit, qty, price, groupby, metadata), type_)
                points += 1
            except InvalidInput as error:
                source.wrong(line, error)
        if frame is not None:
            yield Parsed(frame, points, first, source.mark())

    def _cells(self, row: list[str]) -> list[str]:
        """The cells of the fixed columns, in their order."""
        if len(row) != self._width:
            raise InvalidInput("row", f"has {len(row)} cells, the header has {self._width}")
        return [row[place] for place in self._places]

    def _lines(self) -> Iterator[str]:
        while line := self._source.readline():
            yield line.decode()

    def _next_row(self) -> list[str] | None:
        line = self._source.line + 1
        try:
            return next(self._rows, None)
        except UnicodeDecodeError as error:
            self._source.wrong(self._source.line, InvalidInput("row", f"is not UTF-8 ({error.reason})"))
        except csv.Error as error:
            self._source.wrong(line, InvalidInput("row", f"is not CSV ({error})"))


def _columns(header: list[str]) -> tuple[list[int], list[tuple[str, int]], list[tuple[str, int]]]:
    """Places of the fixed columns, and names and places of the attributes."""
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise InvalidInput("header", f"has {', '.join(twice)} more than once")
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise InvalidInput("header", f"misses {', '.join(missing)}; the first row must name the columns")
    attributes: dict[str, list[tuple[str, int]]] = {GROUPBY: [], METADATA: []}
    for place, column in enumerate(header):
        if column in COLUMNS:
            continue
        prefix = next((prefix for prefix in attributes if column.startswith(prefix)), None)
        if prefix is None:
            raise InvalidInput(
                "header", f"has unknown {column[:64]!r}; known are {', '.join(COLUMNS)}, {GROUPBY}<name> and {METADATA}<name>"
            )
        attributes[prefix].append((column.removeprefix(prefix), place))
    return [header.index(name) for name in COLUMNS], attributes[GROUPBY], attributes[METADATA]


def opened(source: Source, form: str) -> Callable[[], Iterator[Parsed]]:
    """Read the head of the input; the frames come by calling the result, after `source.skip` if an import goes on.

    Args:
        source: the input, at its beginning.
        form: `jsonl` or `csv`.
    """
    return CsvReader(source).frames if form == "csv" else lambda: jsonl(source)

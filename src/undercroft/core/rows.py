"""The rows of a CSV file with their lines, so that errors name the line and an import can go on after it."""

from __future__ import annotations

import collections
import csv
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple, TypeVar

from undercroft.core.errors import InvalidInput
from undercroft.core.lines import Line, Source, too_long

T = TypeVar("T")


def check_columns(names: Collection[str], needed: Iterable[str]) -> None:
    """Refuse a header without the columns that are needed.

    Raises:
        InvalidInput: it names those that are missing.
    """
    if missing := [name for name in needed if name not in names]:
        raise InvalidInput("header", f"misses {', '.join(missing)}; the first row must name the columns")


class Row(NamedTuple):
    """The cells of a row, and its lines; or what keeps them from being cells."""

    cells: list[str]
    lines: list[Line]
    error: InvalidInput | None = None

    def read(self) -> list[str]:
        """The cells.

        Raises:
            InvalidInput: the lines are not a row.
        """
        if self.error is not None:
            raise self.error
        return self.cells


class Rows:
    """The rows of a CSV file. A quote that is not closed costs the line that it is in, not those behind it.

    Args:
        source: the input.

    Attributes:
        width: how many cells a row must have; None for any number.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._again: collections.deque[Line] = collections.deque()
        self._taken: list[Line] = []
        self._reader = csv.reader(self, strict=True)
        self.width: int | None = None

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        """The next line, for the reader."""
        line = self._again.popleft() if self._again else self._source.read()
        if line is None:
            raise StopIteration
        self._taken.append(line)
        if not line.is_whole:
            raise too_long()
        try:
            return line.data.decode()
        except UnicodeDecodeError as error:
            raise InvalidInput("row", f"is not UTF-8 ({error.reason})") from None

    def header(self, read: Callable[[list[str]], T]) -> T:
        """What `read` makes of the names of the columns; every later row must be as wide as the first.

        Raises:
            InvalidInput: the first row is not CSV, has a name twice, or is not to the liking of `read`; it names the file.
        """
        try:
            names = self._names()
            found = read(names)
        except InvalidInput as error:
            raise InvalidInput(f"{self._source.name}:1: {error.field}", error.problem) from None
        self.width = len(names)
        return found

    def _names(self) -> list[str]:
        names = (self.next() or Row([], [])).read()
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InvalidInput("header", f"has {', '.join(twice)} more than once")
        return names

    def left(self) -> Iterator[Row]:
        """The rows that are left, without blank ones."""
        while row := self.next():
            if row.cells or row.error is not None:
                yield row

    def next(self) -> Row | None:
        """The next row; None at the end."""
        self._taken = []
        try:
            cells = next(self._reader, None)
            if cells is None:
                return None
        except InvalidInput as error:
            return self._refused(error)
        except csv.Error as error:
            return self._refused(InvalidInput("row", f"is not CSV ({error})"))
        if cells and self.width not in (None, len(cells)):
            return self._refused(InvalidInput("row", f"has {len(cells)} cells, the header has {self.width}"))
        return Row(cells, self._taken)

    def _refused(self, error: InvalidInput) -> Row:
        first, *others = self._taken
        self._again.extendleft(reversed(others))
        return Row([], [first], error)

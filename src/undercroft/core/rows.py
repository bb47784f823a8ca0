"""The rows of a CSV file with their lines, so that errors name the line and an import can go on after it."""

from __future__ import annotations

import collections
import csv
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

from undercroft.core.errors import InvalidInput
from undercroft.core.lines import Line, Source, too_long

T = TypeVar("T")


class Row(NamedTuple):
    """The cells of a row, and its lines; or what keeps them from being cells."""

    cells: list[str]
    lines: list[Line]
    error: InvalidInput | None = None


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
        first = self.next() or Row([], [])
        if first.error is not None:
            raise first.error
        twice = sorted({name for name in first.cells if first.cells.count(name) > 1})
        if twice:
            raise InvalidInput("header", f"has {', '.join(twice)} more than once")
        return first.cells

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

"""Rated usage from files: JSON lines (a frame a line) and CSV (a point a row). No number passes through a float.

Every frame comes with its lines, so that errors name the line and an import can go on after it. A line that is not a frame, and a
row that is not a point, comes as `Refused`; what is behind it is read on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from undercroft.core import time
from undercroft.core.errors import InvalidInput
from undercroft.core.lines import Line, Mark, Refused, Source, too_long
from undercroft.core.rows import Rows, check_columns
from undercroft.rating import wire
from undercroft.rating.files import COLUMNS, GROUPBY, METADATA
from undercroft.rating.models import DataFrame, DataPoint


class Parsed(NamedTuple):
    """A frame, the number of its points, and the lines it was made of."""

    frame: DataFrame
    points: int
    lines: list[Line]

    @property
    def after(self) -> Mark:
        """The place behind it."""
        return self.lines[-1].after


# -- JSON lines --------------------------------------------------------------------------------------------------------


def jsonl(source: Source) -> Iterator[Parsed | Refused]:
    """The frames of JSON lines; blank lines are passed over."""
    while line := source.read():
        if line.data.isspace():
            continue
        try:
            if not line.is_whole:
                raise too_long()
            frame = wire.parse(line.data)
        except InvalidInput as error:
            yield Refused([line], error)
        else:
            yield Parsed(frame, sum(len(points) for _, points in frame.itertypes()), [line])


# -- CSV ---------------------------------------------------------------------------------------------------------------


class CsvReader:
    """The frames of a CSV file: neighbouring rows of one period are one frame.

    Args:
        source: the input; its header is read at once.

    Raises:
        InvalidInput: the header lacks a column, has one twice, or one that means nothing.
    """

    def __init__(self, source: Source) -> None:
        self._rows = Rows(source)
        self._places, self._groupby, self._metadata = self._rows.header(_columns)

    def frames(self) -> Iterator[Parsed | Refused]:
        """The frames after the header, or after the place that the source was made to skip to."""
        frame: DataFrame | None = None
        bounds: tuple[str, str] | None = None
        points, lines = 0, list[Line]()
        for row in self._rows.left():
            try:
                cells = row.read()
                begin, end, type_, unit, qty, price = [cells[place] for place in self._places]
                groupby = {name: cells[place] for name, place in self._groupby if cells[place]}
                metadata = {name: cells[place] for name, place in self._metadata if cells[place]}
                point = DataPoint(unit, qty, price, groupby, metadata)
                of = frame if frame is not None and (begin, end) == bounds else None
                if of is None:
                    of = DataFrame(time.parse(begin, "begin"), time.parse(end, "end"))
                of.add_point(point, type_)
            except InvalidInput as error:
                if frame is not None:
                    yield Parsed(frame, points, lines)
                    frame = None
                yield Refused(row.lines, error)
                continue
            if of is not frame:
                if frame is not None:
                    yield Parsed(frame, points, lines)
                frame, bounds, points, lines = of, (begin, end), 0, []
            points += 1
            lines += row.lines
        if frame is not None:
            yield Parsed(frame, points, lines)


def _columns(header: list[str]) -> tuple[list[int], list[tuple[str, int]], list[tuple[str, int]]]:
    """Places of the fixed columns, and names and places of the attributes."""
    check_columns(header, COLUMNS)
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


def opened(source: Source, form: str) -> Callable[[], Iterator[Parsed | Refused]]:
    """Read the head of the input; the frames come by calling the result, after `source.skip` if an import goes on.

    Args:
        source: the input, at its beginning.
        form: `jsonl` or `csv`.
    """
    return CsvReader(source).frames if form == "csv" else lambda: jsonl(source)

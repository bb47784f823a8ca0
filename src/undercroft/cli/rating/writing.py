"""Rated usage to text: the inverse of `reading`, and a table for people."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import IO, Any, NamedTuple

import msgspec

from undercroft.cli import output
from undercroft.cli.rating.reading import COLUMNS, GROUPBY, METADATA
from undercroft.rating import DataFrame
from undercroft.rating.query import is_calendar


class Line(msgspec.Struct, array_like=True):
    """A point as it waits for the header of its CSV file."""

    begin: str
    end: str
    type: str
    unit: str
    qty: Decimal
    price: Decimal
    groupby: dict[str, Any]
    metadata: dict[str, Any]


class Flat(NamedTuple):
    """A point with its period and type."""

    begin: dt.datetime
    end: dt.datetime
    type: str
    unit: str
    qty: Decimal
    price: Decimal
    groupby: dict[str, Any]
    metadata: dict[str, Any]


def flat(frames: Iterable[DataFrame]) -> Iterator[Flat]:
    """The points of the frames, in order."""
    for frame in frames:
        for type_, point in frame.iterpoints():
            yield Flat(frame.start, frame.end, type_, *point[:5])


def write_jsonl(out: IO[str], frames: Iterable[DataFrame]) -> None:
    """Write one frame a line."""
    for frame in frames:
        out.write(frame.json() + "\n")


def write_csv(out: IO[str], frames: Iterable[DataFrame], raw: bool) -> None:
    """Write one point a row. The header comes first and names every attribute, so the points wait in a temporary file."""
    groupby: dict[str, None] = {}
    metadata: dict[str, None] = {}
    with tempfile.SpooledTemporaryFile(max_size=16 << 20) as waiting:
        for point in flat(frames):
            line = Line(output.moment(point.begin), output.moment(point.end), *point[2:])
            groupby.update(dict.fromkeys(line.groupby))
            metadata.update(dict.fromkeys(line.metadata))
            waiting.write(msgspec.json.encode(line) + b"\n")
        waiting.seek(0)
        header = [*COLUMNS, *(GROUPBY + name for name in groupby), *(METADATA + name for name in metadata)]
        output.write_csv(out, header, _rows(waiting, list(groupby), list(metadata)), raw)


def _rows(lines: Iterable[bytes], groupby: list[str], metadata: list[str]) -> Iterator[list[Any]]:
    decoder = msgspec.json.Decoder(Line)
    for line in map(decoder.decode, lines):
        yield [
            *(line.begin, line.end, line.type, line.unit, line.qty, line.price),
            *(line.groupby.get(name, "") for name in groupby),
            *(line.metadata.get(name, "") for name in metadata),
        ]


def show(frames: Iterable[DataFrame]) -> None:
    """Print a table of points. Calendar attributes, which follow from the period, are left out."""
    columns = ("begin", "end", "type", "qty", "unit", "price", "groupby", "metadata")
    rows = [
        (point.begin, point.end, point.type, point.qty, point.unit, point.price, _words(point.groupby), _words(point.metadata))
        for point in flat(frames)
    ]
    output.table(columns, rows)


def _words(attributes: dict[str, Any]) -> str:
    return " ".join(f"{name}={output.plain_text(value)}" for name, value in attributes.items() if not is_calendar(name))

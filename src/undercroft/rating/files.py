"""Rated usage as files, part by part, in memory that does not grow: JSON lines, CSV and Parquet. `parsing` reads them."""

from __future__ import annotations

import datetime as dt
import io
import tempfile
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from undercroft.core import cells
from undercroft.core.forms import forms
from undercroft.core.portions import batches
from undercroft.rating.models import DataFrame

COLUMNS = ("begin", "end", "type", "unit", "qty", "price")
GROUPBY = "groupby."
METADATA = "metadata."
_FRAMES_AT_ONCE = 20
_ROWS_AT_ONCE = 500
# A point waits on disk where there are many.
WAITING_BYTES = 16 << 20


class Row(NamedTuple):
    """A point with its period and type; written to a temporary file as JSON where a format needs all points before the first."""

    begin: dt.datetime
    end: dt.datetime
    type: str
    unit: str
    qty: Decimal
    price: Decimal
    groupby: dict[str, Any]
    metadata: dict[str, Any]


def flat(frames: Iterable[DataFrame]) -> Iterator[Row]:
    """The points of the frames, in order."""
    for frame in frames:
        for type_, point in frame.iterpoints():
            yield Row(frame.start, frame.end, type_, *point[:5])


def jsonl(frames: Iterable[DataFrame]) -> Iterator[bytes]:
    """One frame a line, as `wire` has it."""
    for part in batches(frames, _FRAMES_AT_ONCE):
        yield "".join(frame.json() + "\n" for frame in part).encode()


def csv_rows(frames: Iterable[DataFrame], raw: bool = False) -> Iterator[bytes]:
    """One point a row; text that a spreadsheet takes for a formula is guarded, unless `raw`.

    The header comes first and names every attribute, so the points wait in a temporary file.
    """
    groupby: dict[str, None] = {}
    metadata: dict[str, None] = {}
    with tempfile.SpooledTemporaryFile(max_size=WAITING_BYTES) as waiting:
        for point in flat(frames):
            groupby.update(dict.fromkeys(point.groupby))
            metadata.update(dict.fromkeys(point.metadata))
            waiting.write(msgspec.json.encode(point) + b"\n")
        waiting.seek(0)
        header: list[str] | None = [*COLUMNS, *(GROUPBY + name for name in groupby), *(METADATA + name for name in metadata)]
        rows = _rows(waiting, list(groupby), list(metadata))
        while (part := list(islice(rows, _ROWS_AT_ONCE))) or header:
            text = io.StringIO(newline="")
            cells.write_csv(text, header, part, raw)
            header = None
            yield text.getvalue().encode()


def _rows(lines: Iterable[bytes], groupby: list[str], metadata: list[str]) -> Iterator[list[Any]]:
    decoder = msgspec.json.Decoder(Row)
    for line in map(decoder.decode, lines):
        yield [
            *(cells.timestamp(line.begin), cells.timestamp(line.end), line.type, line.unit, line.qty, line.price),
            *(line.groupby.get(name, "") for name in groupby),
            *(line.metadata.get(name, "") for name in metadata),
        ]


FORMS = forms(jsonl, csv_rows, "undercroft.rating.parquet")

"""Rated usage as Parquet. Numbers are exact: decimals of 38 digits where a file's numbers fit one, text where they do not."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from undercroft.core.cells import plain_text
from undercroft.core.errors import ConfigInvalid
from undercroft.core.portions import batches
from undercroft.core.sink import Sink
from undercroft.rating.files import WAITING_BYTES, Row, flat
from undercroft.rating.models import DataFrame

try:
    import pyarrow
    import pyarrow.parquet
except ImportError as missing:
    raise ConfigInvalid("Parquet needs the Python module 'pyarrow': pip install 'undercroft[parquet]'") from missing

DIGITS = 38
# Few different scales, so that the files of one export seldom differ in their types.
SCALES = (18, 28, 38)
_ROWS = 20_000


class _Width:
    """How many digits a column's numbers have before and behind the point."""

    def __init__(self) -> None:
        self.whole = 0
        self.places = 0

    def add(self, value: Decimal) -> None:
        self.places = max(self.places, -int(value.as_tuple().exponent))
        if value:
            self.whole = max(self.whole, value.adjusted() + 1)

    def type(self) -> Any:
        for scale in SCALES:
            if self.places <= scale and self.whole <= DIGITS - scale:
                return pyarrow.decimal128(DIGITS, scale)
        return pyarrow.string()


def parts(frames: Iterable[DataFrame]) -> Iterator[bytes]:
    """The bytes of a file, one point a row, in memory that does not grow with their number.

    Columns: begin, end (UTC, microseconds), type, unit, qty, price, groupby and metadata (maps from text to text).
    """
    qty, price = _Width(), _Width()
    encoder, decoder = msgspec.json.Encoder(), msgspec.json.Decoder(Row)
    with tempfile.SpooledTemporaryFile(max_size=WAITING_BYTES) as waiting:
        for point in flat(frames):
            qty.add(point.qty)
            price.add(point.price)
            waiting.write(encoder.encode(point) + b"\n")
        waiting.seek(0)
        schema = _schema(qty.type(), price.type())
        sink = Sink()
        with pyarrow.parquet.ParquetWriter(pyarrow.PythonFile(sink, mode="w"), schema, compression="zstd") as writer:
            for rows in batches(map(decoder.decode, waiting), _ROWS):
                writer.write_batch(pyarrow.RecordBatch.from_pylist([_row(row, schema) for row in rows], schema))
                yield sink.fetch()
        yield sink.fetch()


def _schema(qty: Any, price: Any) -> Any:
    moment, text = pyarrow.timestamp("us", tz="UTC"), pyarrow.string()
    attributes = pyarrow.map_(text, text)
    columns = {"begin": moment, "end": moment, "type": text, "unit": text, "qty": qty, "price": price}
    columns |= {"groupby": attributes, "metadata": attributes}
    return pyarrow.schema([pyarrow.field(name, type_, nullable=False) for name, type_ in columns.items()])


def _row(point: Row, schema: Any) -> dict[str, Any]:
    def number(name: str, value: Decimal) -> Any:
        return f"{value:f}" if schema.field(name).type == pyarrow.string() else value

    return {
        "begin": point.begin, "end": point.end, "type": point.type, "unit": point.unit,
        "qty": number("qty", point.qty), "price": number("price", point.price),
        "groupby": _texts(point.groupby), "metadata": _texts(point.metadata),
    }  # fmt: skip


def _texts(attributes: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, plain_text(value)) for name, value in attributes.items()]

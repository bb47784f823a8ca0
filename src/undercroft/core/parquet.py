"""Rows as a Parquet file, part by part, in memory that does not grow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from undercroft.core.errors import ConfigInvalid
from undercroft.core.portions import portions
from undercroft.core.sink import Sink

try:
    import pyarrow
    import pyarrow.parquet
except ImportError as missing:
    raise ConfigInvalid("Parquet needs the Python module 'pyarrow': pip install 'undercroft[parquet]'") from missing

__all__ = ["MOMENT", "TEXT", "parts", "pyarrow"]
# A group of rows is held, in several forms: so many, and so many characters of text.
_ROWS, _CHARACTERS = 10_000, 2**22
MOMENT, TEXT = pyarrow.timestamp("us", tz="UTC"), pyarrow.string()


def parts(schema: pyarrow.Schema, rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """The bytes of a file, a group of rows at a time.

    Args:
        schema: its columns.
        rows: values by column; one that is missing is null.
    """
    sink = Sink()
    with pyarrow.parquet.ParquetWriter(pyarrow.PythonFile(sink, mode="w"), schema, compression="zstd") as writer:
        for group in portions(rows, _ROWS, _CHARACTERS, _weight):
            writer.write_batch(pyarrow.RecordBatch.from_pylist(group, schema))
            yield sink.fetch()
    yield sink.fetch()


def _weight(row: dict[str, Any]) -> int:
    return sum(len(value) for value in row.values() if isinstance(value, str))

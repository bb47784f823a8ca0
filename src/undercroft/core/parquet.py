"""Rows as a Parquet file, part by part, in memory that does not grow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from undercroft.core.errors import ConfigInvalid
from undercroft.core.portions import batches
from undercroft.core.sink import Sink

try:
    import pyarrow
    import pyarrow.parquet
except ImportError as missing:
    raise ConfigInvalid("Parquet needs the Python module 'pyarrow': pip install 'undercroft[parquet]'") from missing

__all__ = ["MOMENT", "TEXT", "parts", "pyarrow"]
_ROW_GROUP = 10_000
MOMENT, TEXT = pyarrow.timestamp("us", tz="UTC"), pyarrow.string()


def parts(schema: pyarrow.Schema, rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """The bytes of a file, a group of rows at a time.

    Args:
        schema: its columns.
        rows: values by column; one that is missing is null.
    """
    sink = Sink()
    with pyarrow.parquet.ParquetWriter(pyarrow.PythonFile(sink, mode="w"), schema, compression="zstd") as writer:
        for group in batches(rows, _ROW_GROUP):
            writer.write_batch(pyarrow.RecordBatch.from_pylist(group, schema))
            yield sink.fetch()
    yield sink.fetch()

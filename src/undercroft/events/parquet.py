"""Events as Parquet: message_id, event_type, generated (UTC, microseconds), raw (JSON), and traits, a list of structs.

A trait's struct has its name, its type's name, and a column for each type, of which one is set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from undercroft.core.errors import ConfigInvalid
from undercroft.core.portions import batches
from undercroft.core.sink import Sink
from undercroft.events.models import Event, Trait

try:
    import pyarrow
    import pyarrow.parquet
except ImportError as missing:
    raise ConfigInvalid("Parquet needs the Python module 'pyarrow': pip install 'undercroft[parquet]'") from missing

_ROW_GROUP = 10_000
_encode = msgspec.json.Encoder().encode
_MOMENT, _TEXT = pyarrow.timestamp("us", tz="UTC"), pyarrow.string()
_KINDS = {"string": _TEXT, "integer": pyarrow.int64(), "float": pyarrow.float64(), "datetime": _MOMENT}
SCHEMA = pyarrow.schema(
    [
        ("message_id", _TEXT),
        ("event_type", _TEXT),
        ("generated", _MOMENT),
        ("traits", pyarrow.list_(pyarrow.struct([("name", _TEXT), ("type", _TEXT), *_KINDS.items()]))),
        ("raw", _TEXT),
    ]
)


def parts(events: Iterable[Event]) -> Iterator[bytes]:
    """The bytes of a file, a group of rows at a time."""
    sink = Sink()
    with pyarrow.parquet.ParquetWriter(pyarrow.PythonFile(sink, mode="w"), SCHEMA, compression="zstd") as writer:
        for group in batches(events, _ROW_GROUP):
            writer.write_batch(pyarrow.RecordBatch.from_pylist(list(map(_row, group)), SCHEMA))
            yield sink.fetch()
    yield sink.fetch()


def _row(event: Event) -> dict[str, Any]:
    traits = []
    for each in event.traits or ():
        kind = Trait.get_name_by_type(each.dtype)
        traits.append({"name": each.name, "type": kind, kind: each.value})
    return {
        "message_id": event.message_id,
        "event_type": event.event_type,
        "generated": event.generated,
        "traits": traits,
        "raw": _encode(event.raw).decode(),
    }

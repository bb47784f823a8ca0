"""Samples as Parquet, nothing lost: one row a sample.

`counter_volume` is a float; what was an integer is in `counter_volume_integer`, too, as text with every digit: no number of a
Parquet file holds integers of any size. `timestamp` and `recorded_at` are UTC, in microseconds; `resource_metadata` is JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from undercroft.core import parquet
from undercroft.core.parquet import MOMENT, TEXT, pyarrow
from undercroft.metering.models import Sample

_encode = msgspec.json.Encoder().encode
SCHEMA = pyarrow.schema(
    [
        ("source", TEXT),
        ("counter_name", TEXT),
        ("counter_type", TEXT),
        ("counter_unit", TEXT),
        ("counter_volume", pyarrow.float64()),
        ("counter_volume_integer", TEXT),
        ("user_id", TEXT),
        ("project_id", TEXT),
        ("resource_id", TEXT),
        ("timestamp", MOMENT),
        ("recorded_at", MOMENT),
        ("resource_metadata", TEXT),
        ("message_id", TEXT),
        ("message_signature", TEXT),
    ]
)


def parts(samples: Iterable[Sample]) -> Iterator[bytes]:
    """The bytes of a file, a group of rows at a time."""
    return parquet.parts(SCHEMA, map(_row, samples))


def _row(sample: Sample) -> dict[str, Any]:
    volume = sample.counter_volume
    return {
        **{name: getattr(sample, name) for name in Sample.fields},
        "counter_volume": float(volume),
        "counter_volume_integer": str(volume) if isinstance(volume, int) else None,
        "resource_metadata": _encode(sample.resource_metadata).decode(),
    }

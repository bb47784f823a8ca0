"""Samples as files, part by part, in memory that does not grow: JSON lines, CSV and Parquet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from undercroft.core import cells
from undercroft.core.forms import forms
from undercroft.core.portions import batches
from undercroft.metering import wire
from undercroft.metering.models import Sample

COLUMNS = (
    "source", "counter_name", "counter_type", "counter_unit", "counter_volume", "user_id", "project_id", "resource_id", "timestamp",
    "recorded_at", "resource_metadata", "message_id", "message_signature",
)  # fmt: skip
_AT_ONCE = 500
_encode = msgspec.json.Encoder().encode


def jsonl(samples: Iterable[Sample]) -> Iterator[bytes]:
    """One sample a line, as `wire.serialize` has it; integers have every digit."""
    for part in batches(samples, _AT_ONCE):
        yield b"".join(_encode(wire.serialize(sample)) + b"\n" for sample in part)


def csv_rows(samples: Iterable[Sample], raw: bool = False) -> Iterator[bytes]:
    """One sample a row: integers with every digit, metadata as JSON, an empty cell for what is not there.

    Text that a spreadsheet takes for a formula is guarded, unless `raw`.
    """
    return cells.csv_parts(COLUMNS, map(_row, samples), raw)


def _row(sample: Sample) -> list[Any]:
    found = wire.serialize(sample)
    found["resource_metadata"] = _encode(found["resource_metadata"]).decode()
    return ["" if found[name] is None else found[name] for name in COLUMNS]


FORMS = forms(jsonl, csv_rows, "undercroft.metering.parquet")

"""Events as Parquet: message_id, event_type, generated (UTC, microseconds), raw (JSON), and traits, a list of structs.

A trait's struct has its name, its type's name, and a column for each type, of which one is set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from undercroft.core import parquet
from undercroft.core.parquet import MOMENT, TEXT, pyarrow
from undercroft.events.models import Event, Trait

_encode = msgspec.json.Encoder().encode
_KINDS = {"string": TEXT, "integer": pyarrow.int64(), "float": pyarrow.float64(), "datetime": MOMENT}
SCHEMA = pyarrow.schema(
    [
        ("message_id", TEXT),
        ("event_type", TEXT),
        ("generated", MOMENT),
        ("traits", pyarrow.list_(pyarrow.struct([("name", TEXT), ("type", TEXT), *_KINDS.items()]))),
        ("raw", TEXT),
    ]
)


def parts(events: Iterable[Event]) -> Iterator[bytes]:
    """The bytes of a file, a group of rows at a time."""
    return parquet.parts(SCHEMA, map(_row, events))


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

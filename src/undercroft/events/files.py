"""Events as files, part by part, in memory that does not grow: JSON lines, CSV and Parquet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from undercroft.core import cells
from undercroft.core.forms import forms
from undercroft.core.portions import batches
from undercroft.events import wire
from undercroft.events.models import Event

COLUMNS = ("message_id", "event_type", "generated", "traits", "raw")
_AT_ONCE = 500
_encode = msgspec.json.Encoder().encode


def jsonl(events: Iterable[Event]) -> Iterator[bytes]:
    """One event a line, as `wire` has it."""
    for part in batches(events, _AT_ONCE):
        yield b"".join(_encode(wire.serialize(event)) + b"\n" for event in part)


def csv_rows(events: Iterable[Event], raw: bool = False) -> Iterator[bytes]:
    """One event a row, traits and `raw` as JSON; text that a spreadsheet takes for a formula is guarded, unless `raw`."""
    return cells.csv_parts(COLUMNS, map(_row, events), raw)


def _row(event: Event) -> list[str]:
    found = wire.serialize(event)
    # JSON begins with a bracket or a brace, or is a plain value: none of it is taken for a formula.
    return [*(found[name] for name in COLUMNS[:3]), *(_encode(found[name]).decode() for name in COLUMNS[3:])]


FORMS = forms(jsonl, csv_rows, "undercroft.events.parquet")

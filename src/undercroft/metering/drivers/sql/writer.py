"""Writing samples: one transaction a batch, into hours that nobody folds at that moment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from undercroft.metering.drivers.sql import ids
from undercroft.metering.drivers.sql.dialects import Dialect, Row
from undercroft.metering.drivers.sql.dialects.base import Oddity
from undercroft.metering.drivers.sql.dictionary import Dictionary, Learnt, Stale
from undercroft.metering.drivers.sql.schema import HOUR, PENDING, SPANS, Tables
from undercroft.metering.record import Record

_SMALLEST, _GREATEST = -(2**63), 2**63 - 1


class Batch(NamedTuple):
    """Samples laid out for their tables.

    Attributes:
        records: the samples.
        rows: the same, in their order.
        oddities: what some of them have besides.
        slots: the hours that they lie in, ascending.
        newest: the start of the newest of these hours.
        learnt: what the dictionaries said.
    """

    records: Sequence[Record]
    rows: list[Row]
    oddities: list[Oddity]
    slots: list[int]
    newest: int
    learnt: Learnt


def lay_out(records: Sequence[Record], dictionary: Dictionary, dialect: Dialect, now: int) -> Batch:
    """Lay samples out; what they need of the dictionaries is added.

    Args:
        records: of different message ids.
        dictionary: gives ids.
        dialect: knows the layout.
        now: when they are recorded, in microseconds.
    """
    learnt = dictionary.learn(records)
    rows: list[Row] = []
    oddities: list[Oddity] = []
    hour, many = SPANS[HOUR], dialect.pieces
    for record, series_id, meta_id, slot in zip(records, learnt.series, learnt.metas, learnt.slots, strict=True):
        key = ids.key(record.message_id)
        volume, moment = record.volume, record.timestamp
        whole = fraction = text = None
        if volume.__class__ is float:
            # SQLite keeps a zero without its sign.
            if volume or math.copysign(1.0, volume) > 0:
                fraction = volume
            else:
                text = repr(volume)
        elif _SMALLEST <= volume <= _GREATEST:
            whole = volume
        else:
            text = str(volume)
        piece = slot * many + moment % hour * many // hour
        rows.append((piece, series_id, key, moment, whole, fraction, now - moment, meta_id))  # type: ignore[arg-type]  # an integer
        is_odd = ids.is_odd(key)
        if is_odd or text is not None or record.signature is not None:
            oddities.append((key, record.message_id if is_odd else None, text, record.signature))
    newest = max(record.timestamp for record in records) // hour * hour
    return Batch(records, rows, oddities, sorted(set(learnt.slots)), newest, learnt)


class Writer:
    """Writes into the tables of one namespace."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        self._t = tables
        self._dialect = dialect

    def record(self, connection: sa.Connection, batch: Batch) -> list[str]:
        """Store a batch, within a write transaction; message ids of those that were there already.

        Raises:
            Stale: an entry of a dictionary is gone, or an hour, or that is folded at this moment; lay the samples out anew.
        """
        dialect = self._dialect
        if dialect.lock(connection) != batch.learnt.generation:
            raise Stale("entries of dictionaries expired at this moment; repeat the call")
        folded = dialect.share(connection, batch.slots)
        if len(folded) < len(batch.slots):
            raise Stale("hours that samples belong to were deleted at this moment; repeat the call")
        for (table, day), numbers in sorted(batch.learnt.touched.items()):
            dialect.touch(connection, table, day, sorted(numbers))
        known = dialect.insert(connection, batch.rows)
        if batch.oddities and (odd := [each for each in batch.oddities if each[0] not in known]):
            dialect.insert_rows(connection, self._t.oddity, odd)
        late = {slot for slot, state in folded.items() if state != PENDING}
        if late:
            many = dialect.pieces
            if reopened := sorted(late & {row[0] // many for row in batch.rows if row[2] not in known}):
                dialect.reopen(connection, reopened)
        if not known:
            return []
        return [record.message_id for record, row in zip(batch.records, batch.rows, strict=True) if row[2] in known]

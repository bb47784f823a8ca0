"""Deleting rated usage: points go, and what they added to the sums is taken off in the same transaction, day by day."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from undercroft.rating.calendar import MONTH_OF_DAY
from undercroft.rating.drivers.sql.reader import Reader
from undercroft.rating.drivers.sql.schema import PRICE, QTY, Tables
from undercroft.rating.drivers.sql.sources import Sources
from undercroft.rating.drivers.sql.writer import Sums, Writer
from undercroft.rating.query import Selection


class Deleter:
    """Deletes from one store; a call of `delete` is within one write transaction."""

    def __init__(self, tables: Tables, dialect: str, writer: Writer, reader: Reader) -> None:
        self._t = tables
        self._dialect = dialect
        self._writer = writer
        self._reader = reader

    def delete(self, connection: sa.Connection, selection: Selection) -> int:
        """Delete the selected points; returns how many."""
        self._writer.guard(connection, deletes=True)
        if selection == Selection():
            return self._empty(connection)
        probe = self._reader.probe(connection, selection)
        if probe is None:
            return 0
        sources = Sources(self._t, self._dialect, selection, probe)
        slot = self._t.slot.c
        slots = sa.select(slot.day, slot.id).where(*sources.in_range()).order_by(slot.day)
        days = itertools.groupby(connection.execute(slots).all(), key=lambda row: row.day)
        return sum(self._delete_day(connection, sources, day, [row.id for row in rows]) for day, rows in days)

    def _empty(self, connection: sa.Connection) -> int:
        gone = connection.execute(self._t.point.delete()).rowcount
        for table in (self._t.rollup, self._t.slot_total):
            connection.execute(table.delete())
        return gone

    def _delete_day(self, connection: sa.Connection, sources: Sources, day: int, slots: Sequence[int]) -> int:
        """Delete points of one local day, so that what is held in memory is bounded by the day's series."""
        t = self._t
        by_series, by_slot = Sums(), Sums()
        shard = self._writer.shard(connection)
        gone = 0
        for series, slot, points, *parts in self._take(connection, sources, day, slots):
            width = len(parts) // 2
            qty, price = (t.exact.decode_sum(p).copy_negate() for p in (parts[:width], parts[width:]))
            if slot is None:
                by_series.add(day, series, -points, qty, price)
                gone += points
            else:
                by_slot.add(slot, shard, -points, qty, price)
        if not gone:
            return 0
        self._writer.add_sums(connection, by_series, by_slot)
        rollup = t.rollup.c
        connection.execute(t.rollup.delete().where(rollup.bucket.in_([day, day // MONTH_OF_DAY]), rollup.points == 0))
        return gone

    def _take(self, connection: sa.Connection, sources: Sources, day: int, slots: Sequence[int]) -> Sequence[Sequence[Any]]:
        """Delete the selected points of these slots of a day; rows of sums by series (slot NULL) and by slot (series NULL)."""
        t = self._t
        point = t.point.c
        chosen = [point.slot_id.in_(slots), *sources.of_points(sa.literal(day, sa.BigInteger))]
        if self._dialect == "postgresql":
            # Others push meanwhile: only the deletion itself knows what it took.
            numbers = [point[c] for name in (QTY, PRICE) for c in t.exact.columns(name)]
            deleted = t.point.delete().where(*chosen).returning(point.slot_id, point.series_id, *numbers)
            return connection.execute(sa.union_all(*self._sums(sources, deleted.cte("taken")))).all()
        # Elsewhere nothing can come between: the file's write lock, or `guard`, keeps others out.
        taken = sa.select(t.point).where(*chosen).subquery("taken")
        rows = connection.execute(sa.union_all(*self._sums(sources, taken))).all()
        connection.execute(t.point.delete().where(*chosen))
        return rows

    @staticmethod
    def _sums(sources: Sources, taken: Any) -> list[sa.Select[Any]]:
        """Sums of the points that are taken out, by series, and by slot."""
        rows = sa.select(taken.c.slot_id, taken.c.series_id, *sources.sums(taken)).subquery("gone")
        sums = [sa.func.sum(column) for column in list(rows.columns)[2:]]
        nothing = sa.cast(sa.null(), sa.Integer)
        return [
            sa.select(rows.c.series_id, nothing, sa.func.count(), *sums).group_by(rows.c.series_id),
            sa.select(nothing, rows.c.slot_id, sa.func.count(), *sums).group_by(rows.c.slot_id),
        ]

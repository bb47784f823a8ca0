"""Deleting rated usage: points go, and what they added to the sums is taken off in the same transaction, day by day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from undercroft.rating.calendar import MONTH_OF_DAY
from undercroft.rating.drivers.sql.predicates import Probe
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
        if selection == Selection():
            return self._empty(connection)
        probe = self._reader.probe(connection, selection)
        if probe is None:
            return 0
        sources = Sources(self._t, self._dialect, selection, probe)
        slot = self._t.slot.c
        days = connection.execute(sa.select(slot.day).where(*sources.in_range()).distinct().order_by(slot.day)).scalars().all()
        return sum(self._delete_day(connection, sources, probe, day) for day in days)

    def _empty(self, connection: sa.Connection) -> int:
        gone = connection.execute(self._t.point.delete()).rowcount
        for table in (self._t.rollup, self._t.slot_total):
            connection.execute(table.delete())
        return gone

    def _delete_day(self, connection: sa.Connection, sources: Sources, probe: Probe, day: int) -> int:
        """Delete one local day's points, so that what is held in memory is bounded by the day's series."""
        t = self._t
        by_series, by_slot = Sums(), Sums()
        shard = self._writer.shard(connection)
        gone = 0
        for series, slot, points, *parts in self._take(connection, sources, day):
            width = len(parts) // 2
            qty, price = (t.exact.decode_sum(p).copy_negate() for p in (parts[:width], parts[width:]))
            if slot is None:
                by_series.add((day, series), -points, qty, price)
                gone += points
            else:
                by_slot.add((slot, shard), -points, qty, price)
        if not gone:
            return 0
        self._writer.add_sums(connection, by_series, by_slot)
        rollup = t.rollup.c
        connection.execute(t.rollup.delete().where(rollup.bucket.in_([day, day // MONTH_OF_DAY]), rollup.points == 0))
        return gone

    def _take(self, connection: sa.Connection, sources: Sources, day: int) -> Sequence[Sequence[Any]]:
        """Delete the day's selected points; rows of sums by series (slot NULL) and by slot (series NULL)."""
        t = self._t
        slot, point = t.slot.c, t.point.c
        chosen = sources.joined([point.slot_id, point.series_id, point.number]).where(slot.day == day)
        if self._dialect == "sqlite":
            # Under the file's write lock nothing can come between the sums and the deletion.
            numbers = sources.points().add_columns(point.slot_id).where(slot.day == day).subquery("gone")
            rows = connection.execute(sa.union_all(*self._sums(numbers))).all()
            connection.execute(t.point.delete().where(sa.tuple_(point.slot_id, point.series_id, point.number).in_(chosen)))
            return rows
        # Elsewhere others write meanwhile: only the deletion itself knows what it took.
        gone = (
            t.point.delete()
            .where(sa.tuple_(point.slot_id, point.series_id, point.number).in_(chosen))
            .returning(point.slot_id, point.series_id, *(point[c] for c in (*t.exact.columns(QTY), *t.exact.columns(PRICE))))
            .cte("taken")
        )
        columns = [
            column.label(f"{name}{number}") for name in (QTY, PRICE) for number, column in enumerate(t.exact.partial(gone, name))
        ]
        numbers = sa.select(gone.c.slot_id, gone.c.series_id, sa.literal_column("1").label("points"), *columns).subquery("gone")
        return connection.execute(sa.union_all(*self._sums(numbers))).all()

    def _sums(self, gone: sa.Subquery) -> list[sa.Select[Any]]:
        """Sums of deleted points by series, and by slot."""
        width = len(self._t.exact.partial(self._t.point, QTY))
        sums = [sa.func.sum(gone.c.points)]
        sums += [sa.func.sum(gone.c[f"{name}{number}"]) for name in (QTY, PRICE) for number in range(width)]
        nothing = sa.cast(sa.null(), sa.Integer)
        return [
            sa.select(gone.c.series_id, nothing, *sums).group_by(gone.c.series_id),
            sa.select(nothing, gone.c.slot_id, *sums).group_by(gone.c.slot_id),
        ]

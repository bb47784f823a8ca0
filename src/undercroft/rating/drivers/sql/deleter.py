"""Deleting rated usage: points go, and what they added to the sums is taken off in the same transaction, day by day."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from undercroft.rating.calendar import MONTH_OF_DAY
from undercroft.rating.drivers.sql.reader import Reader
from undercroft.rating.drivers.sql.schema import PRICE, QTY, Tables
from undercroft.rating.drivers.sql.sources import Sources
from undercroft.rating.drivers.sql.writer import Writer
from undercroft.rating.query import Selection

_SERIES, _SCOPE, _SLOT = 0, 1, 2


class Deleter:
    """Deletes from one store; a call of `delete` is within one write transaction."""

    def __init__(self, tables: Tables, dialect: str, writer: Writer, reader: Reader) -> None:
        self._t = tables
        self._dialect = dialect
        self._writer = writer
        self._reader = reader

    def delete(self, connection: sa.Connection, selection: Selection) -> int:
        """Delete the selected points; returns how many."""
        everything = selection == Selection()
        self._writer.keep_out(connection, everything=everything)
        if everything:
            return self._empty(connection)
        probe = self._reader.probe(connection, selection)
        if probe is None:
            return 0
        sources = Sources(self._t, self._dialect, selection, probe)
        slot = self._t.slot.c
        slots = sa.select(slot.day, slot.id, slot.pending).where(*sources.in_range()).order_by(slot.day)
        if self._dialect == "postgresql":
            # Nothing of these is folded from here on; elsewhere nobody else writes anyhow.
            slots = slots.with_for_update(read=True, key_share=True)
        days = itertools.groupby(connection.execute(slots).all(), key=lambda row: row.day)
        return sum(self._delete_day(connection, sources, day, {row.id: row.pending for row in rows}) for day, rows in days)

    def _empty(self, connection: sa.Connection) -> int:
        gone = connection.execute(self._t.point.delete()).rowcount
        for table in (self._t.rollup, self._t.scope_rollup, self._t.slot_total):
            connection.execute(table.delete())
        return gone

    def _delete_day(self, connection: sa.Connection, sources: Sources, day: int, slots: Mapping[int, int]) -> int:
        """Delete points of one local day, so that what is held in memory is bounded by the day's series."""
        t = self._t
        change = self._writer.change(connection)
        gone = 0
        for what, key, points, *parts in self._take(connection, sources, day, slots):
            width = len(parts) // 2
            qty, price = (t.exact.decode_sum(p).copy_negate() for p in (parts[:width], parts[width:]))
            if what == _SERIES:
                change.by_series.add(day, key, -points, qty, price)
            elif what == _SCOPE:
                change.by_scope.add(day, key, -points, qty, price)
            else:
                change.by_slot.add(key, change.shard, -points, qty, price)
                gone += points
        if not gone:
            return 0
        self._writer.add_sums(connection, change)
        for table in (t.rollup, t.scope_rollup):
            nothing = table.c.bucket.in_([day, day // MONTH_OF_DAY]), table.c.points == 0
            connection.execute(table.delete().where(*nothing))
        return gone

    def _take(self, connection: sa.Connection, sources: Sources, day: int, slots: Mapping[int, int]) -> Sequence[Sequence[Any]]:
        """Delete the selected points of these slots of a day; rows (what it is the sum of, its id, points, sums)."""
        t = self._t
        point = t.point.c
        chosen = [point.slot_id.in_(list(slots)), *sources.of_points(sa.literal(day, sa.BigInteger))]
        folded = [number for number, pending in slots.items() if not pending]
        if self._dialect == "postgresql":
            # Others push meanwhile: only the deletion itself knows what it took.
            numbers = [point[c] for name in (QTY, PRICE) for c in t.exact.columns(name)]
            deleted = t.point.delete().where(*chosen).returning(point.slot_id, point.series_id, *numbers)
            return connection.execute(sa.union_all(*self._sums(sources, deleted.cte("taken"), folded))).all()
        # Elsewhere nothing can come between: the file's write lock, or `keep_out`, keeps others out.
        taken = sa.select(t.point).where(*chosen).subquery("taken")
        rows = connection.execute(sa.union_all(*self._sums(sources, taken, folded))).all()
        connection.execute(t.point.delete().where(*chosen))
        return rows

    def _sums(self, sources: Sources, taken: Any, folded: Sequence[int]) -> list[sa.Select[Any]]:
        """Sums of the points that are taken out: by series, of folded slots; by scope; by slot."""
        entry = self._t.entry.c
        rows = sa.select(taken.c.slot_id, taken.c.series_id, *sources.sums(taken)).subquery("gone")
        sums = [sa.func.sum(column) for column in list(rows.columns)[2:]]

        def by(what: int, key: Any) -> sa.Select[Any]:
            return sa.select(sa.literal_column(str(what)), key, sa.func.count(), *sums).group_by(key)

        of_scopes = by(_SCOPE, entry.scope_id).join_from(rows, self._t.entry, entry.id == rows.c.series_id)
        of_series = by(_SERIES, rows.c.series_id).where(rows.c.slot_id.in_(folded))
        return [*([of_series] if folded else []), of_scopes, by(_SLOT, rows.c.slot_id)]

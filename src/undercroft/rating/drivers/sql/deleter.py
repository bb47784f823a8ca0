"""Deleting rated usage: points go, and what they added to the sums is taken off in the same transaction, day by day."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from undercroft.core.portions import batches
from undercroft.rating.calendar import MONTH_OF_DAY
from undercroft.rating.drivers.sql.dialects import Dialect
from undercroft.rating.drivers.sql.reader import Reader
from undercroft.rating.drivers.sql.schema import PRICE, QTY
from undercroft.rating.drivers.sql.shape import Asked, Built, Shape, Target, asked, built, value, values_of
from undercroft.rating.drivers.sql.sources import Sources
from undercroft.rating.drivers.sql.writer import Change
from undercroft.rating.query import Selection

# Slots of one statement.
_SLOTS = 20_000
_SERIES, _SCOPE, _SLOT = 0, 1, 2


@dataclasses.dataclass(frozen=True)
class Deleter:
    """Deletes from one store; a call of `delete` is within one write transaction."""

    target: Target
    dialect: Dialect
    reader: Reader

    def delete(self, connection: sa.Connection, selection: Selection) -> int:
        """Delete the selected points; returns how many."""
        everything = selection == Selection()
        self.dialect.keep_out(connection, everything=everything)
        if everything:
            return self._empty(connection)
        probe = self.reader.probe(connection, selection)
        if probe is None:
            return 0
        question = asked(selection, probe)
        question = question._replace(shape=question.shape._replace(exact=self.target.tables.exact))
        slots = built(_slots_statement, self.target, question.shape).rows(connection, question.values)
        days = itertools.groupby(slots, key=lambda row: row.day)
        return sum(
            self._delete_day(connection, question, day, {row.id: row.pending for row in part})
            for day, rows in days
            for part in batches(rows, _SLOTS)
        )

    def _empty(self, connection: sa.Connection) -> int:
        t = self.target.tables
        gone = connection.execute(t.point.delete()).rowcount
        for table in (t.rollup, t.scope_rollup, t.slot_total):
            connection.execute(table.delete())
        return gone

    def _delete_day(self, connection: sa.Connection, question: Asked, day: int, slots: Mapping[int, int]) -> int:
        """Delete points of some slots of a local day, so that what is held in memory is bounded by their series."""
        t = self.target.tables
        change = Change(self.dialect.shard(connection))
        gone = 0
        for what, key, points, *parts in self._take(connection, question, day, slots):
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
        self.dialect.add_sums(connection, change.tables(t))
        for table in (t.rollup, t.scope_rollup):
            nothing = table.c.bucket.in_([day, day // MONTH_OF_DAY]), table.c.points == 0
            connection.execute(table.delete().where(*nothing))
        return gone

    def _take(self, connection: sa.Connection, question: Asked, day: int, slots: Mapping[int, int]) -> Sequence[Sequence[Any]]:
        """Delete the selected points of these slots of a day; rows (what it is the sum of, its id, points, sums)."""
        folded = [number for number, pending in slots.items() if not pending]
        values = {**question.values, "day": day, "slots": list(slots), "folded": folded}
        rows = built(_sums_statement, self.target, question.shape, bool(folded)).rows(connection, values)
        if not self.target.dialect.deletes_beside_pushes:
            connection.execute(built(_delete_statement, self.target, question.shape).statement, values)
        return rows


def _slots_statement(target: Target, shape: Shape) -> Built:
    """Rows (day, slot, whether it is pending) of the range, in order of days."""
    slot = target.tables.slot.c
    slots = sa.select(slot.day, slot.id, slot.pending).where(*Sources(target, shape).in_range()).order_by(slot.day)
    return Built(target.dialect.locked_for_deletion(slots))


def _chosen(target: Target, shape: Shape) -> list[Any]:
    """The conditions on a point to be deleted, of `slots`, which are of `day`."""
    slot_id = target.tables.point.c.slot_id
    return [slot_id.in_(values_of("slots", slot_id)), *Sources(target, shape).of_points(value("day"))]


def _delete_statement(target: Target, shape: Shape) -> Built:
    return Built(target.tables.point.delete().where(*_chosen(target, shape)))


def _sums_statement(target: Target, shape: Shape, any_folded: bool) -> Built:
    """Sums of the points that are deleted: by series, of `folded` slots; by scope; by slot. Where pushes go on, deletes them."""
    t = target.tables
    point, entry = t.point.c, t.entry.c
    chosen = _chosen(target, shape)
    if target.dialect.deletes_beside_pushes:
        # Only the deletion itself knows what it took.
        numbers = [point[c] for name in (QTY, PRICE) for c in t.exact.columns(name)]
        taken: Any = t.point.delete().where(*chosen).returning(point.slot_id, point.series_id, *numbers).cte("taken")
    else:
        # Nothing can come between: the file's write lock, or `keep_out`, keeps others out.
        taken = sa.select(t.point).where(*chosen).subquery("taken")
    rows = sa.select(taken.c.slot_id, taken.c.series_id, *Sources(target, shape).sums(taken)).subquery("gone")
    sums = [sa.func.sum(column) for column in list(rows.columns)[2:]]

    def by(what: int, key: Any) -> sa.Select[Any]:
        return sa.select(sa.literal_column(str(what)), key, sa.func.count(), *sums).group_by(key)

    of_scopes = by(_SCOPE, entry.scope_id).join_from(rows, t.entry, entry.id == rows.c.series_id)
    of_series = by(_SERIES, rows.c.series_id).where(rows.c.slot_id.in_(values_of("folded", rows.c.slot_id)))
    return Built(sa.union_all(*([of_series] if any_folded else []), of_scopes, by(_SLOT, rows.c.slot_id)))

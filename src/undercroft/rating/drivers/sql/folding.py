"""Folding: the sums by series of slots that are no longer written to, added to `rollup` many slots at a time.

A push adds to the sums by scope and by slot, which are few. Were it to add to those by series as well, it would touch two rows of
`rollup` for every point: that took twice as long as the points themselves. Instead a new slot is pending: questions about series
read its points. Once enough points wait, the oldest slots are folded, in one transaction and all their points by series and day at
once. What comes to a slot after that, its push adds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from undercroft.rating.drivers.sql.dialects import Dialect
from undercroft.rating.drivers.sql.schema import PRICE, QTY, Tables
from undercroft.rating.drivers.sql.writer import Change

# In one transaction, which keeps other writers of a SQLite file waiting.
_AT_ONCE = 150_000


class Folder:
    """Folds the slots of one store."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        self._t = tables
        self._dialect = dialect

    def waiting(self) -> sa.Select[Any]:
        """Asks how many points are in pending slots; NULL when there is none."""
        slot, total = self._t.slot.c, self._t.slot_total
        points = sa.cast(sa.func.sum(total.c.points), sa.BigInteger)
        return sa.select(points).join_from(self._t.slot, total, total.c.slot_id == slot.id).where(slot.pending == 1)

    def fold(self, connection: sa.Connection, *, newest: bool) -> int | None:
        """Fold the oldest pending slots; within a write transaction.

        Args:
            connection: in a write transaction.
            newest: those of the newest frame start, too, which are likely to be written to.

        Returns:
            how many points were folded; None when there is nothing left to do.
        """
        pending = self._pending(connection)
        chosen: dict[int, int] = {}
        points = 0
        for row in pending:
            points += row.points
            is_last = row.begin == pending[-1].begin and not newest
            if is_last or (chosen and points > _AT_ONCE):
                break
            chosen[row.id] = row.points
        locked = self._dialect.lock_pending(connection, list(chosen)) if chosen else []
        if not locked:
            return None
        if not self._dialect.fold(connection, locked):
            self._add_up(connection, locked)
        slot = self._t.slot
        connection.execute(slot.update().where(slot.c.id.in_(locked)).values(pending=0))
        return sum(chosen[number] for number in locked)

    def _add_up(self, connection: sa.Connection, slots: Sequence[int]) -> None:
        """Add the sums of all points of these slots to `rollup`, however many digits they have."""
        t = self._t
        slot, point = t.slot.c, t.point.c
        parts = [part for name in (QTY, PRICE) for part in t.exact.partial(t.point, name)]
        sums = (
            sa.select(slot.day, point.series_id, sa.func.count(), *(sa.func.sum(part) for part in parts))
            .join_from(t.slot, t.point, point.slot_id == slot.id)
            .where(slot.id.in_(slots))
            .group_by(slot.day, point.series_id)
        )
        change = Change(self._dialect.shard(connection))
        width = len(parts) // 2
        for day, series, points, *found in connection.execute(sums):
            qty, price = t.exact.decode_sum(found[:width]), t.exact.decode_sum(found[width:])
            change.by_series.add(day, series, points, qty, price)
        self._dialect.add_sums(connection, change.tables(t))

    def _pending(self, connection: sa.Connection) -> list[Any]:
        """Rows (slot, its begin, its points), the oldest first."""
        slot, total = self._t.slot.c, self._t.slot_total
        points = sa.cast(sa.func.sum(total.c.points), sa.BigInteger)
        query = (
            sa.select(slot.id, slot.begin, points.label("points"))
            .join_from(self._t.slot, total, total.c.slot_id == slot.id)
            .where(slot.pending == 1)
            .group_by(slot.id, slot.begin)
            .order_by(slot.begin)
        )
        return list(connection.execute(query).all())

"""The newest frame end of every scope, without reading every point."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from undercroft.rating.calendar import LAST_MONTH
from undercroft.rating.drivers.sql.schema import SERIES, TYPE, Tables


def newest_ends(tables: Tables, scope_key: str) -> sa.Select[Any]:
    """Rows (text of the scope, newest frame end in microseconds).

    The sums by day tell on which day a scope's last frame starts. The frame that ends last need not start then: it is looked for
    among all frames that start no later than that day, and end no sooner than the first frame of that day starts.
    """
    slot, point, rollup = tables.slot, tables.point, tables.rollup
    scope, kind = tables.attribute.alias("scope"), tables.attribute.alias("kind")
    named = sa.and_(scope.c.kind == SERIES, scope.c.name == scope_key.encode(), scope.c.text != b"")
    newest = (
        sa.select(scope.c.text, sa.func.max(rollup.c.bucket).label("day"))
        .join_from(scope, rollup, rollup.c.series_id == scope.c.entry_id)
        .where(named, rollup.c.bucket > LAST_MONTH, rollup.c.points > 0)
        .group_by(scope.c.text)
        .cte("newest")
    )
    days = sa.select(slot.c.day, sa.func.min(slot.c.begin).label("first")).group_by(slot.c.day).cte("days")
    return (
        sa.select(scope.c.text, sa.func.max(slot.c.end))
        .select_from(newest)
        .join(days, days.c.day == newest.c.day)
        .join(scope, sa.and_(scope.c.text == newest.c.text, named))
        .join(kind, sa.and_(kind.c.kind == TYPE, kind.c.name == b"", kind.c.entry_id == scope.c.entry_id))
        .join(slot, sa.and_(slot.c.type == kind.c.text, slot.c.day <= newest.c.day, slot.c.end >= days.c.first))
        .join(point, sa.and_(point.c.slot_id == slot.c.id, point.c.series_id == scope.c.entry_id))
        .group_by(scope.c.text)
    )

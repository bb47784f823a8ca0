"""The newest frame end of every scope, without reading every point."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from undercroft.rating.calendar import LAST_MONTH
from undercroft.rating.drivers.sql.schema import SCOPE, SERIES, TYPE, Tables
from undercroft.rating.drivers.sql.shape import Built, Target, value


def newest_ends(target: Target, rolled_up: bool) -> Built:
    """Rows (text of the scope, newest frame end in microseconds).

    The sums by day tell on which day a scope's last frame starts. The frame that ends last need not start then: it is looked for
    among all frames that start no later than that day, and end no sooner than the first frame of that day starts.

    The value `scope_key` is the name of the attribute that makes scopes.

    Args:
        target: the store.
        rolled_up: whether that attribute is the one that `scope_rollup` is kept by.
    """
    tables = target.tables
    slot, point = tables.slot, tables.point
    scope, kind = tables.attribute.alias("scope"), tables.attribute.alias("kind")
    named = sa.and_(scope.c.kind == SERIES, scope.c.name == value("scope_key", scope.c.name.type), scope.c.text != b"")
    newest = _newest_days(tables, rolled_up=rolled_up).cte("newest")
    last = sa.select(newest.c.day).distinct().subquery("last")
    first = sa.func.min(slot.c.begin).label("first")
    days = sa.select(slot.c.day, first).join_from(last, slot, slot.c.day == last.c.day).group_by(slot.c.day).subquery("days")
    # Distinct keeps engines from merging these into the join, where each would be searched again for every row of the other.
    tail = (
        sa.select(days.c.day, slot.c.type, slot.c.id, slot.c.end)
        .distinct()
        .join_from(days, slot, sa.and_(slot.c.day <= days.c.day, slot.c.end >= days.c.first))
        .cte("tail")
    )
    series = (
        sa.select(scope.c.entry_id, scope.c.text, kind.c.text.label("type"), newest.c.day)
        .distinct()
        .join_from(newest, scope, sa.and_(scope.c.text == newest.c.text, named))
        .join(kind, sa.and_(kind.c.kind == TYPE, kind.c.name == b"", kind.c.entry_id == scope.c.entry_id))
        .cte("series")
    )
    return Built(
        sa.select(series.c.text, sa.func.max(tail.c.end))
        .join_from(series, tail, sa.and_(tail.c.type == series.c.type, tail.c.day == series.c.day))
        .join(point, sa.and_(point.c.slot_id == tail.c.id, point.c.series_id == series.c.entry_id))
        .group_by(series.c.text)
    )


def _newest_days(tables: Tables, *, rolled_up: bool) -> sa.Select[Any]:
    """Rows (text of the scope, day key of its newest frame start)."""
    slot, point, rollup, scopes = tables.slot, tables.point, tables.rollup, tables.scope_rollup
    scope = tables.attribute.alias("of")
    kind = SCOPE if rolled_up else SERIES
    days: list[sa.Select[Any]] = []
    if rolled_up:
        days.append(sa.select(scopes.c.scope_id.label("id"), scopes.c.bucket.label("day")).where(scopes.c.points > 0))
    else:
        days.append(sa.select(rollup.c.series_id.label("id"), rollup.c.bucket.label("day")).where(rollup.c.points > 0))
        pending = sa.select(point.c.series_id, slot.c.day).join_from(slot, point, point.c.slot_id == slot.c.id)
        days.append(pending.where(slot.c.pending == 1))
    found = sa.union_all(*days).subquery("found")
    return (
        sa.select(scope.c.text, sa.func.max(found.c.day).label("day"))
        .join_from(scope, found, found.c.id == scope.c.entry_id)
        .where(
            scope.c.kind == kind,
            scope.c.name == value("scope_key", scope.c.name.type),
            scope.c.text != b"",
            found.c.day > LAST_MONTH,
        )
        .group_by(scope.c.text)
    )

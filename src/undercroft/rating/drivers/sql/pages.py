"""The statements that read points, built by shape: counts that say where a page lies, then its rows."""

from __future__ import annotations

import enum
from typing import Any

import sqlalchemy as sa

from undercroft.rating.drivers.sql.schema import PRICE, QTY
from undercroft.rating.drivers.sql.shape import Built, Shape, Target, value, values_of
from undercroft.rating.drivers.sql.sources import Sources


class Counts(enum.Enum):
    """What points are counted from."""

    SLOTS = "slot_total"
    POINTS = "points"
    ROLLUPS = "rollup"


class Within(enum.Enum):
    """Which of the selected points are read."""

    DAYS = "a page of those from `from_day` to `to_day`"
    PAGE = "a page of those of `slots`"
    SLOTS = "all of `slots`"


def counts_by_day(target: Target, shape: Shape, counts: Counts) -> Built:
    """Rows (day, its points), in order."""
    source = _counted(target, shape, counts)
    points = sa.func.sum(source.c.points)
    return Built(sa.select(source.c.day, points).group_by(source.c.day).having(points > 0).order_by(source.c.day))


def counts_by_slot(target: Target, shape: Shape) -> Built:
    """Rows (slot, its points) of the days from `from_day` to `to_day`, in order."""
    source = _counted(target, shape, Counts.SLOTS)
    points = sa.func.sum(source.c.points)
    order = [source.c.begin, source.c.end, source.c.type]
    query = sa.select(source.c.slot_id, points).group_by(source.c.slot_id, *order).having(points > 0).order_by(*order)
    return Built(query.where(source.c.day.between(value("from_day"), value("to_day"))))


def _counted(target: Target, shape: Shape, counts: Counts) -> sa.Subquery:
    sources = Sources(target, shape)
    if counts is Counts.SLOTS:
        return sources.slots().subquery("source")
    return (sources.points() if counts is Counts.POINTS else sources.rollups()).subquery("source")


def slots_in_range(target: Target, shape: Shape) -> Built:
    """Rows (slot, its points, whatever the conditions) of the range, in order."""
    slot, total = target.tables.slot.c, target.tables.slot_total
    return Built(
        sa.select(slot.id, sa.func.sum(total.c.points))
        .join_from(target.tables.slot, total, total.c.slot_id == slot.id)
        .where(*Sources(target, shape).in_range())
        .group_by(slot.id, slot.begin, slot.end, slot.type)
        .having(sa.func.sum(total.c.points) > 0)
        .order_by(slot.begin, slot.end, slot.type)
    )


def rows(target: Target, shape: Shape, within: Within) -> Built:
    """The points with their series and details, in order."""
    slot = target.tables.slot.c
    query = _rows(target, shape)
    if within is Within.DAYS:
        query = query.where(slot.day.between(value("from_day"), value("to_day")))
    else:
        query = query.where(slot.id.in_(values_of("slots", slot.id)))
    return Built(query if within is Within.SLOTS else query.limit(value("limit")).offset(value("skip")))


def _rows(target: Target, shape: Shape) -> sa.Select[Any]:
    t = target.tables
    slot, point = t.slot.c, t.point.c
    series, detail = t.entry.alias("series"), t.entry.alias("detail")
    columns = [
        slot.begin, slot.end, slot.type, slot.day, point.series_id, series.c.calendar, series.c.body,
        point.detail_id, detail.c.label, detail.c.body,
    ]  # fmt: skip
    columns += [point[name] for name in (*t.exact.columns(QTY), *t.exact.columns(PRICE))]
    return (
        Sources(target, shape)
        .joined(columns)
        .join(series, series.c.id == point.series_id)
        .join(detail, detail.c.id == point.detail_id)
        .order_by(slot.begin, slot.end, slot.type, point.series_id, point.number)
    )

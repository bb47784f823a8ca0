"""The statements of totals, built by shape.

A total is answered from the narrowest source that holds the answer:

- `slot_total`, when no attribute is asked for: a few rows an hour;
- `scope_rollup` for the whole months and days of the range, and points for its two edges, when the scope attribute is;
- `rollup` in the same way, and the points of pending slots, when other attributes of series are asked for;
- points, when single periods of chosen series, metadata, or extremes are asked for.

Sums are taken per series first; the dictionary is joined to those, not to points.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from undercroft.rating.drivers.sql.predicates import Expression, Grouped, grouped
from undercroft.rating.drivers.sql.schema import PRICE, QTY
from undercroft.rating.drivers.sql.shape import Built, GroupShape, Shape, Target, value
from undercroft.rating.drivers.sql.sources import Sources
from undercroft.rating.query import By


class Source(enum.Enum):
    """What a total is read from."""

    SLOTS = "slot_total"
    POINTS = "points"
    PERIODS = "points, with their periods"
    BUCKETS = "rollup or scope_rollup, bucket by bucket"
    SERIES = "the same, added up per series first"


class TotalShape(NamedTuple):
    """What the statement of a total depends on."""

    shape: Shape
    source: Source
    groups: tuple[GroupShape, ...]
    paged: bool


def total_statement(target: Target, total: TotalShape) -> Built:
    """The groups: columns t0, j0, t1, ... (a period's are begin and end), the count and the sums, sorted.

    With a page, those between `offset` and `last`, and the first in any case; the number of groups and each one's place, from 1 on,
    follow behind the other columns.
    """
    query, order = _grouped(target, total)
    names = tuple(column.name for column in query.selected_columns)
    if not total.paged:
        return Built(query.order_by(*order), names)
    groups = query.subquery("grouped")
    texts = [column for column in groups.columns if column.name in ("begin", "end") or column.name.startswith("t")]
    forms = [target.dialect.nulls_first(column) for column in groups.columns if column.name.startswith("j")]
    row_number = sa.func.row_number(type_=sa.BigInteger).over(order_by=[*texts, *forms])
    counted = sa.select(*groups.columns, sa.func.count().over().label("groups"), row_number.label("place"))
    numbered = counted.subquery("numbered")
    place = numbered.c.place
    # The first group comes along in any case: it tells how many there are.
    wanted = sa.or_(place == 1, sa.and_(place > value("offset"), place <= value("last")))
    return Built(sa.select(numbered).where(wanted).order_by(place), names)


def _source(target: Target, total: TotalShape) -> sa.Subquery:
    sources, source = Sources(target, total.shape), total.source
    if source is Source.SLOTS:
        return sources.slots().subquery("source")
    if source in (Source.POINTS, Source.PERIODS):
        return sources.points(periods=source is Source.PERIODS).subquery("source")
    inner = sources.rollups().subquery("bucket")
    if source is Source.BUCKETS:
        return inner
    sums = [sa.func.sum(column).label(column.name) for column in inner.columns if column.name not in ("series_id", "day")]
    return sa.select(inner.c.series_id, *sums).group_by(inner.c.series_id).subquery("source")


def _grouped(target: Target, total: TotalShape) -> tuple[sa.Select[Any], list[Expression]]:
    """The groups of a source, and their order."""
    source = _source(target, total)
    columns: list[Expression] = []
    keys: list[Expression] = []
    forms: list[Expression] = []
    origin: sa.FromClause = source
    # A source without series or days is only asked for groups that need none.
    series_id, day = source.c.get("series_id", sa.null()), source.c.get("day", sa.null())
    for position, group in enumerate(total.groups):
        if group.by is By.PERIOD:
            keys += [source.c.begin, source.c.end]
            columns += [source.c.begin, source.c.end]
            continue
        if group.by is By.TYPE and "type" in source.c:
            found = Grouped(source.c.type, sa.null(), None)
        else:
            found = grouped(target, group, position, series_id, day, total.shape.level)
        if found.join is not None:
            origin = origin.outerjoin(*found.join)
        keys.append(found.text)
        columns.append(found.text.label(f"t{position}"))
        if not isinstance(found.json, sa.sql.elements.Null):
            forms.append(found.json)
            columns.append(found.json.label(f"j{position}"))
    columns += _sums(source, total.shape)
    for name in total.shape.extremes:
        ordered = source.c[f"{name}_ordered"]
        columns += [sa.func.min(ordered).label(f"{name}_min"), sa.func.max(ordered).label(f"{name}_max")]
    query = sa.select(*columns).select_from(origin).group_by(*keys, *forms).having(sa.func.sum(source.c.points) > 0)
    return query, [*keys, *map(target.dialect.nulls_first, forms)]


def scopes_statement(target: Target, shape: Shape) -> Built:
    """Groups by type and scope, told apart by the scopes' ids: their label (the type), their body, the count and the sums."""
    source, scope = Sources(target, shape).rollups().subquery("source"), target.tables.entry.alias("scope")
    if shape.days is not None and shape.days.is_one_bucket:
        # Its key is (bucket, scope): there is nothing to add up.
        numbers: Sequence[Expression] = list(source.columns)[2:]
        query = sa.select().where(source.c.points > 0)
    else:
        numbers, query = _sums(source, shape), sa.select().group_by(source.c.series_id, scope.c.label, scope.c.body)
        query = query.having(sa.func.sum(source.c.points) > 0)
    query = query.add_columns(scope.c.label, scope.c.body, *numbers).join_from(source, scope, scope.c.id == source.c.series_id)
    return Built(query, tuple(column.name for column in query.selected_columns))


def _sums(source: sa.Subquery, shape: Shape) -> list[Expression]:
    """The count and the sums of a source."""
    parts = 0 if shape.exact is None else shape.exact.parts
    names = ["points", *(f"{name}{number}" for name in (QTY, PRICE) for number in range(parts))]
    return [sa.func.sum(source.c[name]).label(name) for name in names]

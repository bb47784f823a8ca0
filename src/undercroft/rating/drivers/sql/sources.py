"""Where the numbers of an answer are read from: `slot_total`, `rollup` with points at the edges, or points."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from undercroft.rating.drivers.sql.predicates import Expression, Predicate, derived_match, matching, of_types
from undercroft.rating.drivers.sql.schema import DETAIL, PRICE, QTY, SERIES, TYPE
from undercroft.rating.drivers.sql.shape import BY_SCOPE, BY_SERIES, Form, Shape, Target, value, values_of


@dataclasses.dataclass(frozen=True)
class Sources:
    """Builds the innermost selects of one shape.

    Their columns are `series_id` (a scope's id, at that level), `day` (a day key; months have week and day 0), `begin` and `end`
    where asked for, `points`, the partial sums `qty0`.. and `price0`.., and `qty_ordered`, `price_ordered` for those of `extremes`.
    """

    target: Target
    shape: Shape

    # -- what every source says ------------------------------------------------------------------------------------

    def sums(self, table: Any) -> list[Expression]:
        """Partial sums of a table's numbers, per row."""
        exact = self.shape.exact
        if exact is None:
            return []
        return [
            column.label(f"{name}{number}") for name in (QTY, PRICE) for number, column in enumerate(exact.partial(table, name))
        ]

    def in_range(self, *, types: bool = True) -> list[Predicate]:
        """The slots of the question's range and types."""
        slot, s = self.target.tables.slot.c, self.shape
        found: list[Predicate] = []
        if s.begin:
            found.append(slot.begin >= value("begin"))
        if s.end:
            found.append(slot.begin < value("end"))
        if types and s.types:
            found.append(slot.type.in_(values_of("types", slot.type)))
        return found

    def _of_series(self, series_id: Expression, day: Expression, kind: int = SERIES) -> list[Predicate]:
        """The conditions, where they are about series only."""
        tables = self.target.tables
        found: list[Predicate] = []
        for number, match in enumerate(self.shape.matches):
            matches: Predicate = self._steered(series_id).in_(matching(self.target, kind, number))
            derived = derived_match(tables, match, number, series_id, day)
            found.append(matches if derived is None else sa.or_(matches, derived))
        return found

    def _steered(self, series_id: Expression) -> Expression:
        return series_id if self.shape.selective else self.target.dialect.for_scan(series_id)

    # -- slot_total ------------------------------------------------------------------------------------------------

    def slots(self) -> sa.Select[Any]:
        """Sums by slot."""
        slot, total = self.target.tables.slot, self.target.tables.slot_total
        return (
            sa.select(
                slot.c.id.label("slot_id"), slot.c.begin, slot.c.end, slot.c.type, slot.c.day,
                total.c.points, *self.sums(total),
            )
            .join_from(slot, total, total.c.slot_id == slot.c.id)
            .where(*self.in_range())
        )  # fmt: skip

    # -- rollup ----------------------------------------------------------------------------------------------------

    def rollups(self) -> sa.CompoundSelect[Any]:
        """Sums by series and day or month for the whole days in the range, points for the rest of it and for pending slots."""
        days, slot = self.shape.days, self.target.tables.slot.c
        first, last = value("first_day"), value("last_day")
        parts: list[sa.Select[Any]] = []
        if days is None:
            return sa.union_all(self.points())
        if days.edges:
            parts.append(self.points().where(sa.or_(slot.day < first, slot.day > last)))
        if self.shape.level is BY_SERIES:
            parts.append(self.points().where(slot.pending == 1, slot.day.between(first, last)))
        parts += [self._buckets(number, scale, form) for number, (scale, form) in enumerate(days.runs)]
        return sa.union_all(*parts)

    def _buckets(self, number: int, scale: int, form: Form) -> sa.Select[Any]:
        tables, shape = self.target.tables, self.shape
        scopes = shape.level is BY_SCOPE
        rollup = tables.scope_rollup if scopes else tables.rollup
        entry_id = rollup.c.scope_id if scopes else rollup.c.series_id
        bucket = rollup.c.bucket
        day = bucket if scale == 1 else bucket * scale
        if form is Form.ONE:
            within: Predicate = bucket == value(f"first{number}")
        elif form is Form.LISTED:
            within = bucket.in_(values_of(f"buckets{number}", bucket))
        else:
            within = bucket.between(value(f"first{number}"), value(f"last{number}"))
        query = sa.select(entry_id.label("series_id"), day.label("day"), rollup.c.points, *self.sums(rollup)).where(within)
        if shape.types:
            query = query.where(self._steered(entry_id).in_(of_types(self.target, shape.level.type_kind)))
        return query.where(*self._of_series(entry_id, day, shape.level.kind))

    # -- points ----------------------------------------------------------------------------------------------------

    def points(self, *, periods: bool = False) -> sa.Select[Any]:
        """The points themselves."""
        tables = self.target.tables
        slot, point, entry = tables.slot, tables.point, tables.entry.alias("scoped")
        scopes = self.shape.level is BY_SCOPE
        columns: list[Expression] = [entry.c.scope_id.label("series_id") if scopes else point.c.series_id, slot.c.day]
        if periods:
            columns += [slot.c.begin, slot.c.end]
        columns += [sa.literal_column("1").label("points"), *self.sums(point)]
        for name in self.shape.extremes:
            columns.append(tables.exact.ordered(point, name).label(f"{name}_ordered"))
        query = self.joined(columns)
        return query.join(entry, entry.c.id == point.c.series_id) if scopes else query

    def joined(self, columns: Sequence[Any]) -> sa.Select[Any]:
        """`columns` of the selected points, from `slot` and `point`."""
        tables = self.target.tables
        slot, point = tables.slot, tables.point
        query = sa.select(*columns)
        if self.shape.selective:
            # From the few series to the slots of their type to the points: three look-ups by key.
            kind = tables.attribute.alias("kind")
            query = (
                query.select_from(kind)
                .join(slot, slot.c.type == kind.c.text)
                .join(point, sa.and_(point.c.slot_id == slot.c.id, point.c.series_id == kind.c.entry_id))
                .where(kind.c.kind == TYPE, kind.c.name == b"", *self.in_range(types=False))
                .where(*self._of_series(kind.c.entry_id, slot.c.day))
            )
            return query.where(kind.c.text.in_(values_of("types", kind.c.text))) if self.shape.types else query
        query = query.join_from(slot, point, point.c.slot_id == slot.c.id).where(*self.in_range())
        return query.where(*self.of_points(slot.c.day))

    def of_points(self, day: Expression) -> list[Predicate]:
        """The conditions on a point of `day`: about its series, or its metadata where any matches."""
        tables, point = self.target.tables, self.target.tables.point
        if not self.shape.details:
            return self._of_series(point.c.series_id, day)
        found: list[Predicate] = []
        for number, match in enumerate(self.shape.matches):
            either: list[Predicate] = [self._steered(point.c.series_id).in_(matching(self.target, SERIES, number))]
            if match.details:
                either.append(point.c.detail_id.in_(matching(self.target, DETAIL, number)))
            derived = derived_match(tables, match, number, point.c.series_id, day)
            if derived is not None:
                either.append(derived)
            found.append(sa.or_(*either))
        return found

"""Where the numbers of an answer are read from: `slot_total`, `rollup` with points at the edges, or points."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from undercroft.rating import calendar
from undercroft.rating.calendar import MONTH_OF_DAY, Coverage
from undercroft.rating.drivers.sql.exact import Layout
from undercroft.rating.drivers.sql.predicates import (
    BY_SCOPE,
    BY_SERIES,
    Expression,
    Level,
    Predicate,
    Probe,
    derived_match,
    matching,
    of_types,
)
from undercroft.rating.drivers.sql.schema import DETAIL, PRICE, QTY, SERIES, TYPE, Tables
from undercroft.rating.query import Selection

_LISTED = 400


class Sources:
    """Builds the innermost selects of one question.

    Their columns are `series_id` (a scope's id, at that level), `day` (a day key; months have week and day 0), `begin` and `end`
    where asked for, `points`, the partial sums `qty0`.. and `price0`.., and `qty_ordered`, `price_ordered` for those of `extremes`.
    """

    def __init__(
        self,
        tables: Tables,
        dialect: str,
        selection: Selection,
        probe: Probe,
        extremes: Sequence[str] = (),
        level: Level = BY_SERIES,
        exact: Layout | None = None,
    ) -> None:
        self._t = tables
        self._sqlite = dialect == "sqlite"
        self._selection = selection
        self._probe = probe
        self._extremes = extremes
        self._level = level
        self._exact = exact or tables.exact

    # -- what every source says ------------------------------------------------------------------------------------

    def sums(self, table: Any) -> list[Expression]:
        """Partial sums of a table's numbers, per row."""
        return [
            column.label(f"{name}{number}")
            for name in (QTY, PRICE)
            for number, column in enumerate(self._exact.partial(table, name))
        ]

    def in_range(self, *, types: bool = True) -> list[Predicate]:
        """The slots of the question's range and types."""
        slot, s = self._t.slot.c, self._selection
        found: list[Predicate] = []
        if s.begin is not None:
            found.append(slot.begin >= s.begin)
        if s.end is not None:
            found.append(slot.begin < s.end)
        if types and s.types is not None:
            found.append(slot.type.in_([type_.encode() for type_ in s.types]))
        return found

    def _of_series(self, series_id: Expression, day: Expression, kind: int = SERIES) -> list[Predicate]:
        """The conditions, where they are about series only."""
        found: list[Predicate] = []
        for condition in self._selection.conditions:
            matches: Predicate = self._steer(series_id).in_(matching(self._t, kind, condition))
            derived = derived_match(self._t, condition, series_id, day)
            found.append(matches if derived is None else sa.or_(matches, derived))
        return found

    def _steer(self, series_id: Expression) -> Expression:
        """Keep SQLite from looking up thousands of series one by one where a scan is faster."""
        if self._sqlite and not self._probe.is_selective:
            return series_id + sa.literal_column("0")
        return series_id

    # -- slot_total ------------------------------------------------------------------------------------------------

    def slots(self) -> sa.Select[Any]:
        """Sums by slot."""
        slot, total = self._t.slot, self._t.slot_total
        return (
            sa.select(
                slot.c.id.label("slot_id"), slot.c.begin, slot.c.end, slot.c.type, slot.c.day,
                total.c.points, *self.sums(total),
            )
            .join_from(slot, total, total.c.slot_id == slot.c.id)
            .where(*self.in_range())
        )  # fmt: skip

    # -- rollup ----------------------------------------------------------------------------------------------------

    def coverage(self, zone: dt.tzinfo) -> Coverage | None:
        """The whole days and months of the question's range."""
        return calendar.coverage(self._selection.begin, self._selection.end, zone)

    def rollups(self, zone: dt.tzinfo, *, months: bool) -> sa.CompoundSelect[Any]:
        """Sums by series and day or month for the whole days in the range, points for the rest of it and for pending slots."""
        whole = self.coverage(zone)
        slot = self._t.slot.c
        parts: list[sa.Select[Any]] = []
        if whole is None:
            parts.append(self.points())
        elif whole.has_edges:
            parts.append(self.points().where(sa.or_(slot.day < whole.first_day, slot.day > whole.last_day)))
        if whole is not None:
            if self._level is BY_SERIES:
                parts.append(self.points().where(slot.pending == 1, slot.day.between(whole.first_day, whole.last_day)))
            if not months:
                whole = whole._replace(first_month=None, last_month=None)
            if whole.first_month is not None and whole.last_month is not None:
                parts.append(self._buckets(whole.first_month, whole.last_month, MONTH_OF_DAY))
            parts += [self._buckets(first, last, 1) for first, last in whole.day_ranges()]
        return sa.union_all(*parts)

    def _buckets(self, first: int, last: int, scale: int) -> sa.Select[Any]:
        scopes, s = self._level is BY_SCOPE, self._selection
        rollup = self._t.scope_rollup if scopes else self._t.rollup
        entry_id = rollup.c.scope_id if scopes else rollup.c.series_id
        day = rollup.c.bucket if scale == 1 else rollup.c.bucket * scale
        query = sa.select(entry_id.label("series_id"), day.label("day"), rollup.c.points, *self.sums(rollup))
        listed = self._list(first, last, scale) if self._probe.is_selective else None
        bucket = rollup.c.bucket
        within = bucket == first if first == last else bucket.between(first, last)
        query = query.where(within if listed is None else bucket.in_(listed))
        if s.types is not None:
            query = query.where(self._steer(entry_id).in_(of_types(self._t, s.types, self._level.type_kind)))
        return query.where(*self._of_series(entry_id, day, self._level.kind))

    @staticmethod
    def _list(first: int, last: int, scale: int) -> list[int] | None:
        """The buckets one by one, which lets the key (bucket, series) find each row; None when they are too many."""
        keys = calendar.days(first, last) if scale == 1 else calendar.months(first, last)
        listed = list(itertools.islice(keys, _LISTED + 1))
        return listed if len(listed) <= _LISTED else None

    # -- points ----------------------------------------------------------------------------------------------------

    def points(self, *, periods: bool = False) -> sa.Select[Any]:
        """The points themselves."""
        slot, point, entry = self._t.slot, self._t.point, self._t.entry.alias("scoped")
        scopes = self._level is BY_SCOPE
        columns: list[Expression] = [entry.c.scope_id.label("series_id") if scopes else point.c.series_id, slot.c.day]
        if periods:
            columns += [slot.c.begin, slot.c.end]
        columns += [sa.literal_column("1").label("points"), *self.sums(point)]
        for name in self._extremes:
            columns.append(self._t.exact.ordered(point, name).label(f"{name}_ordered"))
        query = self.joined(columns)
        return query.join(entry, entry.c.id == point.c.series_id) if scopes else query

    def joined(self, columns: Sequence[Any]) -> sa.Select[Any]:
        """`columns` of the selected points, from `slot` and `point`."""
        slot, point, s = self._t.slot, self._t.point, self._selection
        query = sa.select(*columns)
        if self._probe.is_selective:
            # From the few series to the slots of their type to the points: three look-ups by key.
            kind = self._t.attribute.alias("kind")
            query = (
                query.select_from(kind)
                .join(slot, slot.c.type == kind.c.text)
                .join(point, sa.and_(point.c.slot_id == slot.c.id, point.c.series_id == kind.c.entry_id))
                .where(kind.c.kind == TYPE, kind.c.name == b"", *self.in_range(types=False))
                .where(*self._of_series(kind.c.entry_id, slot.c.day))
            )
            return query if s.types is None else query.where(kind.c.text.in_([t.encode() for t in s.types]))
        query = query.join_from(slot, point, point.c.slot_id == slot.c.id).where(*self.in_range())
        return query.where(*self.of_points(slot.c.day))

    def of_points(self, day: Expression) -> list[Predicate]:
        """The conditions on a point of `day`: about its series, or its metadata where any matches."""
        point = self._t.point
        if not any(self._probe.details):
            return self._of_series(point.c.series_id, day)
        found: list[Predicate] = []
        for condition, in_details in zip(self._selection.conditions, self._probe.details, strict=True):
            either: list[Predicate] = [self._steer(point.c.series_id).in_(matching(self._t, SERIES, condition))]
            if in_details:
                either.append(point.c.detail_id.in_(matching(self._t, DETAIL, condition)))
            derived = derived_match(self._t, condition, point.c.series_id, day)
            if derived is not None:
                either.append(derived)
            found.append(sa.or_(*either))
        return found

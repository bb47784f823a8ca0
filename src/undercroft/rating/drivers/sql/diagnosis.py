"""Examining a store of rated usage: what is in it, how its dictionary grows, and whether its sums agree with its points."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import sqlalchemy as sa

from undercroft.core.findings import Finding, error, ok, warning
from undercroft.engines.sql import Database, diagnose
from undercroft.engines.sql.diagnose import Parent
from undercroft.rating.calendar import LAST_MONTH, MONTH_OF_DAY
from undercroft.rating.drivers.sql.predicates import Expression, Predicate
from undercroft.rating.drivers.sql.schema import DETAIL, PRICE, QTY, SERIES, Tables
from undercroft.rating.drivers.sql.shape import Values, value

# Below so many entries nobody needs to care how fast the dictionary grows.
_FEW_ENTRIES = 50_000
_RESTORE = "restore a backup, or push the usage of these days again (`undercroft rating reprocess`), and report it"


class Sums(NamedTuple):
    """What a key's points add up to."""

    points: int
    qty: Decimal
    price: Decimal


class Check(NamedTuple):
    """Two questions that must have one answer.

    Attributes:
        what: the keys.
        points: sums of what is summed up.
        kept: the sums that are kept.
    """

    what: str
    points: sa.Select[Any]
    kept: sa.Select[Any]


class Diagnosis:
    """One examination of what is in one store."""

    def __init__(self, db: Database, tables: Tables, zone: Callable[[], dt.tzinfo]) -> None:
        self._db = db
        self._t = tables
        self._zone = zone
        self._width = tables.exact.parts

    def contents(self) -> Iterator[Finding]:
        """How much is stored, and how much of it is dictionary."""
        t = self._t

        def count(connection: sa.Connection) -> tuple[int, int, dict[int, int]]:
            points = connection.execute(sa.select(sa.func.sum(t.slot_total.c.points))).scalar() or 0
            slots = connection.execute(sa.select(sa.func.count()).select_from(t.slot)).scalar_one()
            kinds = sa.select(t.entry.c.kind, sa.func.count()).group_by(t.entry.c.kind)
            return int(points), slots, dict(map(tuple, connection.execute(kinds)))

        points, slots, kinds = self._db.read(count)
        yield ok("zone", str(self._zone()))
        yield ok("points", f"{points:,} in {slots:,} periods by type")
        series, details = kinds.get(SERIES, 0), kinds.get(DETAIL, 0)
        found = f"{series:,} series, {details:,} sets of metadata"
        for what, number in (("groupby", series), ("metadata", details)):
            if number > _FEW_ENTRIES and number * 2 > points:
                advice = f"some {what} attribute differs from point to point, as a time stamp does: leave it out at the collector"
                yield warning("dictionary", found, advice)
                return
        yield ok("dictionary", found)

    # -- sums ------------------------------------------------------------------------------------------------------

    def sums(self, *, verify: bool) -> Iterator[Finding]:
        """Whether the sums that totals are read from agree with the points: on the oldest and the newest day, or on all."""
        if verify:
            yield from diagnose.integrity(self._db)
            yield self._orphans()
        days = self._days(everything=verify)
        wrong = [problem for day in days for problem in self._db.read(lambda c, day=day: list(self._of_day(c, day)))]  # type: ignore[misc]
        for month in sorted({day // MONTH_OF_DAY for day in days}):
            wrong += self._db.read(lambda c, month=month: list(self._of_month(c, month)))  # type: ignore[misc]
        if wrong:
            shown = "; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else "")
            yield error("sums", shown, _RESTORE)
        elif verify:
            yield ok("sums", f"agree with the points to the last digit, on all {len(days):,} days")
        else:
            yield ok("sums", f"agree with the points to the last digit, on {len(days)} days looked at (--verify looks at all)")

    def _days(self, *, everything: bool) -> list[int]:
        slot, bucket = self._t.slot.c, self._t.scope_rollup.c.bucket
        summed = sa.select(bucket).where(bucket > LAST_MONTH)
        if everything:
            return sorted(self._db.read(lambda c: c.execute(sa.union(sa.select(slot.day), summed)).scalars().all()))
        ends = [summed.order_by(order).limit(1) for order in (bucket.asc(), bucket.desc())]
        return sorted(set(self._db.read(lambda c: [day for end in ends for day in c.execute(end).scalars()])))

    @functools.cached_property
    def _day_checks(self) -> list[Check]:
        """What is compared for each day, the value `day`; built once for all of them."""
        t, day = self._t, value("day")
        slot, point, total, entry = t.slot.c, t.point.c, t.slot_total.c, t.entry.c
        rollup, scopes = t.rollup.c, t.scope_rollup.c
        points = sa.join(t.slot, t.point, point.slot_id == slot.id)
        scoped = points.join(t.entry, entry.id == point.series_id)
        totals = sa.join(t.slot, t.slot_total, total.slot_id == slot.id)
        one: Expression = sa.literal_column("1")
        today = slot.day == day
        return [
            # Slots that are not folded have no part in these.
            Check("series", self._sums(points, t.point, point.series_id, one, today, slot.pending == 0),
                  self._sums(t.rollup, t.rollup, rollup.series_id, rollup.points, rollup.bucket == day)),
            Check("scopes", self._sums(scoped, t.point, entry.scope_id, one, today),
                  self._sums(t.scope_rollup, t.scope_rollup, scopes.scope_id, scopes.points, scopes.bucket == day)),
            Check("periods", self._sums(points, t.point, point.slot_id, one, today),
                  self._sums(totals, t.slot_total, total.slot_id, total.points, today)),
        ]  # fmt: skip

    @functools.cached_property
    def _month_checks(self) -> list[Check]:
        """What is compared for each month: the value `month`, and its days from `first` to `last`."""
        t, checks = self._t, []
        for what, table, key in (("series", t.rollup, t.rollup.c.series_id), ("scopes", t.scope_rollup, t.scope_rollup.c.scope_id)):
            days = table.c.bucket.between(value("first"), value("last"))
            kept = table.c.bucket == value("month")
            sums = [self._sums(table, table, key, table.c.points, where) for where in (days, kept)]
            checks.append(Check(what, *sums))
        return checks

    def _of_day(self, connection: sa.Connection, day: int) -> Iterator[str]:
        return self._compared(connection, self._day_checks, f"day {_date(day)}", {"day": day})

    def _of_month(self, connection: sa.Connection, month: int) -> Iterator[str]:
        values = {"month": month, "first": month * MONTH_OF_DAY, "last": (month + 1) * MONTH_OF_DAY - 1}
        return self._compared(connection, self._month_checks, f"month {month // 100}-{month % 100:02}", values)

    def _compared(self, connection: sa.Connection, checks: list[Check], where: str, values: Values) -> Iterator[str]:
        for what, points, kept in checks:
            yield from _differences(where, what, self._read(connection, points, values), self._read(connection, kept, values))

    def _sums(self, origin: Any, table: sa.Table, key: Expression, points: Expression, *where: Predicate) -> sa.Select[Any]:
        """Sums of the numbers of `table`, which `origin` holds, by `key`."""
        parts = [sa.func.sum(part) for name in (QTY, PRICE) for part in self._t.exact.partial(table, name)]
        return sa.select(key, sa.func.sum(points), *parts).select_from(origin).where(*where).group_by(key)

    def _read(self, connection: sa.Connection, query: sa.Select[Any], values: Values) -> dict[int, Sums]:
        """The sums by key; those that are nothing left out."""
        exact, width = self._t.exact, self._width
        found = {}
        for number, count, *sums in connection.execute(query, values):
            entry = Sums(int(count), exact.decode_sum(sums[:width]), exact.decode_sum(sums[width:]))
            if any(entry):
                found[number] = entry
        return found

    def _orphans(self) -> Finding:
        """Points without their period, series or metadata."""
        t, point = self._t, self._t.point.c
        parents = (
            Parent(point.slot_id, t.slot, "points whose periods are missing"),
            Parent(point.series_id, t.entry, "points whose series are missing"),
            Parent(point.detail_id, t.entry, "points whose metadata are missing"),
        )
        return diagnose.references(self._db, parents, "every point has its period, series and metadata", _RESTORE)


def _differences(where: str, what: str, points: dict[int, Sums], kept: dict[int, Sums]) -> Iterator[str]:
    wrong = sorted(key for key in points.keys() | kept.keys() if points.get(key) != kept.get(key))
    if wrong:
        yield f"{where}: sums of {len(wrong):,} {what} differ from the points, the first is number {wrong[0]}"


def _date(day: int) -> str:
    return (dt.date(day // 10_000_000, 1, 1) + dt.timedelta(days=day % 1_000 - 1)).isoformat()

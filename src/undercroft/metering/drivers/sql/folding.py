"""Folding: what statistics and lists need of an hour that is over, kept by series; and of a day, from its hours.

A writer would have to change a row for every sample; folding reads an hour's samples once, when nothing more is likely to come, and
writes a row for each series. Something that comes later, or is deleted, reopens the hour and its day: they count no longer, their
samples are read instead, and both are folded anew from what there is. Nothing is ever added to what is kept, or taken from it.
"""

from __future__ import annotations

import collections
import time as monotonic
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from undercroft.core import time
from undercroft.engines.sql import Database
from undercroft.metering import sums
from undercroft.metering.drivers.sql.dialects import Dialect
from undercroft.metering.drivers.sql.dictionary import Slot
from undercroft.metering.drivers.sql.samples import Found, Samples
from undercroft.metering.drivers.sql.schema import DAY, FOLDED, HOUR, PENDING, SPANS, UNFOLDABLE, Tables
from undercroft.metering.sums import Sums, Unrepresentable

# Slots that are looked up at once.
_AT_ONCE = 200


class Folder:
    """Folds the slots of one store."""

    def __init__(self, db: Database, tables: Tables, dialect: Dialect, samples: Samples) -> None:
        self._db = db
        self._t = tables
        self._dialect = dialect
        self._samples = samples
        t = tables.slot.c
        self._columns = (t.id, t.span, t.meter_id, t.bundle, t.start, t.folded)

    def fold(self, before: int | None = None, seconds: float | None = None) -> int:
        """Fold hours and days that are over, the oldest first.

        Args:
            before: those of before this microsecond; None for those that are over by the clock, or older than the newest hour.
            seconds: for about so long; None until all is done.

        Returns:
            how many samples were gone through.
        """
        until = None if seconds is None else monotonic.monotonic() + seconds
        limit = self._over() if before is None else before
        samples = 0
        for span in (HOUR, DAY):
            after = (-(2**63), 0)
            while due := self._db.read(lambda c, span=span, after=after: self._due(c, span, limit, after)):  # type: ignore[misc]
                for slot in due:
                    if until is not None and monotonic.monotonic() >= until:
                        return samples
                    work = self._fold_hour if span == HOUR else self._fold_day
                    samples += self._db.write(lambda c, slot=slot, work=work: work(c, slot))  # type: ignore[misc]
                after = (due[-1].start, due[-1].id)
        return samples

    def _over(self) -> int:
        t = self._t.slot.c
        newest = self._db.read(lambda c: c.execute(sa.select(sa.func.max(t.start)).where(t.span == HOUR)).scalar())
        now = time.to_micros(self._db.now())
        over = now // SPANS[HOUR] * SPANS[HOUR]
        return over if newest is None else max(newest, over)

    def _due(self, connection: sa.Connection, span: int, limit: int, after: tuple[int, int]) -> list[Slot]:
        t = self._t.slot.c
        behind = sa.or_(t.start > after[0], sa.and_(t.start == after[0], t.id > after[1]))
        asked = (
            sa.select(*self._columns)
            .where(t.span == span, t.folded == PENDING, t.start <= limit - SPANS[span], behind)
            .order_by(t.start, t.id)
            .limit(_AT_ONCE)
        )
        return [Slot(*row) for row in connection.execute(asked)]

    def _fold_hour(self, connection: sa.Connection, slot: Slot) -> int:
        if not self._dialect.own(connection, [slot.id]) or self._folded(connection, slot) != PENDING:
            return 0
        by_series: dict[int, list[Found]] = collections.defaultdict(list)
        rows = self._samples.of_slots(connection, [slot.id])
        for row in rows:
            by_series[row[5]].append(row)
        kept = {series: summed(found) for series, found in by_series.items()}
        self._keep(connection, slot, kept)
        self._add_day(connection, slot)
        if kept:
            state = [(series, each.first, each.last, each.meta) for series, each in sorted(kept.items())]
            self._dialect.update_state(connection, state)
        return len(rows)

    def _fold_day(self, connection: sa.Connection, slot: Slot) -> int:
        """Fold a day, where all its hours are."""
        t = self._t.slot.c
        within = (t.span == HOUR, t.meter_id == slot.meter_id, t.bundle == slot.bundle, t.start >= slot.start, t.start < slot.end)
        asked = sa.select(*self._columns).where(*within).order_by(t.id)
        hours = [Slot(*row) for row in connection.execute(asked)]
        locked = self._dialect.own(connection, sorted((slot.id, *(hour.id for hour in hours))))
        hours = [Slot(*row) for row in connection.execute(asked)]
        if slot.id not in locked or {hour.id for hour in hours} - set(locked) or self._folded(connection, slot) != PENDING:
            return 0
        if any(hour.folded == PENDING for hour in hours):
            return 0
        by_series: dict[int, list[Sums]] = collections.defaultdict(list)
        starts = {hour.id: hour.start for hour in hours}
        for number, series, body in self.kept(connection, list(starts)):
            by_series[series].append(Sums.unpack(body, starts[number]))
        if any(hour.folded == UNFOLDABLE for hour in hours):
            self._dialect.set_folded(connection, slot.id, UNFOLDABLE)
        else:
            self._keep(connection, slot, {series: sums.merged(found) for series, found in by_series.items()})
        return 0

    def kept(self, connection: sa.Connection, slots: Sequence[int], series: Iterable[int] | None = None) -> list[Any]:
        """Rows (slot, series, sums) of slots that are folded."""
        if not slots:
            return []
        d = self._dialect
        asked = f"SELECT slot_id, series_id, body FROM {self._t.sums.name} WHERE {d.among('slot_id')}"  # noqa: S608
        if series is None:
            return d.run(connection, asked, d.listed(slots))
        return d.run(connection, f"{asked} AND {d.among('series_id')}", d.listed(slots), d.listed(list(series)))

    def _folded(self, connection: sa.Connection, slot: Slot) -> int | None:
        t = self._t.slot.c
        return connection.execute(sa.select(t.folded).where(t.id == slot.id)).scalar()

    def _keep(self, connection: sa.Connection, slot: Slot, kept: dict[int, Sums]) -> None:
        try:
            rows = [(slot.id, series, each.pack(slot.start)) for series, each in sorted(kept.items())]
        except Unrepresentable:
            self._dialect.set_folded(connection, slot.id, UNFOLDABLE)
            return
        self._dialect.delete_sums(connection, [slot.id])
        if rows:
            self._dialect.insert_rows(connection, self._t.sums, rows)
        self._dialect.set_folded(connection, slot.id, FOLDED)

    def _add_day(self, connection: sa.Connection, hour: Slot) -> None:
        """See to it that the hour's day is folded, anew where it was already: then it lacks this hour."""
        row = {
            "span": DAY, "meter_id": hour.meter_id, "bundle": hour.bundle, "start": hour.start // SPANS[DAY] * SPANS[DAY],
            "folded": PENDING,
        }  # fmt: skip
        connection.execute(self._db.dialect.insert_missing(self._t.slot).values([row]))
        t = self._t.slot
        same = (t.c[name] == value for name, value in row.items() if name != "folded")
        connection.execute(t.update().where(*same, t.c.folded != PENDING).values(folded=PENDING))


def summed(rows: Sequence[Found]) -> Sums:
    """The sums of some samples."""
    latest = max(rows)
    return sums.of([row[4] for row in rows], min(rows)[0], latest[0], latest[3])

"""Deleting old samples: what an hour of a meter holds of them, or the oldest so many; and what is kept of them follows."""

from __future__ import annotations

import collections
from collections.abc import Collection

import sqlalchemy as sa

from undercroft.engines.sql import raw
from undercroft.metering import query
from undercroft.metering.drivers.sql.candidates import Candidates, Finder
from undercroft.metering.drivers.sql.dialects import Dialect
from undercroft.metering.drivers.sql.dictionary import Dictionary, Slot
from undercroft.metering.drivers.sql.folding import Folder
from undercroft.metering.drivers.sql.samples import Found, Samples
from undercroft.metering.drivers.sql.schema import DAY, FOLDED, HOUR, SPANS, Tables
from undercroft.metering.drivers.sql.walk import Walk
from undercroft.metering.sums import Sums

_EVERYTHING = Candidates(None, None, None)
# Rows of one statement.
_AT_ONCE = 1_000


class Expirer:
    """Deletes from the tables of one namespace; every method within a write transaction."""

    def __init__(
        self,
        tables: Tables,
        dialect: Dialect,
        dictionary: Dictionary,
        finder: Finder,
        samples: Samples,
        walk: Walk,
        folder: Folder,
    ) -> None:
        self._t = tables
        self._dialect = dialect
        self._dictionary = dictionary
        self._finder = finder
        self._samples = samples
        self._walk = walk
        self._folder = folder

    def next_hour(self, connection: sa.Connection, before: int, after: tuple[int, int]) -> Slot | None:
        """The next hour that may hold samples of before a moment, behind (start, id)."""
        return next(iter(self._finder.slots(connection, _EVERYTHING, (HOUR,), None, before, after=after, limit=1)), None)

    def delete_from(self, connection: sa.Connection, slot: Slot, before: int) -> int:
        """Delete what an hour holds of before a moment; how many samples."""
        d = self._dialect
        if not d.own(connection, [slot.id]):
            return 0
        samples = f"FROM {self._t.sample.name} WHERE {d.among('piece')} AND ts < ?"
        values = (d.listed(d.pieces_of([slot.id])), before)
        counts = dict(map(tuple, d.run(connection, f"SELECT series_id, count(*) {samples} GROUP BY series_id", *values)))
        if counts:
            d.run(connection, f"DELETE FROM {self._t.oddity.name} WHERE id IN (SELECT id {samples})", *values)  # noqa: S608
            d.run(connection, f"DELETE {samples}", *values)
        # Also where nothing was: an hour that a writer made and stored nothing in would keep entries of dictionaries for ever.
        self._follow(connection, slot, counts)
        return sum(counts.values())

    def delete_oldest(self, connection: sa.Connection, before: int, count: int) -> int:
        """Delete the oldest samples of before a moment, at most `count`; how many."""
        d = self._dialect
        d.lock(connection)
        rows = list(self._walk.rows(connection, query.Selection(end=before), _EVERYTHING, count, ascending=True))
        if not rows:
            return 0
        by_slot = self._by_slot(connection, rows)
        there = set(d.own(connection, sorted(slot.id for slot in by_slot)))
        deleted = 0
        many, hour = d.pieces, SPANS[HOUR]
        for slot, found in by_slot.items():
            if slot.id not in there:
                continue
            keys = [d.unkey(row[2]) for row in found]
            places = [(slot.id * many + row[0] % hour * many // hour, row[5], key) for row, key in zip(found, keys, strict=True)]
            for start in range(0, len(keys), _AT_ONCE):
                deleted += d.delete(connection, places[start : start + _AT_ONCE])
                condition, values = d.among_keys("id", keys[start : start + _AT_ONCE])
                raw.rows(connection, f"DELETE FROM {self._t.oddity.name} WHERE {condition}", values)  # noqa: S608
            self._follow(connection, slot, {row[5] for row in found})
        return deleted

    def _by_slot(self, connection: sa.Connection, rows: list[Found]) -> dict[Slot, list[Found]]:
        slots = self._finder.slots(connection, _EVERYTHING, (HOUR,), rows[0][0], rows[-1][0] + 1)
        of = {(slot.meter_id, slot.bundle, slot.start): slot for slot in slots}
        place = self._dictionary.places(connection, {row[5] for row in rows})
        found: dict[Slot, list[Found]] = collections.defaultdict(list)
        for row in rows:
            slot = of.get((*place(row[5]), row[0] // SPANS[HOUR] * SPANS[HOUR]))
            if slot is not None:
                found[slot].append(row)
        return found

    # -- what is kept ----------------------------------------------------------------------------------------------

    def _follow(self, connection: sa.Connection, slot: Slot, series: Collection[int]) -> None:
        """Let sums and states say what they do without what was deleted from an hour, of these series; an empty hour goes."""
        d, t = self._dialect, self._t
        if series:
            d.reopen(connection, [slot.id])
        pieces = d.listed(d.pieces_of([slot.id]))
        if not d.run(connection, f"SELECT 1 FROM {t.sample.name} WHERE {d.among('piece')} LIMIT 1", pieces):  # noqa: S608
            self._remove(connection, [slot.id])
            day = Slot(0, DAY, slot.meter_id, slot.bundle, slot.start // SPANS[DAY] * SPANS[DAY], FOLDED)
            here = Candidates(frozenset((slot.meter_id,)), None, frozenset(((slot.meter_id, slot.bundle),)))
            if not self._finder.slots(connection, here, (HOUR,), day.start, day.end):
                days = self._finder.slots(connection, here, (DAY,), day.start, day.end)
                self._remove(connection, [each.id for each in days])
        if series:
            self._begin(connection, slot, series)

    def _remove(self, connection: sa.Connection, slots: list[int]) -> None:
        if slots:
            self._dialect.delete_sums(connection, slots)
            connection.execute(self._t.slot.delete().where(self._t.slot.c.id.in_(slots)))

    def _begin(self, connection: sa.Connection, slot: Slot, series: Collection[int]) -> None:
        """Find where series begin now of which an hour has lost samples; those that are gone lose their state."""
        d, state = self._dialect, self._t.state
        # Another transaction that folds waits for these rows, and adds to what is written here.
        asked = f"SELECT series_id, last FROM {state.name} WHERE {d.among('series_id')} AND first < ?{d.for_update}"  # noqa: S608
        lasts = dict(map(tuple, d.run(connection, asked, d.listed(sorted(series)), slot.end)))
        left = set(lasts)
        here = Candidates(frozenset((slot.meter_id,)), None, frozenset(((slot.meter_id, slot.bundle),)))
        first: dict[int, int] = {}
        # Earlier ones, too: something may have come late.
        for other in self._finder.slots(connection, here, (HOUR,), None, None):
            # Those that ended here go on in hours that are not folded, or not at all.
            is_all = other.folded != FOLDED or other.start < slot.start
            wanted = left if is_all else {number for number in left if lasts[number] >= slot.end}
            if wanted:
                found = self._firsts(connection, other, sorted(wanted))
                first |= found
                left -= found.keys()
            if not left:
                break
        if first:
            d.begin(connection, sorted(first.items()))
        if left:
            # Others may have folded something newer of them.
            gone = f"DELETE FROM {state.name} WHERE {d.among('series_id')} AND last < ?"  # noqa: S608
            d.run(connection, gone, d.listed(sorted(left)), slot.end)

    def _firsts(self, connection: sa.Connection, slot: Slot, series: list[int]) -> dict[int, int]:
        """The first timestamp of each of the series that an hour has."""
        if slot.folded == FOLDED:
            kept = self._folder.kept(connection, [slot.id], series)
            return {number: Sums.unpack(body, slot.start).first for _, number, body in kept}
        return self._samples.firsts(connection, slot.id, series)

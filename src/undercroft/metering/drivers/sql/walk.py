"""Samples in the order of time, from one end to the other: windows of time that grow while they hold little.

A window is a few pieces of hours; a statement sorts what is in one. So neither the store's size nor a long silence of a resource
makes the newest samples dear, and however many there are, a part of them is in memory.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from undercroft.metering import query
from undercroft.metering.drivers.sql.candidates import Candidates, Finder
from undercroft.metering.drivers.sql.dialects import Dialect
from undercroft.metering.drivers.sql.dictionary import Slot
from undercroft.metering.drivers.sql.samples import Found, Samples
from undercroft.metering.drivers.sql.schema import DAY, HOUR, SPANS, Tables

# The first window; rows above which the next one is smaller, and below which it is larger; pieces of one window.
_FIRST = 300_000_000
_MANY, _FEW = 20_000, 2_000
_MOST_PIECES = 4_096
_SHORTEST = 1_000_000
# The first stretch of time whose hours are looked up at once, and hours below which the next one is longer.
_STRETCH = 2 * SPANS[DAY]
_FEW_SLOTS = 1_000


class Walk:
    """Walks through the samples of one store."""

    def __init__(self, tables: Tables, dialect: Dialect, finder: Finder, samples: Samples) -> None:
        self._t = tables
        self._dialect = dialect
        self._finder = finder
        self._samples = samples

    def rows(
        self,
        connection: sa.Connection,
        selection: query.Selection,
        candidates: Candidates,
        limit: int | None,
        *,
        ascending: bool,
    ) -> Iterator[Found]:
        """Rows of the candidates between the selection's bounds, by timestamp; at most `limit` of them.

        Further parts of the selection are the caller's.
        """
        ends = self._ends(connection, selection, candidates)
        if ends is None:
            return
        low, high = ends
        left, length = limit, _STRETCH
        at = low if ascending else high
        while (at < high if ascending else at > low) and (left is None or left > 0):
            begin, end = (at, min(high, at + length)) if ascending else (max(low, at - length), at)
            slots = self._finder.slots(connection, candidates, (HOUR,), begin, end)
            for found in self._stretch(connection, slots, (begin, end), candidates, left, ascending=ascending):
                yield from found
                if left is not None:
                    left -= len(found)
            at = end if ascending else begin
            if len(slots) < _FEW_SLOTS:
                length *= 4

    def _stretch(
        self,
        connection: sa.Connection,
        slots: Sequence[Slot],
        stretch: tuple[int, int],
        candidates: Candidates,
        left: int | None,
        *,
        ascending: bool,
    ) -> Iterator[Sequence[Found]]:
        """Rows of a stretch of time, whose hours are known, a window at a time; at most `left` of them."""
        low, high = stretch
        starts = [slot.start for slot in slots]
        named, width = candidates.named, _FIRST
        at = low if ascending else high
        while slots and (at < high if ascending else at > low) and (left is None or left > 0):
            span, pieces = self._window(slots, starts, at, width, low, high, ascending=ascending)
            read = 0
            if pieces:
                # Where others are left out here, it is not known how many rows it takes.
                chosen = candidates.series if named is None else None
                most = left if chosen is None else None
                found = self._samples.ordered(connection, pieces, named, span, most, ascending=ascending)
                read = len(found)
                if chosen is not None:
                    found = [row for row in found if row[5] in chosen][:left]
                yield found
                if left is not None:
                    left -= len(found)
            at = span[1] if ascending else span[0]
            # Those that are left out were in memory, too.
            if read > _MANY:
                width = max(_SHORTEST, width // 2)
            elif read < _FEW:
                width *= 4

    def _ends(self, connection: sa.Connection, selection: query.Selection, candidates: Candidates) -> tuple[int, int] | None:
        """Between which moments there may be rows; None where there are none."""
        if candidates.is_empty:
            return None
        found: list[tuple[int, int]] = []
        if (named := candidates.named) is not None:
            # Where a few series begin and end is known, but for hours that are not folded.
            t = self._t.state.c
            known = connection.execute(sa.select(sa.func.min(t.first), sa.func.max(t.last)).where(t.series_id.in_(named))).one()
            if known[0] is not None:
                found.append((known[0], known[1] + 1))
            found += [(slot.start, slot.end) for slot in self._finder.unfolded(connection, candidates)]
        else:
            # Of all series: the one hour that is asked for may hold others only.
            of_meters = candidates._replace(series=None, bundles=None)
            for newest in (False, True):
                slots = self._finder.slots(connection, of_meters, (HOUR,), None, None, limit=1, newest=newest)
                found += [(slot.start, slot.end) for slot in slots]
        if not found:
            return None
        low, high = min(each[0] for each in found), max(each[1] for each in found)
        return (
            low if selection.start is None else max(low, selection.start),
            high if selection.end is None else min(high, selection.end),
        )

    def _window(
        self, slots: Sequence[Slot], starts: Sequence[int], at: int, width: int, low: int, high: int, *, ascending: bool
    ) -> tuple[tuple[int, int], list[int]]:
        """A span of time from `at` on, and the pieces that lie in it; it begins where there is something."""
        hour = SPANS[HOUR]
        if ascending:
            place = bisect.bisect_right(starts, at - hour)
            if place == len(slots):
                return (at, high), []
            begin = max(at, starts[place])
            end = min(high, begin + width)
        else:
            place = bisect.bisect_left(starts, at)
            if place == 0:
                return (low, at), []
            end = min(at, starts[place - 1] + hour)
            begin = max(low, end - width)
        within = slots[bisect.bisect_right(starts, begin - hour) : bisect.bisect_left(starts, end)]
        many = self._dialect.pieces
        most = max(1, _MOST_PIECES // many)
        if len(within) > most and within[0].start != within[-1].start:
            # Whole hours only: all of a moment's pieces belong to one window.
            if ascending:
                end = max(within[most - 1].start, within[0].start + hour)
            else:
                begin = min(within[-most].start + hour, within[-1].start)
            begin, end = max(begin, low), min(end, high)
            within = slots[bisect.bisect_right(starts, begin - hour) : bisect.bisect_left(starts, end)]
        pieces: list[int] = []
        for slot in within:
            head = max(begin, slot.start) - slot.start
            tail = min(end, slot.end) - 1 - slot.start
            pieces += range(slot.id * many + head * many // hour, slot.id * many + tail * many // hour + 1)
        return (begin, end), pieces

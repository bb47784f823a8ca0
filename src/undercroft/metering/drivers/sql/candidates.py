"""Which series a question is about: what the dictionaries tell, before any sample is looked at."""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa

from undercroft.metering import query
from undercroft.metering.drivers.sql.dictionary import Dictionary, Slot
from undercroft.metering.drivers.sql.schema import BUNDLE_BITS, DAY, FOLDED, HOUR, PENDING, SPANS, Tables

# Series that a statement names; of more, all are read and the others left out here.
MOST_NAMED = 1_000


class Candidates(NamedTuple):
    """The series that may have selected samples.

    Attributes:
        meters: of these meters only; None for all.
        series: these only; None for all of the meters.
        bundles: pairs (meter, bundle) that the series lie in; None where there is no list of them.
    """

    meters: frozenset[int] | None
    series: frozenset[int] | None
    bundles: frozenset[tuple[int, int]] | None

    @property
    def named(self) -> frozenset[int] | None:
        """The series that a statement asks for; None where it asks for all."""
        return self.series if self.series is not None and len(self.series) <= MOST_NAMED else None

    @property
    def is_empty(self) -> bool:
        """Whether there is none."""
        return self.meters == frozenset() or self.series == frozenset()

    def of_slot(self, slot: Slot) -> bool:
        """Whether any of them may be in an hour or a day."""
        return self.bundles is None or (slot.meter_id, slot.bundle) in self.bundles


class Finder:
    """Finds candidates and slots in the tables of one namespace."""

    def __init__(self, tables: Tables, dictionary: Dictionary) -> None:
        self._t = tables
        self._dictionary = dictionary
        t = tables.slot.c
        self._slot = (t.id, t.span, t.meter_id, t.bundle, t.start, t.folded)

    def candidates(self, connection: sa.Connection, selection: query.Selection) -> Candidates:
        """The series that a selection is about."""
        meters = None
        if selection.meters is not None:
            meters = frozenset(self._dictionary.meter_ids(connection, selection.meters).values())
        t = self._t.series.c
        conditions = self.conditions(selection)
        if not conditions or meters == frozenset():
            return Candidates(meters, None, None)
        if meters is not None:
            conditions.append(t.meter_id.in_(meters))
        found = connection.execute(sa.select(t.id, t.meter_id).where(*conditions)).all()
        bundles = frozenset((meter, number >> BUNDLE_BITS) for number, meter in found)
        return Candidates(frozenset(meter for meter, _ in bundles), frozenset(number for number, _ in found), bundles)

    def conditions(self, selection: query.Selection) -> list[sa.ColumnElement[bool]]:
        """What a selection asks of a series, but for its meter."""
        t = self._t.series.c
        wanted = (
            (t.resource_id, selection.resources), (t.source, selection.sources), (t.user_id, selection.users),
            (t.project_id, selection.projects),
        )  # fmt: skip
        return [_among(column, values) for column, values in wanted if values is not None]

    # -- hours and days --------------------------------------------------------------------------------------------

    def slots(
        self,
        connection: sa.Connection,
        candidates: Candidates,
        span: int,
        start: int | None,
        end: int | None,
        *more: Any,
        limit: int | None = None,
    ) -> list[Slot]:
        """The hours, or the days, that hold anything between two microseconds, in the order of time."""
        t = self._t.slot.c
        conditions = [t.span == span, *more]
        if candidates.meters is not None:
            conditions.append(t.meter_id.in_(candidates.meters))
        if start is not None:
            conditions.append(t.start > start - SPANS[span])
        if end is not None:
            conditions.append(t.start < end)
        asked = sa.select(*self._slot).where(*conditions).order_by(t.start, t.id).limit(limit)
        return [slot for slot in (Slot(*row) for row in connection.execute(asked)) if candidates.of_slot(slot)]

    def unfolded(self, connection: sa.Connection, candidates: Candidates) -> list[Slot]:
        """The hours whose samples have to be read."""
        t = self._t.slot.c
        return self.slots(connection, candidates, HOUR, None, None, t.folded != FOLDED)

    def planned(self, connection: sa.Connection, candidates: Candidates, start: int | None, end: int | None) -> list[Slot]:
        """The least of slots that hold all between two microseconds: days that are folded and lie within, hours for the rest."""
        t = self._t.slot.c
        day = SPANS[DAY]
        hours = self.slots(connection, candidates, HOUR, start, end)
        # An hour that came when its day was folded already is not in it.
        changed = {(hour.meter_id, hour.bundle, hour.start // day * day) for hour in hours if hour.folded == PENDING}
        days = [
            each
            for each in self.slots(connection, candidates, DAY, start, end, t.folded == FOLDED)
            if (start is None or each.start >= start)
            and (end is None or each.end <= end)
            and (each.meter_id, each.bundle, each.start) not in changed
        ]
        covered = {(each.meter_id, each.bundle, each.start) for each in days}
        rest = [hour for hour in hours if (hour.meter_id, hour.bundle, hour.start // day * day) not in covered]
        return sorted([*days, *rest], key=lambda slot: (slot.start, slot.id))


def _among(column: sa.ColumnElement[Any], values: query.Values) -> sa.ColumnElement[bool]:
    named = [value for value in values if value is not None]
    if None not in values:
        return column.in_(named)
    return sa.or_(column.is_(None), column.in_(named)) if named else column.is_(None)

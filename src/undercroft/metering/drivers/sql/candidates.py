"""Which series a question is about: what the dictionaries tell, before any sample is looked at."""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa

from undercroft.metering import query
from undercroft.metering.drivers.sql.dialects import Dialect
from undercroft.metering.drivers.sql.dictionary import Dictionary, Slot
from undercroft.metering.drivers.sql.schema import BUNDLE_BITS, DAY, FOLDED, HOUR, PENDING, SPANS, UNFOLDABLE, Tables

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

    def __init__(self, tables: Tables, dialect: Dialect, dictionary: Dictionary) -> None:
        self._t = tables
        self._dictionary = dictionary
        self._dialect = dialect
        self._slots = f"SELECT id, span, meter_id, bundle, start, folded FROM {tables.slot.name}"  # noqa: S608

    def candidates(self, connection: sa.Connection, selection: query.Selection) -> Candidates:
        """The series that a selection is about."""
        meters = None
        if selection.meters is not None:
            meters = frozenset(self._dictionary.meter_ids(connection, selection.meters).values())
        conditions, values = self.conditions(selection)
        if not conditions or meters == frozenset():
            return Candidates(meters, None, None)
        d = self._dialect
        if meters is not None:
            conditions.append(d.among("meter_id"))
            values.append(d.listed(sorted(meters)))
        asked = f"SELECT id, meter_id FROM {self._t.series.name} WHERE {' AND '.join(conditions)}"  # noqa: S608
        found = d.run(connection, asked, *values)
        bundles = frozenset((meter, number >> BUNDLE_BITS) for number, meter in found)
        return Candidates(frozenset(meter for meter, _ in bundles), frozenset(number for number, _ in found), bundles)

    def conditions(self, selection: query.Selection, table: str = "") -> tuple[list[str], list[Any]]:
        """What a selection asks of a series, but for its meter: conditions on columns of `table`, and their values."""
        wanted = (
            ("resource_id", selection.resources), ("source", selection.sources), ("user_id", selection.users),
            ("project_id", selection.projects),
        )  # fmt: skip
        conditions: list[str] = []
        values: list[Any] = []
        for name, given in wanted:
            if given is None:
                continue
            column = f"{table}{name}"
            named = sorted(value for value in given if value is not None)
            parts = [f"{column} IS NULL"] if None in given else []
            if named:
                parts.append(self._dialect.among(column))
                values.append(self._dialect.listed(named))
            conditions.append(f"({' OR '.join(parts)})")
        return conditions, values

    # -- hours and days --------------------------------------------------------------------------------------------

    def slots(
        self,
        connection: sa.Connection,
        candidates: Candidates,
        spans: tuple[int, ...],
        start: int | None,
        end: int | None,
        *,
        folded: tuple[int, ...] | None = None,
        after: tuple[int, int] | None = None,
        limit: int | None = None,
        newest: bool = False,
    ) -> list[Slot]:
        """The hours, or the days, that hold anything between two microseconds, in the order of time.

        Args:
            connection: within a transaction.
            candidates: what they are to hold.
            spans: HOUR, DAY.
            start, end: from the first to before the second; None for no bound.
            folded: those of these states only.
            after: those behind (start, id) only.
            limit: at most so many.
            newest: the newest first.
        """
        d = self._dialect
        conditions, values = [f"span IN ({', '.join(map(str, spans))})"], []
        if folded is not None:
            conditions.append(f"folded IN ({', '.join(map(str, folded))})")
        if candidates.meters is not None:
            if not candidates.meters:
                return []
            conditions.append(d.among("meter_id"))
            values.append(d.listed(sorted(candidates.meters)))
        if start is not None:
            conditions.append("start > ?")
            values.append(start - max(SPANS[span] for span in spans))
        if end is not None:
            conditions.append("start < ?")
            values.append(end)
        if after is not None:
            conditions.append("(start > ? OR (start = ? AND id > ?))")
            values += [after[0], *after]
        tail = "" if limit is None else f" LIMIT {int(limit)}"
        order = "start DESC, id DESC" if newest else "start, id"
        rows = d.run(connection, f"{self._slots} WHERE {' AND '.join(conditions)} ORDER BY {order}{tail}", *values)
        found = (Slot(*row) for row in rows)
        return [slot for slot in found if (start is None or slot.end > start) and candidates.of_slot(slot)]

    def unfolded(self, connection: sa.Connection, candidates: Candidates) -> list[Slot]:
        """The hours whose samples have to be read."""
        return self.slots(connection, candidates, (HOUR,), None, None, folded=(PENDING, UNFOLDABLE))

    def planned(self, connection: sa.Connection, candidates: Candidates, start: int | None, end: int | None) -> list[Slot]:
        """The least of slots that hold all between two microseconds: days that are folded and lie within, hours for the rest."""
        day = SPANS[DAY]
        slots = self.slots(connection, candidates, (HOUR, DAY), start, end)
        hours = [slot for slot in slots if slot.span == HOUR]
        # An hour that came when its day was folded already is not in it.
        changed = {(hour.meter_id, hour.bundle, hour.start // day * day) for hour in hours if hour.folded == PENDING}
        days = [
            each
            for each in slots
            if each.span == DAY
            and each.folded == FOLDED
            and (start is None or each.start >= start)
            and (end is None or each.end <= end)
            and (each.meter_id, each.bundle, each.start) not in changed
        ]
        covered = {(each.meter_id, each.bundle, each.start) for each in days}
        rest = [hour for hour in hours if (hour.meter_id, hour.bundle, hour.start // day * day) not in covered]
        return sorted([*days, *rest], key=lambda slot: (slot.start, slot.id))

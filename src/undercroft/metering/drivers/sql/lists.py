"""Lists of meters and resources: from the dictionary of series and their states, and from samples of hours that are not folded.

A list costs its answer: series come in the order of their resources, a portion at a time, and none of them is looked up by itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import sqlalchemy as sa

from undercroft.metering import query
from undercroft.metering.drivers.sql.candidates import Candidates, Finder
from undercroft.metering.drivers.sql.dialects import Dialect
from undercroft.metering.drivers.sql.dictionary import Dictionary
from undercroft.metering.drivers.sql.reader import Reader
from undercroft.metering.drivers.sql.samples import Samples
from undercroft.metering.drivers.sql.schema import BUNDLE_BITS, Tables
from undercroft.metering.models import TYPES, Meter, Resource
from undercroft.metering.record import Series

# Series of the first portion, and of one at most.
_FIRST, _AT_ONCE = 125, 1_000
# Hours that are not folded, of each series of a portion, whose samples are read at once: so many in all.
_HOURS_AT_ONCE = 32_000


class Alive(NamedTuple):
    """A series that has selected samples.

    Attributes:
        number: its id.
        of: what it is.
        first, last: the timestamps of its first and last sample.
        meta: the metadata of its last sample.
    """

    number: int
    of: Series
    first: int
    last: int
    meta: int


class Row(NamedTuple):
    """A series and its state, as far as it has one."""

    id: int
    meter_id: int
    type: int
    unit: str
    resource_id: str
    user_id: str | None
    project_id: str | None
    source: str | None
    # None where it has no state.
    first: Any
    last: Any
    meta_id: Any


class Lists:
    """Lists what one store has."""

    def __init__(
        self, tables: Tables, dialect: Dialect, dictionary: Dictionary, finder: Finder, samples: Samples, reader: Reader
    ) -> None:
        self._t = tables
        self._dialect = dialect
        self._dictionary = dictionary
        self._finder = finder
        self._samples = samples
        self._reader = reader

    def meters(self, connection: sa.Connection, selection: query.Selection) -> Iterator[Meter]:
        """The meters of each resource, by resource and name."""
        for _, alive in itertools.groupby(self._alive(connection, selection), key=_resource):
            by_name = sorted(alive, key=_name)
            for _, same in itertools.groupby(by_name, key=_name):
                of = max(same, key=_latest).of
                yield Meter(of.meter, of.type, of.unit, of.resource, of.project, of.source, of.user)

    def unique_meters(self, connection: sa.Connection, selection: query.Selection) -> Iterator[Meter]:
        """The meters, by name: what their newest sample says."""
        for name in sorted(self._dictionary.meter_names(connection).values()):
            if selection.meters is None or name in selection.meters:
                of_meter = selection._replace(meters=frozenset((name,)))
                for sample in self._reader.samples(connection, of_meter, 1, ascending=False):
                    yield Meter(name, sample.counter_type, sample.counter_unit, None, None, None, None)

    def resources(self, connection: sa.Connection, selection: query.Selection, limit: int | None) -> Iterator[Resource]:
        """The resources, by their ids, at most `limit`."""
        found = itertools.islice(self._resources(self._alive(connection, selection)), limit)
        while portion := list(itertools.islice(found, _AT_ONCE)):
            metadata = self._reader.metadata(connection, [latest.meta for latest, _ in portion])
            for latest, first in portion:
                of = latest.of
                yield Resource(
                    of.resource, of.project, query.moment(first), query.moment(latest.last), of.source, of.user,
                    metadata(latest.meta),
                )  # fmt: skip

    @staticmethod
    def _resources(alive: Iterable[Alive]) -> Iterator[tuple[Alive, int]]:
        for _, same in itertools.groupby(alive, key=_resource):
            series = list(same)
            yield max(series, key=_latest), min(each.first for each in series)

    # -- series ----------------------------------------------------------------------------------------------------

    def _alive(self, connection: sa.Connection, selection: query.Selection) -> Iterator[Alive]:
        """The series that have selected samples, by resource."""
        if selection.reads_samples or selection.start is not None or selection.end is not None:
            yield from self._within(connection, selection)
            return
        unfolded = self._unfolded(connection)
        after, many = None, _FIRST
        while rows := self._portion(connection, selection, after, many):
            yield from self._stated(connection, rows, unfolded)
            after, many = rows[-1].resource_id, min(many * 2, _AT_ONCE)

    def _within(self, connection: sa.Connection, selection: query.Selection) -> Iterator[Alive]:
        """The same, of what is between two moments, or of what only samples tell."""
        found: dict[int, Alive] = {}
        for number, part in self._reader.sums(connection, selection):
            known = found.get(number)
            if known is None:
                of = self._dictionary.series(connection, (number,))(number)
                found[number] = Alive(number, of, part.first, part.last, part.meta)
            else:
                newer = part if part.last > known.last else known
                found[number] = known._replace(first=min(known.first, part.first), last=newer.last, meta=newer.meta)
        yield from sorted(found.values(), key=_resource)

    def _unfolded(self, connection: sa.Connection) -> dict[tuple[int, int], list[int]]:
        """The pieces of hours that are not folded, by meter and bundle."""
        found: dict[tuple[int, int], list[int]] = {}
        for slot in self._finder.unfolded(connection, Candidates(None, None, None)):
            found.setdefault((slot.meter_id, slot.bundle), []).append(slot.id)
        return found

    def _portion(self, connection: sa.Connection, selection: query.Selection, after: str | None, many: int) -> list[Row]:
        """About `many` rows of series and their states, of whole resources behind `after`."""
        conditions, values = self._finder.conditions(selection, "s.")
        if after is not None:
            conditions.append("s.resource_id > ?")
            values.append(after)
        asked = (
            "SELECT s.id, s.meter_id, s.type, s.unit, s.resource_id, s.user_id, s.project_id, s.source, t.first, t.last, t.meta_id "  # noqa: S608
            f"FROM {self._t.series.name} s LEFT JOIN {self._t.state.name} t ON t.series_id = s.id "
            f"WHERE {' AND '.join(conditions) or '1 = 1'} ORDER BY s.resource_id, s.id LIMIT ?"
        )
        while True:
            rows = [Row(*row) for row in self._dialect.run(connection, asked, *values, many)]
            if len(rows) < many:
                return rows
            whole = [row for row in rows if row.resource_id != rows[-1].resource_id]
            if whole:
                return whole
            many *= 4

    def _stated(self, connection: sa.Connection, rows: list[Row], unfolded: dict[tuple[int, int], list[int]]) -> Iterator[Alive]:
        """Those of the series that have samples, with what their states and hours that are not folded say."""
        slots: set[int] = set()
        series: list[int] = []
        for row in rows:
            if (here := unfolded.get((row.meter_id, row.id >> BUNDLE_BITS))) is not None:
                slots.update(here)
                series.append(row.id)
        first: dict[int, int] = {}
        newest: dict[int, tuple[Any, ...]] = {}
        ordered, many = sorted(slots), max(1, _HOURS_AT_ONCE // len(rows))
        for start in range(0, len(ordered), many):
            part = ordered[start : start + many]
            for ts, delay, key, meta, _, number in self._samples.of_slots(connection, part, series):
                first[number] = min(ts, first.get(number, ts))
                latest = (ts, delay, key, meta)
                if number not in newest or latest > newest[number]:
                    newest[number] = latest
        names = self._dictionary.meter_names(connection)
        for row in rows:
            seen = newest.get(row.id)
            if row.first is None and seen is None:
                continue
            of = Series(names[row.meter_id], TYPES[row.type], row.unit, row.resource_id, row.user_id, row.project_id, row.source)
            if seen is None:
                yield Alive(row.id, of, row.first, row.last, row.meta_id)
            elif row.first is None:
                yield Alive(row.id, of, first[row.id], seen[0], seen[3])
            else:
                last, meta = (seen[0], seen[3]) if seen[0] >= row.last else (row.last, row.meta_id)
                yield Alive(row.id, of, min(row.first, first[row.id]), last, meta)


def _resource(alive: Alive) -> str:
    return alive.of.resource


def _name(alive: Alive) -> str:
    return alive.of.meter


def _latest(alive: Alive) -> tuple[int, int]:
    return alive.last, alive.number

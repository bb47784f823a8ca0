"""Ids of meters, series, metadata and hours, remembered.

Entries go when all samples that they are for have expired, and hours when theirs have. A writer finds out in its transaction, and
forgets what it knew (`Stale`). While the tables are there, no id is given away twice, so a reader may remember
what it has read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from undercroft.core.errors import Corrupt, Unavailable
from undercroft.engines.sql import Database
from undercroft.metering.drivers.sql.dialects import Dialect
from undercroft.metering.drivers.sql.schema import BUNDLE_BITS, DAY, HOUR, PENDING, SPANS, Tables
from undercroft.metering.models import TYPES
from undercroft.metering.record import Record, Series

_CACHED, _CACHED_SLOTS, _CACHED_CHARACTERS = 200_000, 20_000, 64 * 2**20
_AT_ONCE = 500
_pack = msgspec.msgpack.Encoder().encode


class Stale(Unavailable):
    """Something that this process remembered of the dictionaries is gone."""


class Slot(NamedTuple):
    """An hour or a day of a meter and a bundle of series."""

    id: int
    span: int
    meter_id: int
    bundle: int
    start: int
    folded: int

    @property
    def end(self) -> int:
        """The first microsecond after it."""
        return self.start + SPANS[self.span]


class Learnt(NamedTuple):
    """What the dictionaries say of some records, in their order.

    Attributes:
        series, metas, slots: ids of the series, metadata and hour of each.
        touched: ids of entries of a table that are used on a day later than what is known, by table and day.
        generation: what `setting` has to say for all this to hold.
    """

    series: list[int]
    metas: list[int]
    slots: list[int]
    touched: dict[tuple[str, int], set[int]]
    generation: int


class _Known:
    """What writers know: all of it as long as the generation is this one."""

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self.forget_series()
        self.forget_bodies()
        self.forget_slots()

    def forget_series(self) -> None:
        self.series: dict[Series, int] = {}
        self.series_seen: dict[int, int] = {}

    def forget_bodies(self) -> None:
        self.bodies: dict[str, int] = {}
        self.bodies_seen: dict[int, int] = {}
        self.characters = 0

    def forget_slots(self) -> None:
        self.slots: dict[tuple[int, int, int], int] = {}


class Dictionary:
    """What one process knows of a store's dictionaries. Shared by threads."""

    def __init__(self, db: Database, tables: Tables, dialect: Dialect) -> None:
        self._db = db
        self._t = tables
        self._dialect = dialect
        self.forget()

    def forget(self) -> None:
        """Know nothing any more: entries are gone, or the tables were made anew."""
        # A thread that is at work goes on with the object that it has, which nobody else gets to see then.
        self._known: _Known | None = None
        self._meters: dict[str, int] = {}
        self._names: dict[int, str] = {}
        # For readers, whatever the generation is.
        self._of: dict[int, Series] = {}
        self._forget_bodies()

    def _forget_bodies(self) -> None:
        self._body_of: dict[int, str] = {}
        self._characters = 0

    def forget_slots(self) -> None:
        """Know no hours any more: some are gone."""
        if (known := self._known) is not None:
            known.forget_slots()

    # -- writing ---------------------------------------------------------------------------------------------------

    def learn(self, records: Sequence[Record]) -> Learnt:
        """What the dictionaries say of records; entries that are new are added, in transactions of their own.

        They go ahead of the samples, so that two writers of one new series do not wait for each other's samples.
        """
        known = self._known
        if known is None:
            known = self._known = _Known(self._db.read(self._dialect.generation))
        wanted = [record.series for record in records]
        # Another thread may have all this forgotten at any moment: what is needed is taken along.
        meters = self._learn_meters({each.meter for each in wanted})
        all_series = known.series
        series = [all_series.get(each) for each in wanted]
        if None in series:
            days = {each: record.timestamp // SPANS[DAY] for each, record in zip(wanted, records, strict=True)}
            new_series = {each: day for each, day in days.items() if each not in all_series}
            found = self._add_series(known, new_series, meters)
            series = [found[each] if number is None else number for each, number in zip(wanted, series, strict=True)]
        bodies = known.bodies
        metas = [bodies.get(record.metadata) for record in records]
        if None in metas:
            new = {r.metadata: r.timestamp // SPANS[DAY] for r in records if r.metadata not in bodies}
            more = self._add_bodies(known, new)
            metas = [more[record.metadata] if meta is None else meta for record, meta in zip(records, metas, strict=True)]
        numbers: list[int] = series  # type: ignore[assignment]  # none is None
        hour = SPANS[HOUR]
        keys = [
            (meters[record.series.meter], number >> BUNDLE_BITS, record.timestamp // hour * hour)
            for record, number in zip(records, numbers, strict=True)
        ]
        places = known.slots
        slots = [places.get(key) for key in keys]
        if None in slots:
            all_slots = places | self._add_slots(known, sorted({key for key in keys if key not in places}))
            slots = [all_slots[key] for key in keys]
        touched = self._touched(known, records, numbers, metas)  # type: ignore[arg-type]  # none is None
        return Learnt(numbers, metas, slots, touched, known.generation)  # type: ignore[arg-type]  # none is None

    def _touched(
        self, known: _Known, records: Sequence[Record], series: list[int], metas: list[int]
    ) -> dict[tuple[str, int], set[int]]:
        found: dict[tuple[str, int], set[int]] = {}
        length = SPANS[DAY]
        days = [record.timestamp // length for record in records]
        for table, numbers, seen in ((self._t.series, series, known.series_seen), (self._t.bodies, metas, known.bodies_seen)):
            for number, day in zip(numbers, days, strict=True):
                if seen.get(number, day - 1) < day:
                    found.setdefault((table.name, day), set()).add(number)
        return found

    def saw(self, learnt: Learnt) -> None:
        """Remember that the days of entries are stored."""
        known = self._known
        if known is None or known.generation != learnt.generation:
            return
        for (name, day), numbers in learnt.touched.items():
            seen = known.series_seen if name == self._t.series.name else known.bodies_seen
            seen.update((number, max(day, seen.get(number, day))) for number in numbers)

    def _learn_meters(self, names: set[str]) -> dict[str, int]:
        known = self._meters
        if missing := names - known.keys():
            rows = [{"name": name} for name in missing]
            known = self._remember_meters(self._db.write(lambda c: self._added(c, self._t.meter, rows, "name")))
        return known

    def _remember_meters(self, found: dict[str, int]) -> dict[str, int]:
        known = self._meters = self._meters | found
        self._names = self._names | {number: name for name, number in found.items()}
        return known

    def _add_series(self, known: _Known, wanted: dict[Series, int], ids: dict[str, int]) -> dict[Series, int]:
        t = self._t.series
        digests = {self._dialect.key(_digest(_pack(each))): each for each in wanted}
        rows = [
            {
                "digest": digest, "meter_id": ids[each.meter], "type": TYPES.index(each.type), "unit": each.unit,
                "resource_id": each.resource, "user_id": each.user, "project_id": each.project, "source": each.source,
                "seen": wanted[each],
            }
            for digest, each in digests.items()
        ]  # fmt: skip
        found = {digests[digest]: number for digest, number in self._add(t, rows, "digest").items()}
        if len(known.series) + len(found) > _CACHED:
            known.forget_series()
        # In place: readers and writers look single keys up, and growing a dictionary is atomic.
        known.series.update(found)
        self._remember_series({number: each for each, number in found.items()})
        return found

    def _remember_series(self, found: dict[int, Series]) -> None:
        if len(self._of) + len(found) > _CACHED:
            self._of = {}
        self._of.update(found)

    def _add_bodies(self, known: _Known, wanted: dict[str, int]) -> dict[str, int]:
        digests = {self._dialect.key(_digest(body.encode())): body for body in wanted}
        rows = [{"digest": digest, "body": body, "seen": wanted[body]} for digest, body in digests.items()]
        found = {digests[digest]: number for digest, number in self._add(self._t.bodies, rows, "digest").items()}
        more = sum(map(len, found))
        if len(known.bodies) + len(found) > _CACHED or known.characters + more > _CACHED_CHARACTERS:
            known.forget_bodies()
        known.characters += more
        known.bodies.update(found)
        self._remember_bodies({number: body for body, number in found.items()})
        return found

    def _remember_bodies(self, found: dict[int, str]) -> None:
        more = sum(map(len, found.values()))
        if len(self._body_of) + len(found) > _CACHED or self._characters + more > _CACHED_CHARACTERS:
            self._forget_bodies()
        self._characters += more
        self._body_of.update(found)

    def _add_slots(self, known: _Known, wanted: Sequence[tuple[int, int, int]]) -> dict[tuple[int, int, int], int]:
        t = self._t.slot

        def look(connection: sa.Connection, keys: Sequence[tuple[int, int, int]]) -> dict[tuple[int, int, int], int]:
            asked = sa.select(t.c.meter_id, t.c.bundle, t.c.start, t.c.id).where(
                t.c.span == HOUR, t.c.meter_id.in_({key[0] for key in keys}), t.c.start.in_({key[2] for key in keys})
            )
            return {(meter, bundle, start): number for meter, bundle, start, number in connection.execute(asked)}

        def work(connection: sa.Connection) -> dict[tuple[int, int, int], int]:
            found: dict[tuple[int, int, int], int] = {}
            for place in range(0, len(wanted), _AT_ONCE):
                keys = wanted[place : place + _AT_ONCE]
                found |= look(connection, keys)
                if missing := [key for key in keys if key not in found]:
                    rows = [
                        {"span": HOUR, "meter_id": meter, "bundle": bundle, "start": start, "folded": PENDING}
                        for meter, bundle, start in missing
                    ]
                    connection.execute(self._db.dialect.insert_missing(t), rows)
                    found |= look(connection, missing)
            if not found.keys() >= set(wanted):
                raise Stale("hours that samples belong to were deleted at this moment; repeat the call")
            return found

        found = self._db.write(work)
        if len(known.slots) + len(found) > _CACHED_SLOTS:
            known.forget_slots()
        known.slots.update(found)
        return found

    def _add(self, table: sa.Table, rows: Sequence[dict[str, Any]], key: str) -> dict[Any, int]:
        return self._db.write(lambda c: self._added(c, table, rows, key))

    def _added(self, connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]], key: str) -> dict[Any, int]:
        """Add the rows that are not there yet; the id of each by its key.

        They are looked up first: an engine gives an id away for every row that it is told to insert, also for those it leaves out.
        """
        column = table.c[key]
        found: dict[Any, int] = {}
        ordered = sorted(rows, key=lambda row: row[key])
        for start in range(0, len(ordered), _AT_ONCE):
            part = ordered[start : start + _AT_ONCE]
            asked = sa.select(column, table.c.id).where(column.in_([row[key] for row in part]))
            found |= dict(map(tuple, connection.execute(asked)))
            if missing := [row for row in part if row[key] not in found]:
                connection.execute(self._db.dialect.insert_missing(table), missing)
                found |= dict(map(tuple, connection.execute(asked)))
        # What another writer had just added may have expired before it was looked up.
        if len(found) < len(rows):
            raise Stale("entries of dictionaries expired at this moment; repeat the call")
        return found

    # -- reading ---------------------------------------------------------------------------------------------------

    def meter_ids(self, connection: sa.Connection, names: Iterable[str | None]) -> dict[str, int]:
        """Ids of meters by name; those that there never were are left out."""
        wanted = {name for name in names if name is not None}
        known = self._meters
        if missing := wanted - known.keys():
            t = self._t.meter.c
            found = connection.execute(sa.select(t.name, t.id).where(t.name.in_(missing)))
            known = known | self._remember_meters(dict(map(tuple, found)))
        return {name: known[name] for name in wanted if name in known}

    def meter_names(self, connection: sa.Connection) -> dict[int, str]:
        """Names of all meters by id."""
        t = self._t.meter.c
        found = dict(map(tuple, connection.execute(sa.select(t.id, t.name))))
        self._remember_meters({name: number for number, name in found.items()})
        return found

    def series(self, connection: sa.Connection, numbers: Iterable[int]) -> Callable[[int], Series]:
        """What tells the series of an id, of these at least."""
        known, wanted = self._of, set(numbers)
        missing = sorted(number for number in wanted if number not in known)
        if not missing:
            return known.__getitem__
        t = self._t.series.c
        columns = (t.id, t.meter_id, t.type, t.unit, t.resource_id, t.user_id, t.project_id, t.source)
        found: dict[int, Series] = {}
        for part in _parts(missing):
            rows = connection.execute(sa.select(*columns).where(t.id.in_(part))).all()
            names = self._names
            if any(row.meter_id not in names for row in rows):
                names = self.meter_names(connection)
            _check("meters", {row.meter_id for row in rows} - names.keys())
            found |= {number: Series(names[meter], TYPES[kind], *rest) for number, meter, kind, *rest in rows}
        _check("series", set(missing) - found.keys())
        # Not for writers: they know only what is of the generation that they know.
        self._remember_series(found)
        return (found | {number: known[number] for number in wanted if number in known}).__getitem__

    def places(self, connection: sa.Connection, numbers: Iterable[int]) -> Callable[[int], tuple[int, int]]:
        """What tells the meter and the bundle of a series, of these at least."""
        series, meters = self.series(connection, numbers), {name: number for number, name in self.meter_names(connection).items()}
        return lambda number: (meters[series(number).meter], number >> BUNDLE_BITS)

    def bodies(self, connection: sa.Connection, numbers: Iterable[int]) -> Callable[[int], str]:
        """What tells the metadata of an id, of these at least."""
        known, wanted = self._body_of, set(numbers)
        missing = sorted(number for number in wanted if number not in known)
        if not missing:
            return known.__getitem__
        t = self._t.bodies.c
        found: dict[int, str] = {}
        for part in _parts(missing):
            found |= dict(map(tuple, connection.execute(sa.select(t.id, t.body).where(t.id.in_(part)))))
        _check("metadata", set(missing) - found.keys())
        self._remember_bodies(found)
        return (found | {number: known[number] for number in wanted if number in known}).__getitem__


def _check(what: str, lost: Collection[int]) -> None:
    """Raise `Corrupt` where entries are missing that others refer to."""
    if lost:
        raise Corrupt(f"{what} that samples refer to are missing: `undercroft doctor --verify` tells how many; restore a backup")


def _parts(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), _AT_ONCE):
        yield numbers[start : start + _AT_ONCE]


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()

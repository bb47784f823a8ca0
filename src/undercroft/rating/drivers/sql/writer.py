"""Writing rated usage: one transaction a push, the sums kept beside the points in the same transaction."""

from __future__ import annotations

import decimal
import itertools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import sqlalchemy as sa

from undercroft.core.errors import Conflict
from undercroft.core.time import from_micros
from undercroft.rating.calendar import MONTH_OF_DAY
from undercroft.rating.drivers.sql.dialects import Found, Pair, Writes
from undercroft.rating.drivers.sql.encode import Batch, Entry, SlotKey
from undercroft.rating.drivers.sql.schema import QTY, Tables
from undercroft.rating.numbers import CONTEXT, ZERO

K = TypeVar("K")
_add = CONTEXT.add
_CACHED = 65_536
_LOOKUP = 5_000


_Sums = tuple[int, Decimal, Decimal]


class Sums:
    """Counts and sums by two keys, to be added to `rollup` or `slot_total`."""

    def __init__(self) -> None:
        self._found: dict[int, dict[int, _Sums]] = {}

    def add(self, first: int, second: int, points: int, qty: Decimal, price: Decimal) -> None:
        """Add to one pair of keys; negative numbers take away."""
        found = self._found.setdefault(first, {})
        known = found.get(second)
        if known is None:
            found[second] = points, qty, price
        else:
            found[second] = known[0] + points, _add(known[1], qty), _add(known[2], price)

    def add_each(self, first: int, seconds: Sequence[int], qtys: Sequence[Decimal], prices: Sequence[Decimal]) -> None:
        """Add one point to each of `seconds`."""
        found = self._found.setdefault(first, {})
        fresh = dict(zip(seconds, zip(itertools.repeat(1), qtys, prices)))  # noqa: B905
        if len(fresh) == len(seconds) and found.keys().isdisjoint(fresh):
            found |= fresh
        else:
            for second, qty, price in zip(seconds, qtys, prices, strict=True):
                self.add(first, second, 1, qty, price)

    def merged(self, divisor: int) -> Sums:
        """The sums by the first key divided by `divisor`."""
        merged = Sums()
        for first, found in self._found.items():
            whole = first // divisor
            if whole not in merged._found:
                merged._found[whole] = dict(found)
            else:
                for second, sums in found.items():
                    merged.add(whole, second, *sums)
        return merged

    def rows(self) -> list[tuple[Any, ...]]:
        """Rows (key, key, points, qty, price), sorted, so that writers in parallel lock them in one order."""
        return [
            (first, second, *sums)
            for first, found in sorted(self._found.items())
            for second, sums in sorted(found.items())
            if any(sums)
        ]


class Writer:
    """Writes one store's points. Shared by threads; a push is a call of `push` within a transaction, then `remember`."""

    def __init__(self, tables: Tables, writes: Writes) -> None:
        self._tables = tables
        self._writes = writes
        # Ids of slots that are known to be committed; entries know their own.
        self._slots: dict[SlotKey, int] = {}

    def remember(self, entries: Mapping[Entry, int], slots: Mapping[SlotKey, int]) -> None:
        """Keep ids for later pushes, after the commit that made them true."""
        for entry, number in entries.items():
            entry.number = number
        if len(self._slots) + len(slots) > _CACHED:
            self._slots = {}
        self._slots.update(list(slots.items())[:_CACHED])

    def forget(self) -> None:
        """Drop the known ids of slots."""
        self._slots = {}

    def push(self, connection: sa.Connection, batch: Batch, on_conflict: str) -> tuple[dict[Entry, int], dict[SlotKey, int]]:
        """Write a batch; returns the ids that were looked up or made, for `remember`."""
        self.guard(connection, deletes=False)
        entries, new_entries, slots, new_slots = self._ids(connection, batch)
        columns = [
            (slots[c.slot], batch.days[c.slot], _numbers(c.series, entries), _numbers(c.details, entries), c.qtys, c.prices)
            for c in batch.columns
        ]
        pairs: set[Pair] = set()
        for slot, _, series, *_ in columns:
            if slot not in new_slots:
                pairs.update((slot, number) for number in series if number not in new_entries)

        by_series, by_slot = Sums(), Sums()
        shard = self._writes.shard(connection)
        numbers: dict[Pair, int] = {}
        if pairs and on_conflict == "replace":
            self._take(connection, pairs, {slot: day for slot, day, *_ in columns}, by_series, by_slot, shard)
        elif pairs:
            numbers = self._last_numbers(connection, pairs)
            if numbers and on_conflict == "error":
                raise _conflict(next(iter(numbers)), slots)
        rows: list[tuple[Any, ...]] = []
        with decimal.localcontext(CONTEXT):
            for slot, day, series, details, qtys, prices in columns:
                by_series.add_each(day, series, qtys, prices)
                by_slot.add(slot, shard, len(series), sum(qtys, ZERO), sum(prices, ZERO))
                rows += zip(itertools.repeat(slot), series, _counted(slot, series, numbers), details, qtys, prices)
        # By key: equal keys do not occur, so nothing behind them is compared.
        rows.sort()
        self._writes.add(connection, rows, _by_month_and_day(by_series), by_slot.rows())
        return entries, slots

    def guard(self, connection: sa.Connection, *, deletes: bool) -> None:
        """First thing in a transaction: keep pushes and deletions apart where the dialect needs it."""
        self._writes.guard(connection, deletes=deletes)

    def shard(self, connection: sa.Connection) -> int:
        """The shard of `slot_total` that this connection adds to."""
        return self._writes.shard(connection)

    def add_sums(self, connection: sa.Connection, by_series: Sums, by_slot: Sums) -> None:
        """Add sums per (day, series) to the rollups of days and months, and sums per (slot, shard) to those of slots."""
        if rows := _by_month_and_day(by_series):
            self._writes.add_sums(connection, self._tables.rollup, rows)
        if rows := by_slot.rows():
            self._writes.add_sums(connection, self._tables.slot_total, rows)

    # -- ids -------------------------------------------------------------------------------------------------------

    def _ids(self, connection: sa.Connection, batch: Batch) -> tuple[dict[Entry, int], set[int], dict[SlotKey, int], set[int]]:
        """Ids of all slots and of the entries that do not know theirs, each with those of them that were just made."""
        writes = self._writes
        unknown = {
            entry: entry.digest
            for column in batch.columns
            for entry in itertools.chain(column.series, column.details)
            if entry.number is None
        }
        entries = {digest: entry for entry, digest in unknown.items()}
        slots = {key: self._slots[key] for key in batch.days if key in self._slots}
        others = [key for key in batch.days if key not in slots]
        if not entries and not others:
            return {}, set(), slots, set()
        found_entries, found_slots = writes.find(connection, list(entries), others)
        numbers, new_entries = _completed(
            entries,
            found_entries,
            lambda digests, last: writes.add_entries(connection, [(digest, entries[digest]) for digest in digests], last),
            lambda digests: writes.find(connection, digests, ())[0],
        )
        fresh, new_slots = _completed(
            others,
            found_slots,
            lambda keys, last: writes.add_slots(connection, [(key, batch.days[key]) for key in keys], last),
            lambda keys: writes.find(connection, (), keys)[1],
        )
        return {entry: numbers[digest] for entry, digest in unknown.items()}, new_entries, slots | fresh, new_slots

    # -- points ----------------------------------------------------------------------------------------------------

    def _take(
        self,
        connection: sa.Connection,
        pairs: Collection[Pair],
        days: Mapping[int, int],
        by_series: Sums,
        by_slot: Sums,
        shard: int,
    ) -> None:
        """Delete what is replaced and take it off the sums."""
        exact = self._tables.exact
        width = len(exact.columns(QTY))
        for slot, series, *parts in self._writes.take(connection, sorted(pairs)):
            qty, price = exact.decode(parts[:width]).copy_negate(), exact.decode(parts[width:]).copy_negate()
            by_series.add(days[slot], series, -1, qty, price)
            by_slot.add(slot, shard, -1, qty, price)

    def _last_numbers(self, connection: sa.Connection, pairs: Collection[Pair]) -> dict[Pair, int]:
        point = self._tables.point.c
        found: dict[Pair, int] = {}
        wanted = sorted(pairs)
        for start in range(0, len(wanted), _LOOKUP):
            which = sa.tuple_(point.slot_id, point.series_id).in_(wanted[start : start + _LOOKUP])
            rows = connection.execute(
                sa.select(point.slot_id, point.series_id, sa.func.max(point.number))
                .where(which)
                .group_by(point.slot_id, point.series_id)
            )
            found |= {(slot, series): last + 1 for slot, series, last in rows}
        return found


def _completed(
    keys: Collection[K], found: Found[K], add: Callable[[list[K], int], dict[K, int]], find: Callable[[list[K]], Found[K]]
) -> tuple[dict[K, int], set[int]]:
    """Ids of all keys, some of which were found, and those of them that are made here."""
    ids = found.ids
    missing = [key for key in keys if key not in ids]
    added = add(missing, found.last) if missing else {}
    # What neither was there nor could be added, another writer has added and committed meanwhile.
    late = [key for key in missing if key not in added]
    later = find(late).ids if late else {}
    known = ids | added | later
    return {key: known[key] for key in keys}, set(added.values())


def _by_month_and_day(by_series: Sums) -> list[tuple[Any, ...]]:
    return by_series.merged(MONTH_OF_DAY).rows() + by_series.rows()


def _numbers(entries: Sequence[Entry], fresh: Mapping[Entry, int]) -> list[int]:
    """Ids of entries: those that were just looked up or made, or their own."""
    found: list[Any] = [entry.number for entry in entries]
    if None in found:
        found = [fresh.get(entry, entry.number) for entry in entries]
    return found


def _counted(slot: int, series: Sequence[int], numbers: dict[Pair, int]) -> Iterable[int]:
    """The number of each point among those with its key; `numbers` says where to go on."""
    if not numbers and len(set(series)) == len(series):
        return itertools.repeat(0)
    found = []
    for each in series:
        number = numbers.get((slot, each), 0)
        numbers[slot, each] = number + 1
        found.append(number)
    return found


def _conflict(pair: Pair, slots: Mapping[SlotKey, int]) -> Conflict:
    key = next(key for key, number in slots.items() if number == pair[0])
    return Conflict(
        f"points of type {key.type.decode()!r} from {from_micros(key.begin).isoformat()} to "
        f"{from_micros(key.end).isoformat()} with the same groupby are stored already (on_conflict=error)"
    )

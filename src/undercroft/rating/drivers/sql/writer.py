"""Writing rated usage: one transaction a push, sums by scope and by slot kept beside the points in the same transaction.

Sums by series cost more than the points themselves when each push adds them. They wait until a slot is folded (see `folding`);
only what comes to a slot later than that is added by the push itself.
"""

from __future__ import annotations

import collections
import decimal
import itertools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa

from undercroft.core.errors import Conflict
from undercroft.core.time import from_micros
from undercroft.rating.calendar import MONTH_OF_DAY
from undercroft.rating.drivers.sql.dialects import Dialect
from undercroft.rating.drivers.sql.dialects.base import Found, NewEntry, Pair
from undercroft.rating.drivers.sql.encode import Batch, Entry, Numbers, SlotKey
from undercroft.rating.drivers.sql.schema import QTY, Tables
from undercroft.rating.numbers import CONTEXT, ZERO

K = TypeVar("K")
_add = CONTEXT.add
_scaleb = CONTEXT.scaleb
_CACHED = 65_536
_LOOKUP = 5_000


_Sums = tuple[int, Decimal, Decimal]


class Sums:
    """Counts and sums by two keys, to be added to `rollup`, `scope_rollup` or `slot_total`."""

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

    def add_each(self, first: int, seconds: Sequence[int], qtys: Numbers, prices: Numbers) -> None:
        """Add one point to each of `seconds`."""
        counts = collections.Counter(seconds)
        if qtys.units is None or prices.units is None:
            with decimal.localcontext(CONTEXT):
                some_qtys, some_prices = _summed(seconds, qtys.exact), _summed(seconds, prices.exact)
        else:
            some_qtys, some_prices = (_numbers_of(_summed(seconds, units)) for units in (qtys.units, prices.units))
        for second, points in counts.items():
            self.add(first, second, points, some_qtys[second], some_prices[second])

    def with_months(self) -> list[tuple[Any, ...]]:
        """Rows of sums by day, and of their sums by month before them."""
        months = Sums()
        for day, found in self._found.items():
            month = day // MONTH_OF_DAY
            if month not in months._found:
                months._found[month] = dict(found)
            else:
                for second, sums in found.items():
                    months.add(month, second, *sums)
        return months.rows() + self.rows()

    def rows(self) -> list[tuple[Any, ...]]:
        """Rows (key, key, points, qty, price), sorted, so that writers in parallel lock them in one order."""
        return [
            (first, second, *sums)
            for first, found in sorted(self._found.items())
            for second, sums in sorted(found.items())
            if any(sums)
        ]


def _summed(keys: Sequence[int], values: Sequence[Any]) -> dict[int, Any]:
    """Sums of the values by key."""
    found: collections.defaultdict[int, Any] = collections.defaultdict(int)
    for key, value in zip(keys, values, strict=True):
        found[key] += value
    return found


def _sum(numbers: Numbers) -> Decimal:
    if numbers.units is not None:
        return _scaleb(Decimal(sum(numbers.units)), -12)
    with decimal.localcontext(CONTEXT):
        return sum(numbers.exact, ZERO)


def _numbers_of(units: Mapping[int, int]) -> dict[int, Decimal]:
    return {key: _scaleb(Decimal(value), -12) for key, value in units.items()}


class Change:
    """What a transaction adds to the kept sums; negative numbers take away.

    Attributes:
        shard: of `slot_total`.
        by_series: by day and series, of slots that are folded.
        by_scope: by day and scope.
        by_slot: by slot and shard.
    """

    def __init__(self, shard: int) -> None:
        self.shard = shard
        self.by_series, self.by_scope, self.by_slot = Sums(), Sums(), Sums()

    def push(self, column: _Column, *, folded: bool) -> None:
        """Add the points of one slot."""
        slot, day, series, scopes, _, qtys, prices = column
        if folded:
            self.by_series.add_each(day, series, qtys, prices)
        self.by_scope.add_each(day, scopes, qtys, prices)
        self.by_slot.add(slot, self.shard, len(series), _sum(qtys), _sum(prices))

    def tables(self, tables: Tables) -> list[tuple[sa.Table, list[tuple[Any, ...]]]]:
        """The rows to be added to each table that has any, always in one order."""
        found = [
            (tables.rollup, self.by_series.with_months()),
            (tables.scope_rollup, self.by_scope.with_months()),
            (tables.slot_total, self.by_slot.rows()),
        ]
        return [(table, rows) for table, rows in found if rows]


class _Column(NamedTuple):
    """The points of one slot, attribute by attribute, with their ids."""

    slot: int
    day: int
    series: Sequence[int]
    scopes: Sequence[int]
    details: Sequence[int]
    qtys: Numbers
    prices: Numbers


class _Ids(NamedTuple):
    """Ids of entries that did not know theirs and of all slots, each with those that were just made."""

    entries: dict[Entry, int]
    new_entries: set[int]
    slots: dict[SlotKey, int]
    new_slots: set[int]


class Pushed(NamedTuple):
    """What a push has done, for `Writer.remember` once it is committed.

    Attributes:
        entries: ids of entries that did not know theirs.
        slots: ids of all slots.
        pending: how many of its points wait to be folded.
    """

    entries: Mapping[Entry, int]
    slots: Mapping[SlotKey, int]
    pending: int


NOTHING = Pushed({}, {}, 0)


class Writer:
    """Writes one store's points. Shared by threads; a push is a call of `push` within a transaction, then `remember`."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        self._tables = tables
        self._dialect = dialect
        # Ids of slots that are known to be committed; entries know their own.
        self._slots: dict[SlotKey, int] = {}

    def remember(self, pushed: Pushed) -> None:
        """Keep ids for later pushes, after the commit that made them true."""
        entries, slots, _ = pushed
        for entry, number in entries.items():
            entry.number = number
        if len(self._slots) + len(slots) > _CACHED:
            self._slots = {}
        self._slots.update(list(slots.items())[:_CACHED])

    def forget(self) -> None:
        """Drop the known ids of slots."""
        self._slots = {}

    def push(self, connection: sa.Connection, batch: Batch, on_conflict: str, *, alone: bool) -> Pushed:
        """Write a batch.

        Pushes to the same slots go side by side, and one that finds another's points where it has just made room is to be tried
        again, `alone` then: any number of them would otherwise go on being in each other's way.
        """
        known = self._ids(connection, batch)
        entries, slots = known.entries, known.slots
        columns = [
            _Column(
                slots[c.slot], batch.days[c.slot], _numbers(c.series, entries), _scopes(c.series, entries),
                _numbers(c.details, entries), c.qtys, c.prices,
            )
            for c in batch.columns
        ]  # fmt: skip
        old = [column for column in columns if column.slot not in known.new_slots]
        pairs: set[Pair] = set()
        for column in old:
            pairs.update((column.slot, number) for number in column.series if number not in known.new_entries)
        replaced = sorted(pairs) if on_conflict == "replace" else []
        slots_of_old = sorted(column.slot for column in old)
        folded, taken = self._dialect.lock_and_take(connection, slots_of_old, replaced, alone=alone)
        numbers: dict[Pair, int] = {}
        if pairs and not replaced:
            numbers = self._last_numbers(connection, pairs)
            if numbers and on_conflict == "error":
                raise _conflict(next(iter(numbers)), slots)

        sums = Change(self._dialect.shard(connection))
        if taken:
            self._take_off(sums, taken, columns, folded)
        rows: list[tuple[Any, ...]] = []
        pending = 0
        short = self._dialect.takes_units and not any(None in (column.qtys.units, column.prices.units) for column in columns)
        for column in columns:
            slot, _, series, _, details, qtys, prices = column
            sums.push(column, folded=slot in folded)
            pending += 0 if slot in folded else len(series)
            written = (qtys.units, prices.units) if short else (qtys.exact, prices.exact)
            rows += zip(itertools.repeat(slot), series, _counted(slot, series, numbers), details, *written)
        # By key: equal keys do not occur, so nothing behind them is compared.
        rows.sort()
        self._dialect.add(connection, rows, sums.tables(self._tables))
        return Pushed(entries, slots, pending)

    # -- ids -------------------------------------------------------------------------------------------------------

    def _ids(self, connection: sa.Connection, batch: Batch) -> _Ids:
        """Ids of all slots and of the entries that do not know theirs."""
        dialect = self._dialect
        unknown = {
            entry: entry.digest
            for column in batch.columns
            for entry in itertools.chain(column.series, column.details)
            if entry.number is None
        }
        scopes = {entry.scope: entry.scope.digest for entry in unknown if entry.scope is not None and entry.scope.number is None}
        slots = {key: self._slots[key] for key in batch.days if key in self._slots}
        others = [key for key in batch.days if key not in slots]
        if not unknown and not others:
            return _Ids({}, set(), slots, set())
        found_entries, found_slots = dialect.find(connection, [*scopes.values(), *unknown.values()], others)
        numbers: dict[Entry, int] = {}
        made: set[int] = set()
        # A series names its scope: scopes come first.
        for group in (scopes, unknown):
            ids, new = self._entry_ids(connection, group, numbers, found_entries)
            numbers |= ids
            made |= new
            found_entries = found_entries._replace(last=max(found_entries.last, *new) if new else found_entries.last)
        # Once each: equal entries may be several objects where another thread made the encoder forget.
        attributes = {number: entry for entry, number in numbers.items() if number in made}
        if attributes:
            dialect.add_attributes(connection, list(attributes.items()))
        fresh, new_slots = _completed(
            others,
            found_slots,
            lambda keys, last: dialect.add_slots(connection, [(key, batch.days[key]) for key in keys], last),
            lambda keys: dialect.find(connection, (), keys)[1],
        )
        return _Ids(numbers, made, slots | fresh, new_slots)

    def _entry_ids(
        self, connection: sa.Connection, group: Mapping[Entry, str], scopes: Mapping[Entry, int], found: Found[str]
    ) -> tuple[dict[Entry, int], set[int]]:
        """Ids of entries, those that are missing added; `scopes` has the ids of new scopes."""
        entries = {digest: entry for entry, digest in group.items()}

        def row(digest: str) -> NewEntry:
            entry = entries[digest]
            return NewEntry(digest, entry, None if entry.scope is None else scopes.get(entry.scope, entry.scope.number))

        ids, new = _completed(
            entries,
            found,
            lambda digests, last: self._dialect.add_entries(connection, [row(digest) for digest in digests], last),
            lambda digests: self._dialect.find(connection, digests, ())[0],
        )
        return {entry: ids[digest] for entry, digest in group.items()}, new

    # -- points ----------------------------------------------------------------------------------------------------

    def _take_off(
        self,
        change: Change,
        taken: Iterable[Sequence[Any]],
        columns: Sequence[_Column],
        folded: Collection[int],
    ) -> None:
        """Take what is replaced off the sums."""
        days = {column.slot: column.day for column in columns}
        scopes = {number: scope for column in columns for number, scope in zip(column.series, column.scopes, strict=True)}
        exact = self._tables.exact
        width = len(exact.columns(QTY))
        for slot, series, *parts in taken:
            qty, price = exact.decode(parts[:width]).copy_negate(), exact.decode(parts[width:]).copy_negate()
            change.by_slot.add(slot, change.shard, -1, qty, price)
            change.by_scope.add(days[slot], scopes[series], -1, qty, price)
            if slot in folded:
                change.by_series.add(days[slot], series, -1, qty, price)

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


def _numbers(entries: Sequence[Entry], fresh: Mapping[Entry, int]) -> list[int]:
    """Ids of entries: those that were just looked up or made, or their own."""
    found: list[Any] = [entry.number for entry in entries]
    if None in found:
        found = [fresh.get(entry, entry.number) for entry in entries]
    return found


def _scopes(series: Sequence[Entry], fresh: Mapping[Entry, int]) -> list[int]:
    """Ids of the scopes of series."""
    return _numbers([entry.scope for entry in series if entry.scope is not None], fresh)


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

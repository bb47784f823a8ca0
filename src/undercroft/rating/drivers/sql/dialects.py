"""What differs between SQL dialects when rated usage is written: how rows go in at once, and how old ones are taken out."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec
import sqlalchemy as sa

from undercroft.engines.sql import raw
from undercroft.rating.calendar import MONTH_OF_DAY
from undercroft.rating.drivers.sql.encode import Entry, SlotKey
from undercroft.rating.drivers.sql.exact import HALF, Limbs
from undercroft.rating.drivers.sql.schema import LONG_NUMBERS, PRICE, QTY, ZONE, Tables
from undercroft.rating.numbers import units

_json = msgspec.json.Encoder()
Pair = tuple[int, int]
Rows = Sequence[tuple[Any, ...]]
SumRows = Sequence[tuple[sa.Table, Rows]]


K = TypeVar("K")


class Found(NamedTuple, Generic[K]):
    """Ids by key, and the highest id of the table where the dialect gives out the next ones itself."""

    ids: dict[K, int]
    last: int


class NewEntry(NamedTuple):
    """An entry to be added, and the id of its scope, which a series has."""

    digest: str
    entry: Entry
    scope: int | None


class Writes(Protocol):
    """One dialect's bulk writes; every method is one statement, or as many as it says.

    Pushes, deletions and folding keep out of each other's way by locks on slots, and on a row of `setting` where a deletion cannot
    tell itself what it took.
    """

    def keep_out(self, connection: sa.Connection, *, everything: bool) -> None:
        """First thing of a deletion: let no push in meanwhile, where that is needed; in any case when everything goes."""

    def lock_pending(self, connection: sa.Connection, slots: Sequence[int]) -> list[int]:
        """Lock those of the slots for folding that are pending, and that nobody is pushing to; up to two statements."""

    def find(
        self, connection: sa.Connection, digests: Sequence[str], slots: Sequence[SlotKey]
    ) -> tuple[Found[str], Found[SlotKey]]:
        """Ids of the entries with these digests, and of these slots and others with the same frame bounds, those that exist."""

    def add_entries(self, connection: sa.Connection, entries: Sequence[NewEntry], last: int) -> dict[str, int]:
        """Insert entries; ids by digest of those that were not there."""

    def add_attributes(self, connection: sa.Connection, entries: Sequence[tuple[int, Entry]]) -> None:
        """Insert the attributes of entries that were just added, and their ids."""

    def add_slots(self, connection: sa.Connection, slots: Sequence[tuple[SlotKey, int]], last: int) -> dict[SlotKey, int]:
        """Insert slots, pending, with their day keys; ids of those that nobody can fold before this transaction ends."""

    def lock_and_take(
        self, connection: sa.Connection, slots: Sequence[int], pairs: Sequence[Pair], *, alone: bool
    ) -> tuple[set[int], Iterable[Sequence[Any]]]:
        """Keep slots from being folded, and delete the points of (slot, series) pairs in them; up to two statements.

        Args:
            connection: in a write transaction.
            slots: in ascending order.
            pairs: in ascending order.
            alone: keep other pushes out of the slots, too: for one that another has been in the way of. A statement more.

        Returns:
            those of the slots that are folded; slot, series, and the columns of qty and price of each point that is gone.
        """

    # Whether `add` takes short numbers in units of 10^-12.
    takes_units: bool

    def add(self, connection: sa.Connection, points: Rows, sums: SumRows) -> None:
        """Insert points (slot, series, number, detail, qty, price), and add their sums, as `add_sums` does."""

    def fold(self, connection: sa.Connection, slots: Sequence[int]) -> bool:
        """Add the sums of all points of these slots to `rollup`; False where the engine cannot for these. Up to two statements."""

    def add_sums(self, connection: sa.Connection, sums: SumRows) -> None:
        """Add rows (key, key, points, qty, price) of each table to those with the same key. A statement a table."""

    def shard(self, connection: sa.Connection) -> int:
        """The shard of `slot_total` that this connection writes to."""


def columns(table: sa.Table) -> list[str]:
    """A table's column names, quoted where a dialect may need it."""
    return [f'"{column.name}"' for column in table.columns]


def _sums_update(tables: Tables, table: sa.Table) -> str:
    parts = {"points": f"{table.name}.points + excluded.points"}
    for name in (QTY, PRICE):
        parts |= tables.exact.added(table.name, name)
    return ", ".join(f"{column} = {sql}" for column, sql in parts.items())


class SQLite:
    """executemany under the file's one write lock; lists of keys go in as one JSON parameter."""

    takes_units = True

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._limbs = Limbs()
        self._inserts = {table.name: self._insert(columns(table), table) for table in tables.metadata.sorted_tables}
        # Hardly a number needs more than its second limb: binding four parameters instead of ten doubles the speed.
        narrow = [f'"{name}{suffix}"' for name in (QTY, PRICE) for suffix in (Limbs.ABOVE, *Limbs.SUFFIXES) if suffix]
        self._narrow = {
            table.name: self._insert([c for c in columns(table) if c not in narrow], table)
            for table in (tables.point, *_summed(tables))
        }
        self._updates = {table.name: f" ON CONFLICT DO UPDATE SET {_sums_update(tables, table)}" for table in _summed(tables)}
        point = tables.point.name
        taken = ", ".join(["slot_id", "series_id", *tables.exact.columns(QTY), *tables.exact.columns(PRICE)])
        self._take = (
            f"DELETE FROM {point} WHERE (slot_id, series_id) IN "  # noqa: S608
            f"(SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?)) RETURNING {taken}"
        )
        entry, slot = tables.entry.name, tables.slot.name
        limbs = [column for name in (QTY, PRICE) for column in tables.exact.columns(name) if column != name]
        self._has_wide = (
            f"SELECT 1 FROM {point} WHERE slot_id IN (SELECT value FROM json_each(?)) "  # noqa: S608
            f"AND coalesce({', '.join(limbs)}) IS NOT NULL LIMIT 1"
        )
        self._fold = (
            _fold(
                tables,
                [QTY, PRICE, *(name + Limbs.SUFFIXES[0] for name in (QTY, PRICE))],
                {
                    f"{name}_{half}": f"{name} {operator} {HALF}"
                    for name in (QTY, PRICE)
                    for half, operator in (("h", "/"), ("l", "%"))
                },
                [f"(({n}_h + {n}_l / {HALF}) % {HALF}) * {HALF} + {n}_l % {HALF}" for n in (QTY, PRICE)]
                + [f"nullif(({n}_h + {n}_l / {HALF}) / {HALF}, 0)" for n in (QTY, PRICE)],
                "IN (SELECT value FROM json_each(?))",
                "/",
            )
            + self._updates[tables.rollup.name]
        )
        self._folded = f"SELECT id FROM {slot} WHERE id IN (SELECT value FROM json_each(?)) AND pending = ?"  # noqa: S608
        # The highest ids come along, as the first rows: under the write lock they tell which ids are free.
        self._find = (
            f"SELECT NULL, NULL, NULL, NULL, coalesce(max(id), 0) FROM {entry} UNION ALL "  # noqa: S608
            f"SELECT NULL, NULL, NULL, NULL, coalesce(max(id), 0) FROM {slot} UNION ALL "
            f"SELECT digest, NULL, NULL, NULL, id FROM {entry} WHERE digest IN (SELECT value FROM json_each(?)) UNION ALL "
            f'SELECT NULL, begin, "end", type, id FROM {slot} WHERE (begin, "end") IN '
            "(SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))"
        )

    def keep_out(self, connection: sa.Connection, *, everything: bool) -> None:
        """The file's write lock does it."""

    def lock_pending(self, connection: sa.Connection, slots: Sequence[int]) -> list[int]:
        return [number for (number,) in raw.rows(connection, self._folded, (_json.encode(slots).decode(), 1))]

    @staticmethod
    def _insert(names: Sequence[str], table: sa.Table) -> str:
        return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608

    def find(
        self, connection: sa.Connection, digests: Sequence[str], slots: Sequence[SlotKey]
    ) -> tuple[Found[str], Found[SlotKey]]:
        wanted = (_json.encode(digests).decode(), _json.encode(_bounds(slots)).decode())
        (*_, last_entry), (*_, last_slot), *rows = raw.rows(connection, self._find, wanted)
        return _found(rows, last_entry, last_slot)

    def add_entries(self, connection: sa.Connection, entries: Sequence[NewEntry], last: int) -> dict[str, int]:
        rows = [(number, *row) for number, row in enumerate(_entry_rows(entries), last + 1)]
        raw.insert(connection, self._inserts[self._tables.entry.name], rows)
        return {new.digest: number for number, new in enumerate(entries, last + 1)}

    def add_attributes(self, connection: sa.Connection, entries: Sequence[tuple[int, Entry]]) -> None:
        if rows := _attribute_rows(entries):
            raw.insert(connection, self._inserts[self._tables.attribute.name], rows)

    def add_slots(self, connection: sa.Connection, slots: Sequence[tuple[SlotKey, int]], last: int) -> dict[SlotKey, int]:
        ids = {key: number for number, (key, _) in enumerate(slots, last + 1)}
        rows = [(ids[key], *key, day, 1) for key, day in slots]
        raw.insert(connection, self._inserts[self._tables.slot.name], rows)
        return ids

    def lock_and_take(
        self, connection: sa.Connection, slots: Sequence[int], pairs: Sequence[Pair], *, alone: bool
    ) -> tuple[set[int], Iterable[Sequence[Any]]]:
        folded: set[int] = set()
        if slots:
            folded.update(number for (number,) in raw.rows(connection, self._folded, (_json.encode(slots).decode(), 0)))
        if not pairs:
            return folded, ()
        return folded, raw.rows(connection, self._take, (_json.encode(pairs).decode(),))

    def add(self, connection: sa.Connection, points: Rows, sums: SumRows) -> None:
        name = self._tables.point.name
        # Either all rows hold units, or none does.
        if type(points[0][-1]) is int:
            raw.insert(connection, self._narrow[name], points)
        else:
            wide = [(*key, *self._limbs.encode(qty), *self._limbs.encode(price)) for *key, qty, price in points]
            raw.insert(connection, self._inserts[name], wide)
            self._note_long(connection)
        self.add_sums(connection, sums)

    def _note_long(self, connection: sa.Connection) -> None:
        """Tell readers that numbers may have more digits than the quick way to add them up allows for."""
        note = f"INSERT OR IGNORE INTO {self._tables.setting.name} (name, value) VALUES (?, ?)"  # noqa: S608
        raw.rows(connection, note, (LONG_NUMBERS, "yes"))

    def fold(self, connection: sa.Connection, slots: Sequence[int]) -> bool:
        chosen = (_json.encode(slots).decode(),)
        if raw.rows(connection, self._has_wide, chosen):
            return False
        raw.rows(connection, self._fold, chosen)
        return True

    def add_sums(self, connection: sa.Connection, sums: SumRows) -> None:
        for table, rows in sums:
            # One statement: a narrow one where all numbers are.
            *keys, qtys, prices = zip(*rows, strict=True)
            narrow_qtys, narrow_prices = units(qtys), units(prices)
            update = self._updates[table.name]
            if narrow_qtys is None or narrow_prices is None:
                encode = self._limbs.encode_sum
                wide = [(*key, *encode(qty), *encode(price)) for *key, qty, price in rows]
                raw.insert(connection, self._inserts[table.name] + update, wide)
            else:
                narrow = list(zip(*keys, narrow_qtys, narrow_prices, strict=True))
                raw.insert(connection, self._narrow[table.name] + update, narrow)

    def shard(self, connection: sa.Connection) -> int:
        return 0


class PostgreSQL:
    """Arrays through `unnest` for a few rows, binary COPY for many."""

    takes_units = False
    COPY_FROM = 500
    SHARDS = 16

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        entry, attribute, slot, point = (t.name for t in (tables.entry, tables.attribute, tables.slot, tables.point))
        self._find = (
            f"SELECT digest, NULL::bigint, NULL::bigint, NULL::bytea, id FROM {entry} WHERE digest = ANY(%s) UNION ALL "  # noqa: S608
            f'SELECT NULL, s.begin, s."end", s.type, s.id FROM {slot} s '
            'JOIN unnest(%s::bigint[], %s::bigint[]) AS k(b, e) ON s.begin = k.b AND s."end" = k.e'
        )
        self._add_entries = (
            f"INSERT INTO {entry} (digest, kind, calendar, scope_id, label, body) SELECT * FROM "  # noqa: S608
            "unnest(%s::text[], %s::smallint[], %s::smallint[], %s::int[], %s::bytea[], %s::text[]) AS e(d, k, c, s, l, b) "
            "ORDER BY d ON CONFLICT (digest) DO NOTHING RETURNING digest, id"
        )
        self._add_attributes = (
            f"INSERT INTO {attribute} ({', '.join(columns(tables.attribute))}) SELECT * FROM "  # noqa: S608
            "unnest(%s::smallint[], %s::bytea[], %s::int[], %s::bigint[], %s::bytea[], %s::bytea[])"
        )
        self._add_slots = (
            f'INSERT INTO {slot} (begin, "end", type, day, pending) SELECT s.*, 1 FROM '  # noqa: S608
            "unnest(%s::bigint[], %s::bigint[], %s::bytea[], %s::bigint[]) AS s(b, e, t, d) ORDER BY b, e, t "
            'ON CONFLICT (begin, "end", type) DO NOTHING RETURNING begin, "end", type, id'
        )
        # What is locked is read as it is once the lock is there, so that nothing is folded that this has not seen.
        self._lock = f"SELECT id, pending FROM {slot} WHERE id = ANY(%s::int[]) ORDER BY id FOR KEY SHARE"  # noqa: S608
        self._lock_alone = f"SELECT id FROM {slot} WHERE id = ANY(%s::int[]) ORDER BY id FOR UPDATE"  # noqa: S608
        self._lock_and_take = (
            f"WITH s AS MATERIALIZED ({self._lock}), taken AS (DELETE FROM {point} p "  # noqa: S608
            "USING (SELECT * FROM unnest(%s::int[], %s::int[]) AS k(slot_id, series_id) ORDER BY 1, 2) k "
            "WHERE p.slot_id = k.slot_id AND p.series_id = k.series_id RETURNING p.slot_id, p.series_id, p.qty, p.price) "
            "SELECT id, NULL::int, pending::numeric, NULL::numeric FROM s UNION ALL SELECT * FROM taken"
        )
        self._lock_pending = f"SELECT id FROM {slot} WHERE id = ANY(%s) AND pending = 1 FOR UPDATE SKIP LOCKED"  # noqa: S608
        self._keep_out = f"LOCK TABLE {slot} IN EXCLUSIVE MODE"
        names = ", ".join(columns(tables.point))
        self._copy_points = f"COPY {point} ({names}) FROM STDIN (FORMAT BINARY)"
        self._sums = {
            table.name: f"INSERT INTO {table.name} ({', '.join(columns(table))}) SELECT * FROM "  # noqa: S608
            f"unnest(%s::{key}[], %s::int[], %s::bigint[], %s::numeric[], %s::numeric[]) AS s(a, b, n, q, p) ORDER BY a, b "
            f"ON CONFLICT ({', '.join(columns(table)[:2])}) DO UPDATE SET {_sums_update(tables, table)}"
            for table, key in zip(_summed(tables), ("bigint", "bigint", "int"), strict=True)
        }
        numbers = {name: name for name in (QTY, PRICE)}
        self._fold = (
            _fold(tables, [QTY, PRICE], numbers, [QTY, PRICE], "= ANY(%s)", "/")
            + f" ON CONFLICT (bucket, series_id) DO UPDATE SET {_sums_update(tables, tables.rollup)}"
        )
        self._add_points = (
            f"INSERT INTO {point} ({names}) SELECT * FROM "  # noqa: S608
            "unnest(%s::int[], %s::int[], %s::int[], %s::int[], %s::numeric[], %s::numeric[])"
        )

    def keep_out(self, connection: sa.Connection, *, everything: bool) -> None:
        # DELETE ... RETURNING tells what it took; sums that go as a whole do not.
        if everything:
            raw.rows(connection, self._keep_out)

    def lock_pending(self, connection: sa.Connection, slots: Sequence[int]) -> list[int]:
        return [number for (number,) in raw.rows(connection, self._lock_pending, (list(slots),))]

    def find(
        self, connection: sa.Connection, digests: Sequence[str], slots: Sequence[SlotKey]
    ) -> tuple[Found[str], Found[SlotKey]]:
        return _found(raw.rows(connection, self._find, (list(digests), *_arrays(_bounds(slots), 2))))

    def add_entries(self, connection: sa.Connection, entries: Sequence[NewEntry], last: int) -> dict[str, int]:
        return dict(raw.rows(connection, self._add_entries, _arrays(_entry_rows(entries), 6)))

    def add_attributes(self, connection: sa.Connection, entries: Sequence[tuple[int, Entry]]) -> None:
        raw.rows(connection, self._add_attributes, _arrays(_attribute_rows(entries), 6))

    def add_slots(self, connection: sa.Connection, slots: Sequence[tuple[SlotKey, int]], last: int) -> dict[SlotKey, int]:
        rows = raw.rows(connection, self._add_slots, _arrays([(*key, day) for key, day in slots], 4))
        return {SlotKey(begin, end, bytes(type_)): number for begin, end, type_, number in rows}

    def lock_and_take(
        self, connection: sa.Connection, slots: Sequence[int], pairs: Sequence[Pair], *, alone: bool
    ) -> tuple[set[int], Iterable[Sequence[Any]]]:
        if not slots:
            return set(), ()
        if alone:
            # By itself: what is taken then is what the others have left.
            raw.rows(connection, self._lock_alone, (list(slots),))
        if not pairs:
            rows = raw.rows(connection, self._lock, (list(slots),))
            return {slot for slot, pending in rows if not pending}, ()
        rows = raw.rows(connection, self._lock_and_take, (list(slots), *_texts(pairs)))
        return {row[0] for row in rows if row[1] is None and not row[2]}, [row for row in rows if row[1] is not None]

    def add(self, connection: sa.Connection, points: Rows, sums: SumRows) -> None:
        if len(points) < self.COPY_FROM:
            # One statement for a few points. PostgreSQL runs its parts from the last to the first: rows are locked in one order.
            parts = [f"s{number} AS ({self._sums[table.name]})" for number, (table, _) in enumerate(reversed(sums))]
            rows = [row for _, row in reversed(sums)]
            given = [text for one in (*rows, points) for text in _texts(one)]
            raw.rows(connection, f"WITH {', '.join([*parts, f'p AS ({self._add_points})'])} SELECT", tuple(given))
            return
        with raw.driver(connection) as own, own.cursor() as cursor, cursor.copy(self._copy_points) as copy:
            copy.set_types(["int4", "int4", "int4", "int4", "numeric", "numeric"])
            for row in points:
                copy.write_row(row)
        self.add_sums(connection, sums)

    def fold(self, connection: sa.Connection, slots: Sequence[int]) -> bool:
        raw.rows(connection, self._fold, (list(slots),))
        return True

    def add_sums(self, connection: sa.Connection, sums: SumRows) -> None:
        for table, rows in sums:
            raw.rows(connection, self._sums[table.name], _texts(rows))

    def shard(self, connection: sa.Connection) -> int:
        driver: Any = connection.connection.driver_connection
        return int(driver.info.backend_pid) % self.SHARDS


class MariaDB:
    """Rows of values, many to a statement; RETURNING on insert and delete tells ids and what was replaced."""

    takes_units = False
    SHARDS = 16
    # A statement has to stay below the server's max_allowed_packet, 16 MiB unless it was lowered.
    ROWS = 20_000
    BYTES = 8 * 2**20

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        entry, slot, point = (t.name for t in (tables.entry, tables.slot, tables.point))
        self._find_entries = f"SELECT digest, NULL, NULL, NULL, id FROM {entry} WHERE digest IN %s"  # noqa: S608
        self._find_slots = f'SELECT NULL, begin, "end", type, id FROM {slot} WHERE (begin, "end") IN %s'  # noqa: S608
        self._take = (
            f"DELETE FROM {point} WHERE (slot_id, series_id) IN %s "  # noqa: S608
            "RETURNING slot_id, series_id, qty, price"
        )
        updates = {
            table.name: " ON DUPLICATE KEY UPDATE "
            + ", ".join(f"{name} = {table.name}.{name} + VALUES({name})" for name in ("points", QTY, PRICE))
            for table in _summed(tables)
        }
        numbers = {name: name for name in (QTY, PRICE)}
        self._fold = _fold(tables, [QTY, PRICE], numbers, [QTY, PRICE], "IN %s", "DIV") + updates[tables.rollup.name]
        self._from_json = {
            table.name: _from_json(table) + updates.get(table.name, "") for table in (tables.point, *_summed(tables))
        }
        # A row that every push shares, and every deletion has to itself.
        one = f"SELECT 0, 1 FROM {tables.setting.name} WHERE name = '{ZONE}'"  # noqa: S608
        self._keep_out, self._share = f"{one} FOR UPDATE", f"({one} LOCK IN SHARE MODE)"
        # By the primary key: in the index of `pending`, a reader that has waited for a fold would be behind where the slot went.
        chosen = f"FROM {slot} FORCE INDEX (PRIMARY) WHERE id IN %s"
        locks = (f"(SELECT id, pending {chosen} {mode})" for mode in ("LOCK IN SHARE MODE", "FOR UPDATE"))
        self._lock, self._lock_alone = (f"{self._share} UNION ALL {lock}" for lock in locks)
        self._lock_pending = f"SELECT id {chosen} AND pending = 1 FOR UPDATE SKIP LOCKED"

    def keep_out(self, connection: sa.Connection, *, everything: bool) -> None:
        connection.exec_driver_sql(self._keep_out).all()

    def lock_pending(self, connection: sa.Connection, slots: Sequence[int]) -> list[int]:
        connection.exec_driver_sql(self._share).all()
        return list(connection.exec_driver_sql(self._lock_pending, (list(slots),)).scalars())

    def find(
        self, connection: sa.Connection, digests: Sequence[str], slots: Sequence[SlotKey]
    ) -> tuple[Found[str], Found[SlotKey]]:
        # A list after IN may not be empty.
        asked = [(sql, list(keys)) for sql, keys in ((self._find_entries, digests), (self._find_slots, _bounds(slots))) if keys]
        parts, lists = zip(*asked, strict=True)
        return _found(connection.exec_driver_sql(" UNION ALL ".join(parts), lists))

    def add_entries(self, connection: sa.Connection, entries: Sequence[NewEntry], last: int) -> dict[str, int]:
        names = ["digest", "kind", "calendar", "scope_id", "label", "body"]
        # An entry that another writer has added meanwhile is given back as well.
        rows = sorted(_entry_rows(entries), key=operator.itemgetter(0))
        return dict(map(tuple, self._insert(connection, self._tables.entry, names, rows, "id = id RETURNING digest, id")))

    def add_attributes(self, connection: sa.Connection, entries: Sequence[tuple[int, Entry]]) -> None:
        # Those of an entry that another writer has added are there already.
        rows = sorted(_attribute_rows(entries), key=operator.itemgetter(0, 1, 2))
        self._insert(connection, self._tables.attribute, columns(self._tables.attribute), rows, "entry_id = entry_id")

    def add_slots(self, connection: sa.Connection, slots: Sequence[tuple[SlotKey, int]], last: int) -> dict[SlotKey, int]:
        rows = sorted((*key, day, 1) for key, day in slots)
        names = ["begin", '"end"', "type", "day", "pending"]
        found = self._insert(connection, self._tables.slot, names, rows, 'id = id RETURNING begin, "end", type, id, pending')
        # A slot that another writer has added meanwhile is given back as well, locked. Folded already, it is not new.
        return {SlotKey(begin, end, bytes(type_)): number for begin, end, type_, number, pending in found if pending}

    def lock_and_take(
        self, connection: sa.Connection, slots: Sequence[int], pairs: Sequence[Pair], *, alone: bool
    ) -> tuple[set[int], Iterable[Sequence[Any]]]:
        lock = self._lock_alone if alone else self._lock
        sql, given = (lock, (list(slots),)) if slots else (self._share, ())
        folded = {slot for slot, pending in connection.exec_driver_sql(sql, given) if not pending}
        return folded, connection.exec_driver_sql(self._take, (list(pairs),)).all() if pairs else ()

    def add(self, connection: sa.Connection, points: Rows, sums: SumRows) -> None:
        self._insert_numbers(connection, self._tables.point, points)
        self.add_sums(connection, sums)

    def fold(self, connection: sa.Connection, slots: Sequence[int]) -> bool:
        connection.exec_driver_sql(self._fold, (list(slots),))
        return True

    def add_sums(self, connection: sa.Connection, sums: SumRows) -> None:
        for table, rows in sums:
            self._insert_numbers(connection, table, rows)

    def _insert_numbers(self, connection: sa.Connection, table: sa.Table, rows: Rows) -> None:
        """Insert integers and, in the last two columns, quantities and prices; as one JSON text, which takes half the time.

        What a table of sums has under the same key is added to.
        """
        for start in range(0, len(rows), self.ROWS):
            # Plain text: with an exponent the server would read numbers as floats.
            part = [(*key, f"{qty:f}", f"{price:f}") for *key, qty, price in rows[start : start + self.ROWS]]
            connection.exec_driver_sql(self._from_json[table.name], (_json.encode(part).decode(),))

    def _parts(self, rows: Rows) -> Iterator[Rows]:
        """Rows as many at a time as a statement may hold; bytes take two characters each."""
        first = size = 0
        for number, row in enumerate(rows):
            own = sum(2 * len(value) if isinstance(value, (bytes, str)) else 8 for value in row)
            if number > first and (size + own > self.BYTES or number - first >= self.ROWS):
                yield rows[first:number]
                first, size = number, 0
            size += own
        if rows:
            yield rows[first:]

    def _insert(
        self,
        connection: sa.Connection,
        table: sa.Table,
        names: Sequence[str],
        rows: Sequence[tuple[Any, ...]],
        update: str = "",
    ) -> list[Any]:
        head = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES "  # noqa: S608
        row = f"({', '.join(['%s'] * len(names))})"
        tail = f" ON DUPLICATE KEY UPDATE {update}" if update else ""
        found: list[Any] = []
        for part in self._parts(rows):
            values = tuple(value for one in part for value in one)
            result = connection.exec_driver_sql(head + ", ".join([row] * len(part)) + tail, values)
            found += result.all() if result.returns_rows else ()
        return found

    def shard(self, connection: sa.Connection) -> int:
        driver: Any = connection.connection.driver_connection
        return int(driver.thread_id()) % self.SHARDS


def _arrays(rows: Sequence[Sequence[Any]], width: int) -> tuple[list[Any], ...]:
    """The columns of rows."""
    return tuple(list(column) for column in zip(*rows, strict=True)) or ([],) * width


def _bounds(slots: Sequence[SlotKey]) -> list[tuple[int, int]]:
    return sorted({(key.begin, key.end) for key in slots})


def _found(rows: Iterable[Any], last_entry: int = 0, last_slot: int = 0) -> tuple[Found[str], Found[SlotKey]]:
    """What `find` gives, from rows (digest, begin, end, type, id) of entries and of slots."""
    entries: dict[str, int] = {}
    slots: dict[SlotKey, int] = {}
    for digest, begin, end, type_, number in rows:
        if digest is None:
            slots[SlotKey(begin, end, bytes(type_))] = number
        else:
            entries[digest] = number
    return Found(entries, last_entry), Found(slots, last_slot)


def _texts(rows: Rows) -> tuple[str, ...]:
    """Columns of numbers as the texts of arrays, which is quicker than element by element."""
    return tuple(f"{{{','.join(map(str, column))}}}" for column in zip(*rows, strict=True))


def _fold(tables: Tables, into: Sequence[str], parts: Mapping[str, str], sums: Sequence[str], chosen: str, divide: str) -> str:
    """An INSERT into `rollup` of the sums of all points of chosen slots, by day and by month.

    Args:
        tables: of the store.
        into: names of the columns for sums.
        parts: by name, expressions that are summed.
        sums: the columns' values, made of sums by these names.
        chosen: the condition on a slot's id, less the id.
        divide: the operator for integer division.
    """
    names = ", ".join(parts)
    added = ", ".join(f"sum({expression}) AS {name}" for name, expression in parts.items())
    again = ", ".join(f"sum({name})" for name in parts)
    # SQLite would read ON after a bare SELECT as the beginning of a join's condition.
    return (
        f"INSERT INTO {tables.rollup.name} (bucket, series_id, points, {', '.join(into)}) "  # noqa: S608
        f"WITH d AS (SELECT s.day AS bucket, p.series_id, count(*) AS points, {added} FROM {tables.slot.name} s "
        f"JOIN {tables.point.name} p ON p.slot_id = s.id WHERE s.id {chosen} GROUP BY s.day, p.series_id), "
        f"b AS (SELECT bucket, series_id, points, {names} FROM d UNION ALL "
        f"SELECT bucket {divide} {MONTH_OF_DAY}, series_id, sum(points), {again} FROM d "
        f"GROUP BY bucket {divide} {MONTH_OF_DAY}, series_id) "
        f"SELECT bucket, series_id, points, {', '.join(sums)} FROM b WHERE 1 = 1 ORDER BY bucket, series_id"
    )


def _from_json(table: sa.Table) -> str:
    """An INSERT of rows that come as a JSON array of arrays; MariaDB."""
    names = columns(table)
    kinds = ["BIGINT"] * (len(names) - 2) + ["DECIMAL(65, 38)"] * 2
    parts = ", ".join(f"{name} {kind} PATH '$[{number}]'" for number, (name, kind) in enumerate(zip(names, kinds, strict=True)))
    listed = ", ".join(names)
    return f"INSERT INTO {table.name} ({listed}) SELECT {listed} FROM JSON_TABLE(%s, '$[*]' COLUMNS ({parts})) AS given"  # noqa: S608


def _summed(tables: Tables) -> tuple[sa.Table, ...]:
    """The tables that keep sums."""
    return tables.rollup, tables.scope_rollup, tables.slot_total


def _entry_rows(entries: Sequence[NewEntry]) -> list[tuple[Any, ...]]:
    """Rows of the table `entry`, less the id."""
    return [(digest, e.kind, e.calendar, scope, e.label, e.body.decode()) for digest, e, scope in entries]


def _attribute_rows(entries: Sequence[tuple[int, Entry]]) -> list[tuple[Any, ...]]:
    return [(kind, name, number, *rest) for number, entry in entries for kind, name, *rest in entry.attributes()]


def writes(dialect: str, tables: Tables) -> Writes:
    """The writes of a dialect."""
    known: dict[str, Callable[[Tables], Writes]] = {"sqlite": SQLite, "postgresql": PostgreSQL, "mariadb": MariaDB}
    return known[dialect](tables)

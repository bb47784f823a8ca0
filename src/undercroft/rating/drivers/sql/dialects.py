"""What differs between SQL dialects when rated usage is written: how rows go in at once, and how old ones are taken out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec
import sqlalchemy as sa

from undercroft.rating.drivers.sql.encode import Entry, SlotKey
from undercroft.rating.drivers.sql.exact import Limbs
from undercroft.rating.drivers.sql.schema import PRICE, QTY, Tables
from undercroft.rating.numbers import units

_json = msgspec.json.Encoder()
Pair = tuple[int, int]
Rows = Sequence[tuple[Any, ...]]


K = TypeVar("K")


class Found(NamedTuple, Generic[K]):
    """Ids by key, and the highest id of the table where the dialect gives out the next ones itself."""

    ids: dict[K, int]
    last: int


class Writes(Protocol):
    """One dialect's bulk writes; every method is one statement, or two where it says so."""

    def guard(self, connection: sa.Connection, *, deletes: bool) -> None:
        """Let no push in while points are being deleted, where a deletion cannot tell itself what it took."""

    def find(
        self, connection: sa.Connection, digests: Sequence[str], slots: Sequence[SlotKey]
    ) -> tuple[Found[str], Found[SlotKey]]:
        """Ids of the entries with these digests, and of these slots and others with the same frame bounds, those that exist."""

    def add_entries(self, connection: sa.Connection, entries: Sequence[tuple[str, Entry]], last: int) -> dict[str, int]:
        """Insert entries and their attributes; ids by digest of those that were not there. Two statements."""

    def add_slots(self, connection: sa.Connection, slots: Sequence[tuple[SlotKey, int]], last: int) -> dict[SlotKey, int]:
        """Insert slots with their day keys; ids of those that were not there."""

    def take(self, connection: sa.Connection, pairs: Sequence[Pair]) -> Iterable[Sequence[Any]]:
        """Delete the points of these (slot, series) pairs; gives slot, series, and the columns of qty and price of each."""

    def add(self, connection: sa.Connection, points: Rows, rollup: Rows, slot_total: Rows) -> None:
        """Insert points (slot, series, number, detail, qty, price), and add their sums, as `add_sums` does. Three statements."""

    def add_sums(self, connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows (key, key, points, qty, price) of `rollup` or `slot_total` to those with the same key."""

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

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._limbs = Limbs()
        self._inserts = {table.name: self._insert(columns(table), table) for table in tables.metadata.sorted_tables}
        # Hardly a number needs more than its second limb: binding four parameters instead of ten doubles the speed.
        narrow = [f'"{name}{suffix}"' for name in (QTY, PRICE) for suffix in (Limbs.ABOVE, *Limbs.SUFFIXES) if suffix]
        self._narrow = {
            table.name: self._insert([c for c in columns(table) if c not in narrow], table)
            for table in (tables.point, tables.rollup, tables.slot_total)
        }
        self._updates = {
            table.name: f" ON CONFLICT DO UPDATE SET {_sums_update(tables, table)}" for table in (tables.rollup, tables.slot_total)
        }
        point = tables.point.name
        taken = ", ".join(["slot_id", "series_id", *tables.exact.columns(QTY), *tables.exact.columns(PRICE)])
        self._take = (
            f"DELETE FROM {point} WHERE (slot_id, series_id) IN "  # noqa: S608
            f"(SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?)) RETURNING {taken}"
        )
        entry, slot = tables.entry.name, tables.slot.name
        # The highest ids come along, as the first rows: under the write lock they tell which ids are free.
        self._find = (
            f"SELECT NULL, NULL, NULL, NULL, coalesce(max(id), 0) FROM {entry} UNION ALL "  # noqa: S608
            f"SELECT NULL, NULL, NULL, NULL, coalesce(max(id), 0) FROM {slot} UNION ALL "
            f"SELECT digest, NULL, NULL, NULL, id FROM {entry} WHERE digest IN (SELECT value FROM json_each(?)) UNION ALL "
            f'SELECT NULL, begin, "end", type, id FROM {slot} WHERE (begin, "end") IN '
            "(SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))"
        )

    def guard(self, connection: sa.Connection, *, deletes: bool) -> None:
        """The file's write lock does it."""

    @staticmethod
    def _insert(names: Sequence[str], table: sa.Table) -> str:
        return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608

    def find(
        self, connection: sa.Connection, digests: Sequence[str], slots: Sequence[SlotKey]
    ) -> tuple[Found[str], Found[SlotKey]]:
        wanted = (_json.encode(digests).decode(), _json.encode(_bounds(slots)).decode())
        (*_, last_entry), (*_, last_slot), *rows = connection.exec_driver_sql(self._find, wanted)
        return _found(rows, last_entry, last_slot)

    def add_entries(self, connection: sa.Connection, entries: Sequence[tuple[str, Entry]], last: int) -> dict[str, int]:
        ids: dict[str, int] = {}
        rows: list[tuple[Any, ...]] = []
        attributes: list[tuple[Any, ...]] = []
        for number, (digest, entry) in enumerate(entries, last + 1):
            ids[digest] = number
            rows.append((number, digest, entry.kind, entry.calendar, entry.label, entry.body.decode()))
            attributes += [(kind, name, number, *rest) for kind, name, *rest in entry.attributes()]
        connection.exec_driver_sql(self._inserts[self._tables.entry.name], rows)
        if attributes:
            connection.exec_driver_sql(self._inserts[self._tables.attribute.name], attributes)
        return ids

    def add_slots(self, connection: sa.Connection, slots: Sequence[tuple[SlotKey, int]], last: int) -> dict[SlotKey, int]:
        ids = {key: number for number, (key, _) in enumerate(slots, last + 1)}
        rows = [(ids[key], *key, day) for key, day in slots]
        connection.exec_driver_sql(self._inserts[self._tables.slot.name], rows)
        return ids

    def take(self, connection: sa.Connection, pairs: Sequence[Pair]) -> Iterable[Sequence[Any]]:
        return connection.exec_driver_sql(self._take, (_json.encode(pairs).decode(),)).all()

    def add(self, connection: sa.Connection, points: Rows, rollup: Rows, slot_total: Rows) -> None:
        self._add(connection, self._tables.point.name, points, self._limbs.encode)
        _add_both_sums(self, connection, self._tables, rollup, slot_total)

    def add_sums(self, connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
        self._add(connection, table.name, rows, self._limbs.encode_sum, self._updates[table.name])

    def _add(
        self,
        connection: sa.Connection,
        table: str,
        rows: Sequence[tuple[Any, ...]],
        encode: Callable[[Decimal], tuple[Any, ...]],
        tail: str = "",
    ) -> None:
        """One statement: a narrow one where all numbers are."""
        *keys, qtys, prices = zip(*rows, strict=True)
        narrow_qtys, narrow_prices = units(qtys), units(prices)
        if narrow_qtys is not None and narrow_prices is not None:
            connection.exec_driver_sql(self._narrow[table] + tail, list(zip(*keys, narrow_qtys, narrow_prices, strict=True)))
            return
        wide = [(*key, *encode(qty), *encode(price)) for *key, qty, price in rows]
        connection.exec_driver_sql(self._inserts[table] + tail, wide)

    def shard(self, connection: sa.Connection) -> int:
        return 0


class PostgreSQL:
    """Arrays through `unnest` for a few rows, binary COPY for many."""

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
        # Attributes name their entry by its place in the list.
        self._add_entries = (
            "WITH given AS (SELECT * FROM unnest(%s::text[], %s::smallint[], %s::smallint[], %s::bytea[], %s::text[]) "  # noqa: S608
            "WITH ORDINALITY AS e(digest, kind, calendar, label, body, place)), "
            f"made AS (INSERT INTO {entry} (digest, kind, calendar, label, body) "
            "SELECT digest, kind, calendar, label, body FROM given "
            "ORDER BY digest ON CONFLICT (digest) DO NOTHING RETURNING digest, id), "
            f"parts AS (INSERT INTO {attribute} (kind, name, entry_id, text_key, text, json) "
            "SELECT a.kind, a.name, made.id, a.text_key, a.text, a.json FROM "
            "unnest(%s::int[], %s::smallint[], %s::bytea[], %s::bigint[], %s::bytea[], %s::bytea[]) "
            "AS a(place, kind, name, text_key, text, json) JOIN given USING (place) JOIN made USING (digest)) "
            "SELECT digest, id FROM made"
        )
        self._add_slots = (
            f'INSERT INTO {slot} (begin, "end", type, day) SELECT * FROM '  # noqa: S608
            "unnest(%s::bigint[], %s::bigint[], %s::bytea[], %s::bigint[]) AS s(b, e, t, d) ORDER BY b, e, t "
            'ON CONFLICT (begin, "end", type) DO NOTHING RETURNING begin, "end", type, id'
        )
        self._take = (
            f"DELETE FROM {point} p USING (SELECT * FROM unnest(%s::int[], %s::int[]) AS k(slot_id, series_id) "  # noqa: S608
            "ORDER BY 1, 2) k WHERE p.slot_id = k.slot_id AND p.series_id = k.series_id "
            "RETURNING p.slot_id, p.series_id, p.qty, p.price"
        )
        names = ", ".join(columns(tables.point))
        self._copy_points = f"COPY {point} ({names}) FROM STDIN (FORMAT BINARY)"
        self._sums = {
            table.name: f"INSERT INTO {table.name} ({', '.join(columns(table))}) SELECT * FROM "  # noqa: S608
            f"unnest(%s::{key}[], %s::int[], %s::bigint[], %s::numeric[], %s::numeric[]) AS s(a, b, n, q, p) ORDER BY a, b "
            f"ON CONFLICT ({', '.join(columns(table)[:2])}) DO UPDATE SET {_sums_update(tables, table)}"
            for table, key in ((tables.rollup, "bigint"), (tables.slot_total, "int"))
        }
        # One statement for a few points. PostgreSQL runs its parts from the last to the first, so rows are locked in one order.
        self._add = (
            f"WITH s AS ({self._sums[tables.slot_total.name]}), r AS ({self._sums[tables.rollup.name]}), "  # noqa: S608
            f"p AS (INSERT INTO {point} ({names}) SELECT * FROM "
            "unnest(%s::int[], %s::int[], %s::int[], %s::int[], %s::numeric[], %s::numeric[])) SELECT"
        )

    def guard(self, connection: sa.Connection, *, deletes: bool) -> None:
        """DELETE ... RETURNING tells what it took."""

    def find(
        self, connection: sa.Connection, digests: Sequence[str], slots: Sequence[SlotKey]
    ) -> tuple[Found[str], Found[SlotKey]]:
        rows = connection.exec_driver_sql(self._find, (list(digests), *_arrays(_bounds(slots), 2)))
        return _found(rows)

    def add_entries(self, connection: sa.Connection, entries: Sequence[tuple[str, Entry]], last: int) -> dict[str, int]:
        rows = [(digest, e.kind, e.calendar, e.label, e.body.decode()) for digest, e in entries]
        attributes = [
            (place, kind, name, *rest) for place, (_, entry) in enumerate(entries, 1) for kind, name, *rest in entry.attributes()
        ]
        found = connection.exec_driver_sql(self._add_entries, (*_arrays(rows, 5), *_arrays(attributes, 6)))
        return dict(map(tuple, found))

    def add_slots(self, connection: sa.Connection, slots: Sequence[tuple[SlotKey, int]], last: int) -> dict[SlotKey, int]:
        rows = connection.exec_driver_sql(self._add_slots, _arrays([(*key, day) for key, day in slots], 4))
        return {SlotKey(begin, end, bytes(type_)): number for begin, end, type_, number in rows}

    def take(self, connection: sa.Connection, pairs: Sequence[Pair]) -> Iterable[Sequence[Any]]:
        return connection.exec_driver_sql(self._take, _texts(pairs)).all()

    def add(self, connection: sa.Connection, points: Rows, rollup: Rows, slot_total: Rows) -> None:
        if len(points) < self.COPY_FROM and rollup and slot_total:
            connection.exec_driver_sql(self._add, (*_texts(slot_total), *_texts(rollup), *_texts(points)))
            return
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(self._copy_points) as copy:
            copy.set_types(["int4", "int4", "int4", "int4", "numeric", "numeric"])
            for row in points:
                copy.write_row(row)
        _add_both_sums(self, connection, self._tables, rollup, slot_total)

    def add_sums(self, connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
        connection.exec_driver_sql(self._sums[table.name], _texts(rows))

    def shard(self, connection: sa.Connection) -> int:
        driver: Any = connection.connection.driver_connection
        return int(driver.info.backend_pid) % self.SHARDS


class MariaDB:
    """Rows of values, many to a statement; RETURNING on insert and delete tells ids and what was replaced."""

    SHARDS = 16
    # A statement has to stay below the server's max_allowed_packet, 16 MiB unless it was lowered.
    ROWS = 5_000

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        entry, slot, point = (t.name for t in (tables.entry, tables.slot, tables.point))
        self._find_entries = f"SELECT digest, NULL, NULL, NULL, id FROM {entry} WHERE digest IN %s"  # noqa: S608
        self._find_slots = f'SELECT NULL, begin, "end", type, id FROM {slot} WHERE (begin, "end") IN %s'  # noqa: S608
        self._take = (
            f"DELETE FROM {point} WHERE (slot_id, series_id) IN %s "  # noqa: S608
            "RETURNING slot_id, series_id, qty, price"
        )
        self._guard = f"SELECT 1 FROM {tables.setting.name} "  # noqa: S608

    def guard(self, connection: sa.Connection, *, deletes: bool) -> None:
        connection.exec_driver_sql(self._guard + ("FOR UPDATE" if deletes else "LOCK IN SHARE MODE")).all()

    def find(
        self, connection: sa.Connection, digests: Sequence[str], slots: Sequence[SlotKey]
    ) -> tuple[Found[str], Found[SlotKey]]:
        # A list after IN may not be empty.
        asked = [(sql, list(keys)) for sql, keys in ((self._find_entries, digests), (self._find_slots, _bounds(slots))) if keys]
        parts, lists = zip(*asked, strict=True)
        return _found(connection.exec_driver_sql(" UNION ALL ".join(parts), lists))

    def add_entries(self, connection: sa.Connection, entries: Sequence[tuple[str, Entry]], last: int) -> dict[str, int]:
        rows = sorted((digest, e.kind, e.calendar, e.label, e.body.decode()) for digest, e in entries)
        names = ["digest", "kind", "calendar", "label", "body"]
        # An entry that another writer has added meanwhile is given back as well, and its attributes are there already.
        found = self._insert(connection, self._tables.entry, names, rows, "id = id RETURNING digest, id")
        ids: dict[str, int] = dict(map(tuple, found))
        attributes = sorted(
            (kind, name, ids[digest], *rest) for digest, entry in entries for kind, name, *rest in entry.attributes()
        )
        self._insert(connection, self._tables.attribute, columns(self._tables.attribute), attributes, "entry_id = entry_id")
        return ids

    def add_slots(self, connection: sa.Connection, slots: Sequence[tuple[SlotKey, int]], last: int) -> dict[SlotKey, int]:
        rows = sorted((*key, day) for key, day in slots)
        names = ["begin", '"end"', "type", "day"]
        found = self._insert(connection, self._tables.slot, names, rows, 'id = id RETURNING begin, "end", type, id')
        return {SlotKey(begin, end, bytes(type_)): number for begin, end, type_, number in found}

    def take(self, connection: sa.Connection, pairs: Sequence[Pair]) -> Iterable[Sequence[Any]]:
        return connection.exec_driver_sql(self._take, (list(pairs),)).all()

    def add(self, connection: sa.Connection, points: Rows, rollup: Rows, slot_total: Rows) -> None:
        self._insert(connection, self._tables.point, columns(self._tables.point), self._exact(points))
        _add_both_sums(self, connection, self._tables, rollup, slot_total)

    def add_sums(self, connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
        added = ", ".join(f"{name} = {name} + VALUES({name})" for name in ("points", QTY, PRICE))
        self._insert(connection, table, columns(table), self._exact(rows), added)

    @staticmethod
    def _exact(rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Numbers as plain text: with an exponent the server would read them as floats."""
        return [(*key, f"{qty:f}", f"{price:f}") for *key, qty, price in rows]

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
        for start in range(0, len(rows), self.ROWS):
            part = rows[start : start + self.ROWS]
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


def _add_both_sums(dialect: Writes, connection: sa.Connection, tables: Tables, rollup: Rows, slot_total: Rows) -> None:
    for table, rows in ((tables.rollup, rollup), (tables.slot_total, slot_total)):
        if rows:
            dialect.add_sums(connection, table, rows)


def writes(dialect: str, tables: Tables) -> Writes:
    """The writes of a dialect."""
    known: dict[str, Callable[[Tables], Writes]] = {"sqlite": SQLite, "postgresql": PostgreSQL, "mariadb": MariaDB}
    return known[dialect](tables)

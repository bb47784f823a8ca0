"""Rated usage on MariaDB."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from undercroft.core.portions import portions
from undercroft.engines.sql import raw
from undercroft.engines.sql.bulk import literal_bytes
from undercroft.rating.drivers.sql.dialects.base import (
    Dialect,
    Found,
    NewEntry,
    Pair,
    Rows,
    SumRows,
    attribute_rows,
    bounds,
    columns,
    entry_rows,
    fold_statement,
    found,
    summed,
)
from undercroft.rating.drivers.sql.encode import Entry, SlotKey
from undercroft.rating.drivers.sql.exact import NUMERIC
from undercroft.rating.drivers.sql.schema import PRICE, QTY, ZONE, Tables

_json = msgspec.json.Encoder()


class MariaDB(Dialect):
    """Rows of values, many to a statement; RETURNING on insert and delete tells ids and what was replaced."""

    layout = NUMERIC
    SHARDS = 16
    # Of a statement; fewer where the server takes less.
    ROWS = 20_000
    BYTES = 8 * 2**20
    # Of numbers in a list.
    LISTED = 200_000

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
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
            for table in summed(tables)
        }
        numbers = {name: name for name in (QTY, PRICE)}
        self._fold = fold_statement(tables, [QTY, PRICE], numbers, [QTY, PRICE], "IN %s", "DIV") + updates[tables.rollup.name]
        self._from_json = {table.name: _from_json(table) + updates.get(table.name, "") for table in (tables.point, *summed(tables))}
        # A row that every push shares, and every deletion has to itself.
        one = f"SELECT 0, 1 FROM {tables.setting.name} WHERE name = '{ZONE}'"  # noqa: S608
        self._keep_out, self._share = f"{one} FOR UPDATE", f"({one} LOCK IN SHARE MODE)"
        # By the primary key: in the index of `pending`, a reader that has waited for a fold would be behind where the slot went.
        chosen = f"FROM {slot} FORCE INDEX (PRIMARY) WHERE id IN %s"
        locks = (f"(SELECT id, pending {chosen} {mode})" for mode in ("LOCK IN SHARE MODE", "FOR UPDATE"))
        self._lock, self._lock_alone = (f"{self._share} UNION ALL {lock}" for lock in locks)
        self._lock_pending = f"SELECT id {chosen} AND pending = 1 FOR UPDATE SKIP LOCKED"

    def keep_out(self, connection: sa.Connection, *, everything: bool) -> None:
        raw.rows(connection, self._keep_out)

    def lock_pending(self, connection: sa.Connection, slots: Sequence[int]) -> list[int]:
        raw.rows(connection, self._share)
        return [number for (number,) in self._each(connection, self._lock_pending, slots)]

    def find(
        self, connection: sa.Connection, digests: Sequence[str], slots: Sequence[SlotKey]
    ) -> tuple[Found[str], Found[SlotKey]]:
        # A list after IN may not be empty.
        asked: list[tuple[str, Sequence[Any]]] = [
            (sql, part)
            for sql, keys in ((self._find_entries, digests), (self._find_slots, bounds(slots)))
            for part in portions(keys, self.ROWS, raw.room(connection, self.BYTES) // 2, _key_bytes)
        ]
        # Two lists are half of a statement each; more are asked for one by one.
        together = [asked] if len(asked) == 2 else [[one] for one in asked]
        rows: list[Any] = []
        for some in together:
            texts, lists = zip(*some, strict=True)
            rows += raw.rows(connection, " UNION ALL ".join(texts), lists)
        return found(rows)

    def add_entries(self, connection: sa.Connection, entries: Sequence[NewEntry], last: int) -> dict[str, int]:
        names = ["digest", "kind", "calendar", "scope_id", "label", "body"]
        # Entries that another writer has just added are returned, too.
        rows = sorted(entry_rows(entries), key=operator.itemgetter(0))
        return dict(map(tuple, self._insert(connection, self._tables.entry, names, rows, "id = id RETURNING digest, id")))

    def add_attributes(self, connection: sa.Connection, entries: Sequence[tuple[int, Entry]]) -> None:
        # Those of an entry that another writer has added are there already.
        rows = sorted(attribute_rows(entries), key=operator.itemgetter(0, 1, 2))
        self._insert(connection, self._tables.attribute, columns(self._tables.attribute), rows, "entry_id = entry_id")

    def add_slots(self, connection: sa.Connection, slots: Sequence[tuple[SlotKey, int]], last: int) -> dict[SlotKey, int]:
        rows = sorted((*key, day, 1) for key, day in slots)
        names = ["begin", '"end"', "type", "day", "pending"]
        found = self._insert(connection, self._tables.slot, names, rows, 'id = id RETURNING begin, "end", type, id, pending')
        # Slots that another writer has just added are returned and locked, too. Those that are folded already are not new.
        return {SlotKey(begin, end, bytes(type_)): number for begin, end, type_, number, pending in found if pending}

    def lock_and_take(
        self, connection: sa.Connection, slots: Sequence[int], pairs: Sequence[Pair], *, alone: bool
    ) -> tuple[set[int], Iterable[Sequence[Any]]]:
        lock = self._lock_alone if alone else self._lock
        rows = self._each(connection, lock, slots) if slots else raw.rows(connection, self._share)
        folded = {slot for slot, pending in rows if not pending}
        return folded, self._each(connection, self._take, pairs)

    def add(self, connection: sa.Connection, points: Rows, sums: SumRows) -> None:
        self._insert_numbers(connection, self._tables.point, points)
        self.add_sums(connection, sums)

    def fold(self, connection: sa.Connection, slots: Sequence[int]) -> bool:
        self._each(connection, self._fold, slots)
        return True

    def add_sums(self, connection: sa.Connection, sums: SumRows) -> None:
        for table, rows in sums:
            self._insert_numbers(connection, table, rows)

    def _insert_numbers(self, connection: sa.Connection, table: sa.Table, rows: Rows) -> None:
        """Insert integers and, in the last two columns, quantities and prices; as one JSON text, which takes half the time.

        What a table of sums has under the same key is added to.
        """
        # Plain text: with an exponent the server would read numbers as floats.
        texts = ((*key, f"{qty:f}", f"{price:f}") for *key, qty, price in rows)
        for part in portions(texts, self.ROWS, raw.room(connection, self.BYTES), literal_bytes):
            raw.rows(connection, self._from_json[table.name], (_json.encode(part).decode(),))

    def _each(self, connection: sa.Connection, statement: str, numbers: Sequence[Any]) -> list[Any]:
        """The rows of a statement with a list of numbers, or of pairs of them, run for as many at a time as it may hold."""
        parts = portions(numbers, self.LISTED, raw.room(connection, self.BYTES), _listed_bytes)
        return [row for part in parts for row in raw.rows(connection, statement % _listed(part))]

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
        for part in portions(rows, self.ROWS, raw.room(connection, self.BYTES), literal_bytes):
            values = tuple(value for one in part for value in one)
            found += raw.rows(connection, head + ", ".join([row] * len(part)) + tail, values)
        return found

    def shard(self, connection: sa.Connection) -> int:
        driver: Any = connection.connection.driver_connection
        return int(driver.thread_id()) % self.SHARDS


def _from_json(table: sa.Table) -> str:
    """An INSERT of rows that come as a JSON array of arrays."""
    names = columns(table)
    kinds = ["BIGINT"] * (len(names) - 2) + ["DECIMAL(65, 38)"] * 2
    parts = ", ".join(f"{name} {kind} PATH '$[{number}]'" for number, (name, kind) in enumerate(zip(names, kinds, strict=True)))
    listed = ", ".join(names)
    return f"INSERT INTO {table.name} ({listed}) SELECT {listed} FROM JSON_TABLE(%s, '$[*]' COLUMNS ({parts})) AS given"  # noqa: S608


def _key_bytes(_: object) -> int:
    """How many bytes a digest, or a pair of moments, takes at most in a list."""
    return 50


def _listed_bytes(_: object) -> int:
    """How many bytes a number, or a pair of them, takes at most in a list."""
    return 28


def _listed(numbers: Iterable[int | Pair]) -> str:
    """Numbers, or pairs of them, as a list for IN: the client library would take a fifth of a push to quote them one by one."""
    return f"({', '.join(map(str, numbers))})"


DIALECT = MariaDB

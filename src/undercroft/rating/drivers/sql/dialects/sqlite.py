"""Rated usage on SQLite."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from undercroft.engines.sql import raw
from undercroft.rating.drivers.sql.dialects.base import (
    Dialect,
    Expression,
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
    sums_update,
)
from undercroft.rating.drivers.sql.encode import Entry, SlotKey
from undercroft.rating.drivers.sql.exact import HALF, LIMBS, Limbs
from undercroft.rating.drivers.sql.schema import LONG_NUMBERS, PRICE, QTY, Tables
from undercroft.rating.numbers import units

_json = msgspec.json.Encoder()


class SQLite(Dialect):
    """executemany under the file's one write lock; lists of keys go in as one JSON parameter."""

    layout = LIMBS
    takes_units = True

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self._limbs = LIMBS
        self._inserts = {table.name: self._insert(columns(table), table) for table in tables.metadata.sorted_tables}
        # Hardly a number needs more than its second limb: binding four parameters instead of ten doubles the speed.
        narrow = [f'"{name}{suffix}"' for name in (QTY, PRICE) for suffix in (Limbs.ABOVE, *Limbs.SUFFIXES) if suffix]
        self._narrow = {
            table.name: self._insert([c for c in columns(table) if c not in narrow], table)
            for table in (tables.point, *summed(tables))
        }
        self._updates = {table.name: f" ON CONFLICT DO UPDATE SET {sums_update(tables, table)}" for table in summed(tables)}
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
            fold_statement(
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

    @classmethod
    def for_scan(cls, number: Expression) -> Expression:
        # An expression cannot be looked up in an index.
        return number + sa.literal_column("0")

    @classmethod
    def by_text(cls, entries: sa.Select[Any], attribute: sa.Table) -> sa.Select[Any]:
        # Without statistics it would read every entry that has the attribute, by the primary key.
        (index,) = attribute.indexes
        return entries.with_hint(attribute, f"INDEXED BY {index.name}", "sqlite")

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
        wanted = (_json.encode(digests).decode(), _json.encode(bounds(slots)).decode())
        (*_, last_entry), (*_, last_slot), *rows = raw.rows(connection, self._find, wanted)
        return found(rows, last_entry, last_slot)

    def add_entries(self, connection: sa.Connection, entries: Sequence[NewEntry], last: int) -> dict[str, int]:
        rows = [(number, *row) for number, row in enumerate(entry_rows(entries), last + 1)]
        raw.insert(connection, self._inserts[self._tables.entry.name], rows)
        return {new.digest: number for number, new in enumerate(entries, last + 1)}

    def add_attributes(self, connection: sa.Connection, entries: Sequence[tuple[int, Entry]]) -> None:
        if rows := attribute_rows(entries):
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


DIALECT = SQLite

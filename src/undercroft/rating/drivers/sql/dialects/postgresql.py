"""Rated usage on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

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
    arrays,
    attribute_rows,
    bounds,
    columns,
    entry_rows,
    fold_statement,
    found,
    summed,
    sums_update,
    texts,
)
from undercroft.rating.drivers.sql.encode import Entry, SlotKey
from undercroft.rating.drivers.sql.exact import NUMERIC
from undercroft.rating.drivers.sql.schema import PRICE, QTY, Tables


class PostgreSQL(Dialect):
    """Arrays through `unnest` for a few rows, binary COPY for many."""

    layout = NUMERIC
    empty = "''::bytea"
    deletes_beside_pushes = True
    COPY_FROM = 500
    SHARDS = 16

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
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
            f"ON CONFLICT ({', '.join(columns(table)[:2])}) DO UPDATE SET {sums_update(tables, table)}"
            for table, key in zip(summed(tables), ("bigint", "bigint", "int"), strict=True)
        }
        numbers = {name: name for name in (QTY, PRICE)}
        self._fold = (
            fold_statement(tables, [QTY, PRICE], numbers, [QTY, PRICE], "= ANY(%s)", "/")
            + f" ON CONFLICT (bucket, series_id) DO UPDATE SET {sums_update(tables, tables.rollup)}"
        )
        self._add_points = (
            f"INSERT INTO {point} ({names}) SELECT * FROM "  # noqa: S608
            "unnest(%s::int[], %s::int[], %s::int[], %s::int[], %s::numeric[], %s::numeric[])"
        )

    @classmethod
    def as_bytes(cls, text: Expression) -> Expression:
        return sa.func.convert_to(text, "UTF8", type_=sa.LargeBinary)

    @classmethod
    def nulls_first(cls, expression: Expression) -> Expression:
        return expression.nulls_first()

    @classmethod
    def locked_for_deletion(cls, slots: sa.Select[Any]) -> sa.Select[Any]:
        # Elsewhere nobody else writes during a deletion.
        return slots.with_for_update(read=True, key_share=True)

    def keep_out(self, connection: sa.Connection, *, everything: bool) -> None:
        # DELETE ... RETURNING tells what it took; sums that go as a whole do not.
        if everything:
            raw.rows(connection, self._keep_out)

    def lock_pending(self, connection: sa.Connection, slots: Sequence[int]) -> list[int]:
        return [number for (number,) in raw.rows(connection, self._lock_pending, (list(slots),))]

    def find(
        self, connection: sa.Connection, digests: Sequence[str], slots: Sequence[SlotKey]
    ) -> tuple[Found[str], Found[SlotKey]]:
        return found(raw.rows(connection, self._find, (list(digests), *arrays(bounds(slots), 2))))

    def add_entries(self, connection: sa.Connection, entries: Sequence[NewEntry], last: int) -> dict[str, int]:
        return dict(raw.rows(connection, self._add_entries, arrays(entry_rows(entries), 6)))

    def add_attributes(self, connection: sa.Connection, entries: Sequence[tuple[int, Entry]]) -> None:
        raw.rows(connection, self._add_attributes, arrays(attribute_rows(entries), 6))

    def add_slots(self, connection: sa.Connection, slots: Sequence[tuple[SlotKey, int]], last: int) -> dict[SlotKey, int]:
        rows = raw.rows(connection, self._add_slots, arrays([(*key, day) for key, day in slots], 4))
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
        rows = raw.rows(connection, self._lock_and_take, (list(slots), *texts(pairs)))
        return {row[0] for row in rows if row[1] is None and not row[2]}, [row for row in rows if row[1] is not None]

    def add(self, connection: sa.Connection, points: Rows, sums: SumRows) -> None:
        if len(points) < self.COPY_FROM:
            # One statement for a few points. PostgreSQL runs its parts from the last to the first: rows are locked in one order.
            parts = [f"s{number} AS ({self._sums[table.name]})" for number, (table, _) in enumerate(reversed(sums))]
            rows = [row for _, row in reversed(sums)]
            given = [text for one in (*rows, points) for text in texts(one)]
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
            raw.rows(connection, self._sums[table.name], texts(rows))

    def shard(self, connection: sa.Connection) -> int:
        driver: Any = connection.connection.driver_connection
        return int(driver.info.backend_pid) % self.SHARDS


DIALECT = PostgreSQL

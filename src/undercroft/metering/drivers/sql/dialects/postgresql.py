"""PostgreSQL: arrays through `unnest`; hours are locked by their rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from undercroft.engines.sql import raw
from undercroft.engines.sql.bulk import arrays, literal
from undercroft.metering.drivers.sql.dialects.base import Dialect, Row, State
from undercroft.metering.drivers.sql.schema import PENDING, WRITER, Layout, Tables

# Hours that others fold and reopen all the time are found by then.
_LOOKS = 4


class PostgreSQL(Dialect):
    """Arrays through `unnest`; writers share hours, and wait only for whoever folds them."""

    layout = Layout(ranged=True)
    analyse_after = 20_000
    # As text: the client library would make an object of each.
    id_column = "id::text"
    # In the order in which whoever folds writes them.
    for_update = " ORDER BY series_id FOR UPDATE"

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        # In the order of ids, so that writers of the same ones wait for each other in one order. What comes back is known already.
        given = "unnest(%s::int[], %s::int[], %s::uuid[], %s::bigint[], %s::bigint[], %s::float8[], %s::bigint[], %s::int[])"
        self._insert = (
            f"WITH given AS (SELECT * FROM {given} AS g(piece, series_id, id, ts, whole, fraction, delay, meta_id)), "  # noqa: S608
            f"made AS (INSERT INTO {self._sample} (piece, series_id, id, ts, whole, fraction, delay, meta_id) "
            "SELECT * FROM given ORDER BY id ON CONFLICT (id) DO NOTHING RETURNING id) "
            "SELECT id::text FROM given WHERE NOT EXISTS (SELECT FROM made WHERE made.id = given.id)"
        )
        self._types = {
            tables.oddity.name: ("uuid", "text", "text", "text"),
            tables.sums.name: ("int", "int", "bytea"),
            self._state: ("int", "bigint", "bigint", "int"),
        }
        state = self._state
        self._tails = {
            state: f" ON CONFLICT (series_id) DO UPDATE SET first = least({state}.first, excluded.first), "
            f"last = greatest({state}.last, excluded.last), "
            f"meta_id = CASE WHEN excluded.last >= {state}.last THEN excluded.meta_id ELSE {state}.meta_id END"
        }
        # One that another transaction changes in between is in neither list.
        self._share = (
            f"WITH late AS (SELECT id, folded FROM {self._slot} WHERE id = ANY(%s) AND folded <> {PENDING} "  # noqa: S608
            "ORDER BY id FOR NO KEY UPDATE), "
            f"open AS (SELECT id, folded FROM {self._slot} WHERE id = ANY(%s) AND folded = {PENDING} ORDER BY id FOR SHARE) "
            "SELECT * FROM late UNION ALL SELECT * FROM open"
        )
        self._own = f"SELECT id FROM {self._slot} WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"  # noqa: S608

    def among(self, column: str) -> str:
        return f"{column} = ANY(?)"

    def listed(self, values: Sequence[int] | Sequence[str]) -> Any:
        return list(values)

    def among_keys(self, column: str, keys: Sequence[bytes]) -> tuple[str, tuple[Any, ...]]:
        return f"{column} = ANY(%s::uuid[])", ([key.hex() for key in keys],)

    def key(self, key: bytes) -> Any:
        return UUID(bytes=key)

    def unkey(self, value: Any) -> bytes:
        return bytes.fromhex(value.replace("-", ""))

    def lock(self, connection: sa.Connection) -> int:
        # Writers do not wait for each other.
        shared = f"SELECT value FROM {self._setting} WHERE name = %s FOR SHARE"  # noqa: S608
        return self._generation(raw.rows(connection, shared, (WRITER,)))

    def share(self, connection: sa.Connection, slots: Sequence[int]) -> dict[int, int]:
        found: dict[int, int] = {}
        # What was changed in between is in the other list when it is looked for again.
        for _ in range(_LOOKS):
            if missing := [slot for slot in slots if slot not in found]:
                found |= dict(raw.rows(connection, self._share, (missing, missing)))
        return found

    def own(self, connection: sa.Connection, slots: Sequence[int]) -> list[int]:
        return [slot for (slot,) in raw.rows(connection, self._own, (list(slots),))]

    def insert(self, connection: sa.Connection, rows: Sequence[Row]) -> set[bytes]:
        pieces, series, keys, *rest = arrays(rows, 8)
        columns = (pieces, series, [key.hex() for key in keys], *rest)
        found = raw.rows(connection, self._insert, tuple(map(literal, columns)))
        return {self.unkey(key) for (key,) in found}

    def insert_rows(self, connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
        self._insert_arrays(connection, table.name, rows)

    def update_state(self, connection: sa.Connection, rows: Sequence[State]) -> None:
        self._insert_arrays(connection, self._state, sorted(rows))

    def _insert_arrays(self, connection: sa.Connection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        types = self._types[table]
        columns = [
            [key.hex() for key in column] if kind == "uuid" else column
            for kind, column in zip(types, arrays(rows, len(types)), strict=True)
        ]
        given = ", ".join(f"%s::{kind}[]" for kind in types)
        raw.rows(connection, f"INSERT INTO {table} SELECT * FROM unnest({given}){self._tails.get(table, '')}", tuple(columns))  # noqa: S608

    def delete(self, connection: sa.Connection, rows: Sequence[tuple[int, int, bytes]]) -> int:
        condition, values = self.among_keys("id", [key for _, _, key in rows])
        deleted = f"WITH gone AS (DELETE FROM {self._sample} WHERE {condition} RETURNING 1) SELECT count(*) FROM gone"  # noqa: S608
        [(count,)] = raw.rows(connection, deleted, values)
        return int(count)


DIALECT = PostgreSQL

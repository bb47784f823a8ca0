"""SQLite: executemany, and lists of ids as one JSON parameter."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from undercroft.engines.sql import raw
from undercroft.metering.drivers.sql.dialects.base import OneWriter, Row, State
from undercroft.metering.drivers.sql.schema import HOUR, SPANS, Layout, Tables

_json = msgspec.json.Encoder()
# Ids that are looked up by one statement.
_AT_ONCE = 1_000


class SQLite(OneWriter):
    """The file's write lock; executemany; lists of ids as one JSON parameter."""

    # Samples are clustered by five minutes, series by series: polling writes side by side, and reads few pages of a series.
    layout = Layout(clustered=True)
    pieces = 12
    placeholder = "?"
    double = "REAL"
    # As written: the planner would begin with the samples.
    join = "CROSS JOIN"

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self._inserts = {
            table.name: f"INSERT INTO {table.name} VALUES ({', '.join('?' * len(table.columns))})"  # noqa: S608
            for table in (tables.sample, tables.oddity, tables.sums, tables.state)
        }
        state = self._state
        newer = f"excluded.last >= {state}.last"
        self._upsert = (
            f"{self._inserts[state]} ON CONFLICT (series_id) DO UPDATE SET first = min({state}.first, excluded.first), "
            f"last = max({state}.last, excluded.last), "
            f"meta_id = CASE WHEN {newer} THEN excluded.meta_id ELSE {state}.meta_id END"
        )

    def among(self, column: str) -> str:
        return f"{column} IN (SELECT value FROM json_each(?))"  # noqa: S608

    def listed(self, values: Sequence[int] | Sequence[str]) -> Any:
        return _json.encode(values).decode()

    def pieces_within(self, column: str, slot: str, after: int, until: int, *, each: bool) -> tuple[str, tuple[int, ...]]:
        first, last = f"{slot}.id * {self.pieces}", self.pieces - 1
        if each:
            return f"{column} IN ({', '.join(f'{first} + {place}' for place in range(self.pieces))})", ()
        length = SPANS[HOUR] // self.pieces
        begins = f"{first} + max(0, (? - {slot}.start) / {length})"
        ends = f"{first} + min({last}, (? - {slot}.start) / {length})"
        return f"{column} BETWEEN {begins} AND {ends}", (after, until)

    def lock(self, connection: sa.Connection) -> int:
        # A transaction that writes has the file's lock from its beginning.
        return self.generation(connection)

    def insert(self, connection: sa.Connection, rows: Sequence[Row]) -> set[bytes]:
        # In the order of the table, so that each page is visited once.
        ordered = sorted(rows)
        left = iter(ordered)
        try:
            raw.insert(connection, self._inserts[self._sample], left)
        except sa.exc.IntegrityError:
            # The id of the last row taken is there already; the rows before it are stored.
            rest = ordered[-operator.length_hint(left) - 1 :]
        else:
            return set()
        known = self._known(connection, [row[2] for row in rest])
        raw.insert(connection, self._inserts[self._sample], [row for row in rest if row[2] not in known])
        return known

    def _known(self, connection: sa.Connection, keys: Sequence[bytes]) -> set[bytes]:
        found: set[bytes] = set()
        for start in range(0, len(keys), _AT_ONCE):
            condition, values = self.among_keys("id", keys[start : start + _AT_ONCE])
            found.update(key for (key,) in raw.rows(connection, f"SELECT id FROM {self._sample} WHERE {condition}", values))  # noqa: S608
        return found

    def insert_rows(self, connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
        raw.insert(connection, self._inserts[table.name], rows)

    def update_state(self, connection: sa.Connection, rows: Sequence[State]) -> None:
        raw.insert(connection, self._upsert, rows)

    def delete(self, connection: sa.Connection, rows: Sequence[tuple[int, int, bytes]]) -> int:
        raw.insert(connection, f"DELETE FROM {self._sample} WHERE piece = ? AND series_id = ? AND id = ?", rows)  # noqa: S608
        return len(rows)


DIALECT = SQLite

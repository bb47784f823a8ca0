"""MariaDB: rows of values, many to a statement."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from undercroft.core.portions import portions
from undercroft.engines.sql import raw
from undercroft.engines.sql.bulk import literal_bytes
from undercroft.metering.drivers.sql.dialects.base import OneWriter, Row, State
from undercroft.metering.drivers.sql.schema import WRITER, Tables

_KEY = operator.itemgetter(2)


class MariaDB(OneWriter):
    """A locked row; rows of values, many to a statement."""

    # Of a statement; fewer where the server takes less.
    ROWS, BYTES = 5_000, 8_000_000
    double = "double"

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        # Values are assigned from left to right, each seeing those before it.
        self._taken_in = (
            " ON DUPLICATE KEY UPDATE meta_id = IF(VALUES(last) >= last, VALUES(meta_id), meta_id), "
            "first = LEAST(first, VALUES(first)), last = GREATEST(last, VALUES(last))"
        )

    def among(self, column: str) -> str:
        return f"{column} IN ?"

    def listed(self, values: Sequence[int] | Sequence[str]) -> Any:
        return list(values)

    def lock(self, connection: sa.Connection) -> int:
        locked = f"SELECT value FROM {self._setting} WHERE name = %s FOR UPDATE"  # noqa: S608
        return self._generation(raw.rows(connection, locked, (WRITER,)))

    def insert(self, connection: sa.Connection, rows: Sequence[Row]) -> set[bytes]:
        # READ COMMITTED: what the writers before have committed is seen.
        known: set[bytes] = set()
        for part in portions(rows, self.ROWS, raw.room(connection, self.BYTES), literal_bytes):
            condition, values = self.among_keys("id", [row[2] for row in part])
            found = raw.rows(connection, f"SELECT id FROM {self._sample} WHERE {condition}", values)  # noqa: S608
            known.update(bytes(key) for (key,) in found)
        new = sorted((row for row in rows if row[2] not in known), key=_KEY)
        self._insert(connection, self._sample, new)
        return known

    def insert_rows(self, connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
        self._insert(connection, table.name, rows)

    def update_state(self, connection: sa.Connection, rows: Sequence[State]) -> None:
        self._insert(connection, self._state, rows, self._taken_in)

    def begin(self, connection: sa.Connection, firsts: Sequence[tuple[int, int]]) -> None:
        # The rows are there: one statement for many of them, where the client library sends one for each.
        rows = [(number, first, 0, 0) for number, first in firsts]
        self._insert(connection, self._state, rows, " ON DUPLICATE KEY UPDATE first = VALUES(first)")

    def _insert(self, connection: sa.Connection, table: str, rows: Sequence[tuple[Any, ...]], tail: str = "") -> None:
        for part in portions(rows, self.ROWS, raw.room(connection, self.BYTES), literal_bytes):
            values = f"({', '.join(['%s'] * len(part[0]))})"
            statement = f"INSERT INTO {table} VALUES {', '.join([values] * len(part))}{tail}"  # noqa: S608
            raw.rows(connection, statement, tuple(itertools.chain.from_iterable(part)))

    def delete(self, connection: sa.Connection, rows: Sequence[tuple[int, int, bytes]]) -> int:
        for part in portions(rows, self.ROWS, raw.room(connection, self.BYTES), literal_bytes):
            condition, values = self.among_keys("id", [key for _, _, key in part])
            raw.rows(connection, f"DELETE FROM {self._sample} WHERE {condition}", values)  # noqa: S608
        return len(rows)


DIALECT = MariaDB

"""SQLite: executemany, and lists of ids as one JSON parameter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from undercroft.core.errors import NotInitialized
from undercroft.engines.sql import raw
from undercroft.events.drivers.sql.dialects.base import OneWriter
from undercroft.events.drivers.sql.schema import LAST_ID, Tables

_json = msgspec.json.Encoder()
# 2^14 events in a piece of the index by value.
PART = 14


class SQLite(OneWriter):
    """The file's write lock; executemany; lists of ids as one JSON parameter."""

    double = "REAL"
    infinity = "9e999"

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        # Each piece of the index is searched by itself.
        parts = (
            f"WITH RECURSIVE parts(n) AS (SELECT min(id) >> {PART} FROM {self._event} UNION ALL "  # noqa: S608
            f"SELECT n + 1 FROM parts WHERE n < (SELECT max(id) >> {PART} FROM {self._event})) SELECT n FROM parts"
        )
        self.in_parts = f"l.part IN ({parts})"
        self._take = f"UPDATE {self._setting} SET value = value + ? WHERE name = ? RETURNING value"  # noqa: S608
        self._find = f"SELECT message_id FROM {self._event} WHERE message_id IN (SELECT value FROM json_each(?))"  # noqa: S608
        self._inserts = {
            table.name: f"INSERT INTO {table.name} VALUES ({', '.join('?' * len(table.columns))})"  # noqa: S608
            for table in (tables.event, tables.trait_text, tables.trait_number)
        }
        self._oldest = f"SELECT id FROM {self._event} WHERE generated < ? ORDER BY generated, message_id LIMIT ?"  # noqa: S608

    def timestamp(self, micros: str) -> str:
        rest = f"((({micros}) % 1000000 + 1000000) % 1000000)"
        return f"(datetime((({micros}) - {rest}) / 1000000, 'unixepoch') || printf('.%06d', {rest}))"

    def _take_ids(self, connection: sa.Connection, count: int) -> int:
        taken = raw.rows(connection, self._take, (count, LAST_ID))
        if not taken:
            raise NotInitialized("the store was not set up to its end: run `undercroft db upgrade --kind events`")
        return int(taken[0][0]) - count + 1

    def _known(self, connection: sa.Connection, message_ids: Sequence[str]) -> set[str]:
        return {message_id for (message_id,) in raw.rows(connection, self._find, (_json.encode(message_ids).decode(),))}

    def _part(self, number: int) -> int:
        return number >> PART

    def _insert(self, connection: sa.Connection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        raw.insert(connection, self._inserts[table], rows)

    def expire(self, connection: sa.Connection, before: int, count: int) -> int:
        ids = list(connection.exec_driver_sql(self._oldest, (before, count)).scalars())
        if ids:
            listed = (_json.encode(ids).decode(),)
            for table, key in ((self._text, "event_id"), (self._number, "event_id"), (self._event, "id")):
                connection.exec_driver_sql(f"DELETE FROM {table} WHERE {key} IN (SELECT value FROM json_each(?))", listed)  # noqa: S608
        return len(ids)

    def clear(self, connection: sa.Connection) -> None:
        for table in (self._text, self._number, self._event):
            connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608


DIALECT = SQLite

"""MariaDB: rows of values, many to a statement."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from undercroft.core.errors import NotInitialized
from undercroft.core.portions import portions
from undercroft.engines.sql import raw
from undercroft.engines.sql.bulk import literal_bytes
from undercroft.events.drivers.sql.dialects.base import OneWriter
from undercroft.events.drivers.sql.schema import LAST_ID, Tables


class MariaDB(OneWriter):
    """A locked row; rows of values, many to a statement."""

    ties = ("message_id",)
    # It finds ranges in a disjunction, and not in a comparison of pairs.
    compares_pairs = False
    divide = "DIV"
    quote = "`"
    double = "DOUBLE"
    infinity = "1.7976931348623157e308"
    # Of a statement; fewer where the server takes less.
    ROWS, BYTES = 5_000, 8_000_000

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self._heads = {
            table.name: (f"INSERT INTO {table.name} VALUES ", f"({', '.join(['%s'] * len(table.columns))})")  # noqa: S608
            for table in (tables.event, tables.trait_text, tables.trait_number)
        }

    def timestamp(self, micros: str) -> str:
        return f"CAST(CAST({micros} AS DECIMAL(26, 6)) / 1000000 AS DECIMAL(20, 6))"

    def signed(self, integer: str) -> str:
        # What it shifts has no sign, and cannot be less than what is taken from it.
        return f"CAST({integer} AS SIGNED)"

    def _take_ids(self, connection: sa.Connection, count: int) -> int:
        result = connection.exec_driver_sql(
            f"UPDATE {self._setting} SET value = LAST_INSERT_ID(value + %s) WHERE name = %s",  # noqa: S608
            (count, LAST_ID),
        )
        if result.rowcount != 1:
            raise NotInitialized("the store was not set up to its end: run `undercroft db upgrade --kind events`")
        return int(result.lastrowid) - count + 1

    def _known(self, connection: sa.Connection, message_ids: Sequence[str]) -> set[str]:
        # READ COMMITTED: what the writers before have committed is seen.
        wanted = f"SELECT message_id FROM {self._event} WHERE message_id IN %s"  # noqa: S608
        found = (
            raw.rows(connection, wanted, (part,))
            for part in portions(message_ids, self.ROWS, raw.room(connection, self.BYTES), _word)
        )
        return {message_id for rows in found for (message_id,) in rows}

    def _insert(self, connection: sa.Connection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        head, values = self._heads[table]
        for part in portions(rows, self.ROWS, raw.room(connection, self.BYTES), literal_bytes):
            raw.rows(connection, head + ", ".join([values] * len(part)), tuple(itertools.chain.from_iterable(part)))

    def expire(self, connection: sa.Connection, before: int, count: int) -> int:
        # The row that writers lock: a deletion beside them would lock gaps that they write into.
        connection.exec_driver_sql(f"SELECT value FROM {self._setting} WHERE name = %s FOR UPDATE", (LAST_ID,)).all()  # noqa: S608
        ids = list(
            connection.exec_driver_sql(
                f"SELECT id FROM {self._event} WHERE generated < %s ORDER BY generated, message_id LIMIT %s",  # noqa: S608
                (before, count),
            ).scalars()
        )
        if ids:
            for table, key in ((self._text, "event_id"), (self._number, "event_id"), (self._event, "id")):
                connection.exec_driver_sql(f"DELETE FROM {table} WHERE {key} IN %s", (ids,))  # noqa: S608
        return len(ids)

    def clear(self, connection: sa.Connection) -> None:
        connection.exec_driver_sql(f"SELECT value FROM {self._setting} WHERE name = %s FOR UPDATE", (LAST_ID,)).all()  # noqa: S608
        for table in (self._text, self._number, self._event):
            connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608


def _word(text: str) -> int:
    """How many bytes a text takes at most as a literal of a statement."""
    return literal_bytes((text,))


DIALECT = MariaDB

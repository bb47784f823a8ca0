"""MariaDB: rows of values, many to a statement; a session has named locks."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from undercroft.core.portions import portions
from undercroft.engines.sql import Database, raw
from undercroft.engines.sql.bulk import literal_bytes
from undercroft.export.dialects.base import Dialect, Row
from undercroft.export.layout import Column, Form, Found
from undercroft.export.tables import Tables

_COLUMNS = """
SELECT COLUMN_NAME, COLUMN_TYPE, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, DATETIME_PRECISION, NUMERIC_SCALE, IS_NULLABLE,
    COLUMN_DEFAULT, EXTRA, COLUMN_KEY, CHARACTER_SET_NAME, COLLATION_NAME, IS_GENERATED
FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = coalesce(%s, database()) AND TABLE_NAME = %s
"""
_UNIQUE = """
SELECT INDEX_NAME, COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS
WHERE TABLE_SCHEMA = coalesce(%s, database()) AND TABLE_NAME = %s AND NON_UNIQUE = 0
"""
# Bytes of texts, of which a character takes four at most.
_TEXTS = {"tinytext": 63, "text": 16_383, "mediumtext": 4_194_303, "longtext": None}
_WHOLE = ("tinyint", "smallint", "mediumint", "int", "bigint")
_DUPLICATE = 1062


class MariaDB(Dialect):
    """Ids that are there are looked up, and the other rows are inserted: INSERT IGNORE would store values that do not fit."""

    tail = " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin"
    # Of a statement; fewer where the server takes less.
    ROWS, BYTES = 5_000, 8_000_000

    no_right = (1044, 1142, 1143)

    def __init__(self, db: Database, tables: Tables) -> None:
        super().__init__(db, tables)
        self._known = f"SELECT message_id FROM {self.samples} WHERE message_id IN %s"  # noqa: S608
        self._insert = f"INSERT INTO {self.samples} ({self._columns}) VALUES "  # noqa: S608
        names = [column.name for column in tables.samples.columns]
        self._values = f"({', '.join(['%s'] * len(names))})"
        # Whether two ids that differ are the same to the unique key.
        self._is_inexact = False

    def place(self, connection: sa.Connection) -> str:
        schema = self.t.samples.schema or raw.rows(connection, "SELECT database()")[0][0]
        return f"{schema}.{self.t.samples.name}"

    def insert(self, connection: sa.Connection, rows: Sequence[Row]) -> int:
        ident, new = self.id, 0
        for part in portions(rows, self.ROWS, raw.room(connection, self.BYTES), literal_bytes):
            # READ COMMITTED: what the writers before have committed is seen.
            known = {name for (name,) in raw.rows(connection, self._known, ([ident(row) for row in part],))}
            if fresh := [row for row in part if ident(row) not in known]:
                new += self._insert_new(connection, fresh)
        return new

    def _insert_new(self, connection: sa.Connection, rows: Sequence[Row]) -> int:
        try:
            statement = self._insert + ", ".join([self._values] * len(rows))
            return raw.changed(connection, statement, tuple(itertools.chain.from_iterable(rows)))
        except sa.exc.IntegrityError as error:
            if not self._is_inexact or error.orig is None or error.orig.args[0] != _DUPLICATE:
                raise
            if len(rows) == 1:
                return 0
            return sum(self._insert_new(connection, [row]) for row in rows)

    def _conflict(self) -> str:
        return "ON DUPLICATE KEY UPDATE"

    def _new(self, name: str) -> str:
        return f"VALUES({self.quote(name)})"

    def find(self, connection: sa.Connection, table: sa.Table) -> Found | None:
        given = (table.schema, table.name)
        columns = raw.rows(connection, _COLUMNS, given)
        if not columns:
            return None
        keys: dict[str, set[str]] = collections.defaultdict(set)
        partial = set()
        for index, name, length in raw.rows(connection, _UNIQUE, given):
            keys[index].add(name)
            if length is not None:
                partial.add(index)
        found = {row[0]: _column(*row[1:]) for row in columns}
        if table is self.t.samples and "message_id" in found:
            self._is_inexact = not found["message_id"].is_exact
        return Found(found, [frozenset(names) for index, names in keys.items() if index not in partial])

    def _keys(self, table: sa.Table) -> list[str]:
        return [f"INDEX {index} ({columns})" for index, columns in self._indexed(table).items()]

    def _indexes(self, table: sa.Table) -> list[str]:
        # A change of a table commits: without its indexes it would stay so.
        return []

    def changing(self, table: sa.Table, column: sa.Column[Any], found: Found) -> str:
        return f"ALTER TABLE {self.name(table)} MODIFY COLUMN {self.column(column)}"

    def loosening(self, table: sa.Table, name: str, column: Column, found: Found) -> str:
        rest = "NOT NULL AUTO_INCREMENT" if column.is_key and column.type.partition("(")[0] in _WHOLE else "NULL"
        return f"ALTER TABLE {self.name(table)} MODIFY COLUMN {self.quote(name)} {column.type} {rest}"

    def granting_create(self, connection: sa.Connection) -> str:
        schema = self.t.samples.schema or raw.rows(connection, "SELECT database()")[0][0]
        return f"GRANT CREATE ON {self.quote(schema)}.* TO {self.user(connection)}"

    def user(self, connection: sa.Connection) -> str:
        name, _, host = str(raw.rows(connection, "SELECT current_user()")[0][0]).rpartition("@")
        return f"'{name}'@'{host}'"

    def lock(self, connection: sa.Connection, name: str) -> bool:
        return bool(raw.rows(connection, "SELECT get_lock(%s, 0)", (name,))[0][0])

    def has_lock(self, connection: sa.Connection, name: str) -> bool:
        return bool(raw.rows(connection, "SELECT is_used_lock(%s) = connection_id()", (name,))[0][0])

    def unlock(self, connection: sa.Connection, name: str) -> None:
        raw.rows(connection, "SELECT release_lock(%s)", (name,))


def _column(
    type_: str, name: str, length: int | None, precision: int | None, scale: int | None, nullable: str, default: str | None,
    extra: str, key: str, charset: str | None, collation: str | None, generated: str,
) -> Column:  # fmt: skip
    forms: tuple[Form, ...] = ()
    width = None
    if name == "varchar":
        forms, width = (Form.TEXT,), length
    elif name in _TEXTS:
        forms, width = (Form.TEXT,), _TEXTS[name]
    elif name == "double" and scale is None:
        forms = (Form.FLOAT,)
    elif name == "datetime" and precision == 6:
        forms = (Form.MOMENT,)
    elif name == "bigint":
        forms = (Form.WHOLE,)
    is_required = nullable == "NO" and default is None and "auto_increment" not in extra and generated == "NEVER"
    return Column(
        type_, forms, width, is_required=is_required, is_key=key == "PRI",
        # Those that pad take texts that differ in spaces at the end for the same.
        is_exact=collation is None or collation.endswith("nopad_bin"), charset=None if charset == "utf8mb4" else charset,
    )  # fmt: skip


DIALECT = MariaDB

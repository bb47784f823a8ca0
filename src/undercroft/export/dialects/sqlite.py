"""SQLite: executemany; a column's type says what it prefers to hold, and files are locked."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from undercroft.engines.sql import Database, raw
from undercroft.export.dialects.base import Dialect, Row
from undercroft.export.layout import Column, Form, Found
from undercroft.export.tables import Tables

_WIDTH = re.compile(r"\(\s*(\d+)\s*\)")
# The first that fits decides; a type without any of these is NUMERIC.
_AFFINITIES = (
    (("INT",), (Form.WHOLE,)),
    (("CHAR", "CLOB", "TEXT"), (Form.TEXT, Form.MOMENT)),
    (("BLOB",), ()),
    (("REAL", "FLOA", "DOUB"), (Form.FLOAT,)),
    # A text that is not a number stays one.
    (("DATE", "TIME"), (Form.MOMENT,)),
)
_NUMERIC, _ANY = (Form.FLOAT, Form.WHOLE), (Form.TEXT, Form.FLOAT, Form.MOMENT, Form.WHOLE)


class SQLite(Dialect):
    """A file, or a database in memory."""

    placeholder = "?"
    has_locks = False

    def __init__(self, db: Database, tables: Tables) -> None:
        super().__init__(db, tables)
        held = ", ".join("?" for _ in tables.samples.columns)
        self._insert = f"INSERT INTO {self.samples} ({self._columns}) VALUES ({held}) ON CONFLICT (message_id) DO NOTHING"  # noqa: S608

    def place(self, connection: sa.Connection) -> str:
        return self.samples

    def insert(self, connection: sa.Connection, rows: Sequence[Row]) -> int:
        return raw.insert(connection, self._insert, rows)

    def find(self, connection: sa.Connection, table: sa.Table) -> Found | None:
        given = (table.name, table.schema or "main")
        asked = 'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?, ?)'
        columns = raw.rows(connection, asked, given)
        if not columns:
            return None
        key = frozenset(name for name, *_, pk, _ in columns if pk)
        unique = [key] if key else []
        inexact: set[str] = set()
        for (index,) in raw.rows(connection, 'SELECT name FROM pragma_index_list(?, ?) WHERE "unique" AND NOT partial', given):
            parts = raw.rows(connection, "SELECT name, coll FROM pragma_index_xinfo(?, ?) WHERE key", (index, given[1]))
            if all(name is not None for name, _ in parts):
                unique.append(frozenset(name for name, _ in parts))
                inexact.update(name for name, collation in parts if collation != "BINARY")
        found = {}
        for name, type_, is_needed, default, pk, hidden in columns:
            is_row_number = bool(pk) and len(key) == 1 and type_.upper() == "INTEGER"
            found[name] = Column(
                type_ or "a column without a type",
                _forms(type_),
                _width(type_),
                is_required=bool(is_needed) and default is None and not hidden and not is_row_number,
                is_key=bool(pk),
                is_exact=name not in inexact,
            )
        return Found(found, unique)

    def _indexes(self, table: sa.Table) -> list[str]:
        # The index belongs to the schema of its table, which is named before the index.
        schema = f"{self.quote(table.schema)}." if table.schema else ""
        return [
            f"CREATE INDEX IF NOT EXISTS {schema}{index} ON {self.quote(table.name)} ({columns})"
            for index, columns in self._indexed(table).items()
        ]

    def changing(self, table: sa.Table, column: sa.Column[Any], found: Found) -> str:
        return self._making_anew(table, found)

    def making_unique(self, table: sa.Table, found: Found) -> str:
        schema = f"{self.quote(table.schema)}." if table.schema else ""
        names = ", ".join(self.quote(column.name) for column in table.primary_key)
        return f"CREATE UNIQUE INDEX {schema}{self.quote(f'{table.name}_key')} ON {self.quote(table.name)} ({names})"

    def loosening(self, table: sa.Table, name: str, column: Column, found: Found) -> str:
        return self._making_anew(table, found)

    def _making_anew(self, table: sa.Table, found: Found) -> str:
        """Statements for what ALTER TABLE cannot do."""
        schema = f"{self.quote(table.schema)}." if table.schema else ""
        old = self.quote(f"{table.name}_old")
        names = ", ".join(self.quote(column.name) for column in table.columns if column.name in found.columns)
        return "; ".join((
            f"ALTER TABLE {self.name(table)} RENAME TO {old}",
            *(f"DROP INDEX IF EXISTS {schema}{index}" for index in self._indexed(table)),
            *self.making(table),
            f"INSERT INTO {self.name(table)} ({names}) SELECT {names} FROM {schema}{old}",  # noqa: S608
        ))  # fmt: skip

    def lock_file(self, endpoint_id: str) -> pathlib.Path | None:
        if self._db.in_memory:
            return None
        file = pathlib.Path(self._db.place.removeprefix("sqlite:///"))
        return file.with_name(f"{file.name}.{self.samples.replace(chr(34), '')}-{endpoint_id[:16]}.lock")


def _forms(type_: str) -> tuple[Form, ...]:
    name = type_.upper()
    if not name or name == "ANY":
        return _ANY
    return next((forms for parts, forms in _AFFINITIES if any(part in name for part in parts)), _NUMERIC)


def _width(type_: str) -> int | None:
    match = _WIDTH.search(type_)
    return int(match[1]) if match else None


DIALECT = SQLite

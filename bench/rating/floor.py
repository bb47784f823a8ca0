"""The raw floor: how fast an engine takes rows that are already in its own form, into an identical table with identical indexes.

The rows are those of our own table of points, read back from the store that was just filled. The queries
by hand (see `byhand`) use these connections, too.
"""

from __future__ import annotations

import abc
import time
import urllib.parse
from collections.abc import Sequence
from typing import Any

from bench import floors

TABLES = "undercroft_rating_"
POINT, FLOOR = "undercroft_rating_point", "bench_floor"


class Floor(abc.ABC):
    """One engine, spoken to by its client library alone.

    Attributes:
        limbs: whether an exact number is several columns of integers.
        place: the placeholder of a value in a statement.
    """

    create: str
    limbs = False
    place = "%s"

    def __init__(self, url: str) -> None:
        self._url = urllib.parse.urlsplit(url)
        self._connection = self._connect()
        self._written: dict[str, str] = {}

    @abc.abstractmethod
    def _connect(self) -> Any: ...

    @abc.abstractmethod
    def size(self) -> int:
        """Bytes on disk of all our tables."""

    @abc.abstractmethod
    def version(self) -> str:
        """Name and version of the engine."""

    @abc.abstractmethod
    def _read(self, first: int, count: int) -> Any:
        """Rows in the engine's own form."""

    @abc.abstractmethod
    def _write(self, rows: Any) -> None:
        """One transaction, durable on return."""

    def execute(self, statement: str) -> Any:
        """One statement; its rows."""
        cursor = self._connection.cursor()
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else None

    def scalar(self, statement: str) -> Any:
        """The only value of a statement."""
        return self.execute(statement)[0][0]

    def ask(self, statement: str, given: Sequence[Any]) -> Sequence[Any]:
        """Rows of a statement, in which a table's name stands in braces and `?` for a value."""
        own = self._written.get(statement)
        if own is None:
            names = {
                name: TABLES + name for name in ("attribute", "entry", "point", "rollup", "scope_rollup", "slot", "slot_total")
            }
            own = statement.format(**names)
            if self.place != "?":
                own = own.replace("%", "%%").replace("?", self.place)
            self._written[statement] = own
        return self._rows(own, given)

    def _rows(self, statement: str, given: Sequence[Any]) -> Sequence[Any]:
        cursor = self._connection.cursor()
        cursor.execute(statement, given)
        rows: Sequence[Any] = cursor.fetchall()
        return rows

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def run(self, points: int, call: int) -> float:
        """Seconds to write `points` rows in transactions of `call`; reading them is not counted."""
        self.execute(f"DROP TABLE IF EXISTS {FLOOR}")
        self._create()
        seconds = 0.0
        for first in range(0, points, call):
            rows = self._read(first, min(call, points - first))
            start = time.perf_counter()
            self._write(rows)
            seconds += time.perf_counter() - start
        self.execute(f"DROP TABLE {FLOOR}")
        return seconds

    def _create(self) -> None:
        self.execute(self.create)


class SQLite(Floor):
    """executemany."""

    limbs = True
    place = "?"

    def _connect(self) -> Any:
        return floors.sqlite(self._url, "cache_size=-65536")

    def _create(self) -> None:
        sql = self.scalar(f"SELECT sql FROM sqlite_master WHERE name = '{POINT}'")
        self.execute(sql.replace(POINT, FLOOR))

    def _read(self, first: int, count: int) -> Any:
        # Hardly a row fills the columns for very long numbers: those that are NULL throughout are left out, as our driver does.
        cursor = self._connection.execute(f"SELECT * FROM {POINT} ORDER BY 1, 2, 3 LIMIT {count} OFFSET {first}")
        names = [column[0] for column in cursor.description]
        rows = cursor.fetchall()
        used = [number for number in range(len(names)) if any(row[number] is not None for row in rows)]
        return [names[number] for number in used], [tuple(row[number] for number in used) for row in rows]

    def _write(self, rows: Any) -> None:
        names, values = rows
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(f"INSERT INTO {FLOOR} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})", values)
        self._connection.execute("COMMIT")

    def size(self) -> int:
        self.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return int(self.scalar("PRAGMA page_count")) * int(self.scalar("PRAGMA page_size"))

    def version(self) -> str:
        return f"SQLite {self.scalar('SELECT sqlite_version()')}"


class PostgreSQL(Floor):
    """Binary COPY."""

    create = f"CREATE TABLE {FLOOR} (LIKE {POINT} INCLUDING ALL)"

    def _connect(self) -> Any:
        return floors.postgresql(self._url)

    def _rows(self, statement: str, given: Sequence[Any]) -> Sequence[Any]:
        rows: Sequence[Any] = self._connection.execute(statement, given, prepare=True).fetchall()
        return rows

    def _read(self, first: int, count: int) -> Any:
        chosen = f"SELECT * FROM {POINT} ORDER BY 1, 2, 3 LIMIT {count} OFFSET {first}"
        with self._connection.cursor() as cursor, cursor.copy(f"COPY ({chosen}) TO STDOUT (FORMAT BINARY)") as copy:
            return b"".join(copy)

    def _write(self, rows: Any) -> None:
        with self._connection.cursor() as cursor, cursor.copy(f"COPY {FLOOR} FROM STDIN (FORMAT BINARY)") as copy:
            copy.write(rows)

    def size(self) -> int:
        sizes = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'undercroft_rating_%'"
        return int(self.scalar(sizes))

    def version(self) -> str:
        return f"PostgreSQL {self.scalar('SHOW server_version')}"


class MariaDB(Floor):
    """One INSERT of many rows."""

    create = f"CREATE TABLE {FLOOR} LIKE {POINT}"

    def _connect(self) -> Any:
        return floors.mariadb(self._url, autocommit=True, init_command="SET SESSION sql_mode = 'ANSI_QUOTES'")

    def _read(self, first: int, count: int) -> Any:
        rows = self.execute(f"SELECT * FROM {POINT} ORDER BY 1, 2, 3 LIMIT {count} OFFSET {first}")
        return ",".join("(" + ",".join(map(str, row)) + ")" for row in rows)

    def _write(self, rows: Any) -> None:
        self._connection.cursor().execute(f"INSERT INTO {FLOOR} VALUES {rows}")

    def size(self) -> int:
        ours = f"name LIKE '{self._url.path.lstrip('/')}/undercroft_rating_%'"
        return int(self.scalar(f"SELECT sum(file_size) FROM information_schema.innodb_sys_tablespaces WHERE {ours}"))

    def version(self) -> str:
        return f"MariaDB {self.scalar('SELECT version()')}"


ENGINES: dict[str, type[Floor]] = {"sqlite": SQLite, "postgresql": PostgreSQL, "mysql": MariaDB, "mariadb": MariaDB}


def floor(url: str) -> Floor:
    """The floor of the engine that a store's URL names."""
    return floors.floor(ENGINES, url)

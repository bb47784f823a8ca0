"""What a sample takes on disk, by table and index, and by column."""

from __future__ import annotations

import contextlib
import urllib.parse
from typing import Any

PREFIX = "undercroft_metering_"


def of_sqlite(url: str, samples: int) -> dict[str, Any]:
    """Pages of the file, by table and index; bytes of each column."""
    import sqlite3

    with contextlib.closing(sqlite3.connect(urllib.parse.urlsplit(url).path[1:])) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute("PRAGMA page_size").fetchone()
        found = connection.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name").fetchall()
        parts = {name.removeprefix(PREFIX): size / samples for name, size in found if name.startswith(PREFIX)}
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({PREFIX}sample)")]
        # SQLite keeps integers in the fewest bytes that hold them.
        length = (
            "avg(CASE typeof({0}) WHEN 'null' THEN 0 WHEN 'real' THEN 8 WHEN 'integer' THEN CASE WHEN {0} IN (0, 1) THEN 0 "
            "WHEN abs({0}) < 128 THEN 1 WHEN abs({0}) < 32768 THEN 2 WHEN abs({0}) < 8388608 THEN 3 "
            "WHEN abs({0}) < 2147483648 THEN 4 "
            "WHEN abs({0}) < 140737488355328 THEN 6 ELSE 8 END ELSE length(CAST({0} AS BLOB)) END)"
        )
        asked = ", ".join(length.format(name) for name in names)
        columns = connection.execute(f"SELECT {asked} FROM {PREFIX}sample").fetchone()
    return {"total": page * pages / samples, "parts": parts, "columns": dict(zip(names, columns, strict=True))}


def of_postgresql(url: str, samples: int) -> dict[str, Any]:
    """Relations after VACUUM; bytes of each column."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"VACUUM ANALYZE {PREFIX}sample")
        found = connection.execute(
            "SELECT relname, pg_relation_size(oid) FROM pg_class WHERE relkind IN ('r', 'i') AND starts_with(relname, %s) "
            "UNION ALL SELECT relname || ' (toast)', pg_total_relation_size(reltoastrelid) FROM pg_class "
            "WHERE relkind = 'r' AND starts_with(relname, %s) AND reltoastrelid <> 0 ",
            (PREFIX, PREFIX),
        ).fetchall()
        parts = {name.removeprefix(PREFIX): size / samples for name, size in found if size}
        names = [
            name
            for (name,) in connection.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
                (f"{PREFIX}sample",),
            )
        ]
        asked = ", ".join(f"avg(coalesce(pg_column_size({name}), 0))::float8" for name in names)
        columns = connection.execute(f"SELECT {asked} FROM {PREFIX}sample").fetchone()
        assert columns is not None
    return {"total": sum(parts.values()), "parts": parts, "columns": dict(zip(names, columns, strict=True))}


def of_mariadb(url: str, samples: int) -> dict[str, Any]:
    """Tables and their indexes as InnoDB tells them."""
    import pymysql

    place = urllib.parse.urlsplit(url)
    with contextlib.closing(
        pymysql.connect(host=place.hostname, port=place.port or 3306, user=place.username, database=place.path.lstrip("/"))
    ) as connection:
        cursor = connection.cursor()
        cursor.execute(
            "SELECT table_name, index_name, stat_value * @@innodb_page_size FROM mysql.innodb_index_stats "
            "WHERE database_name = DATABASE() AND stat_name = 'size'"
        )
        parts = {
            f"{table.removeprefix(PREFIX)} {index}": float(size) / samples
            for table, index, size in cursor.fetchall()
            if table.startswith(PREFIX)
        }
    return {"total": sum(parts.values()), "parts": parts, "columns": {}}


ENGINES = {"sqlite": of_sqlite, "postgresql": of_postgresql, "mysql": of_mariadb, "mariadb": of_mariadb}

"""The raw bulk rate: how fast an engine's own client writes the rows of samples into an identical, empty table.

What is written are the rows that our driver has made, read back in the order in which they were stored. The table is made by our
own `upgrade`, so its keys, indexes and settings are the same; so are the batches, the conflict clause and the commits.
"""

from __future__ import annotations

import abc
import contextlib
import itertools
import time
import urllib.parse
from collections.abc import Iterable, Iterator
from typing import Any

import undercroft
from bench.metering import workload

OURS, FLOOR, BESIDE = "undercroft", "bench_floor", "bench_beside"
TIMES = 2
Rows = list[tuple[Any, ...]]


class Floor(abc.ABC):
    """One engine, spoken to by its client library alone.

    Args:
        url: of our store.
    """

    def __init__(self, url: str) -> None:
        self._url = urllib.parse.urlsplit(url)
        self._client = self._connect()

    def close(self) -> None:
        """Close the client."""
        self._client.close()

    @abc.abstractmethod
    def _connect(self) -> Any: ...

    def rows(self) -> Rows:
        """Our samples in the order in which they came."""
        cursor = self._client.cursor()
        cursor.execute(f"SELECT * FROM {OURS}_metering_sample ORDER BY ts, series_id")
        return list(cursor.fetchall())

    @abc.abstractmethod
    def prepare(self, rows: Rows) -> Any:
        """A batch in the form that the client sends."""

    @abc.abstractmethod
    def write(self, batch: Any) -> None:
        """Write it in one transaction, durable on return."""


class SQLite(Floor):
    """executemany."""

    def _connect(self) -> Any:
        import sqlite3

        connection = sqlite3.connect(self._url.path[1:], isolation_level=None)
        for setting in ("synchronous=FULL", "cache_size=-32768", "wal_autocheckpoint=16000", "temp_store=2"):
            connection.execute(f"PRAGMA {setting}")
        return connection

    def prepare(self, rows: Rows) -> Any:
        return rows

    def write(self, batch: Any) -> None:
        self._client.execute("BEGIN IMMEDIATE")
        places = ", ".join("?" * len(batch[0]))
        self._client.executemany(f"INSERT INTO {FLOOR}_metering_sample VALUES ({places}) ON CONFLICT DO NOTHING", batch)
        self._client.execute("COMMIT")


class PostgreSQL(Floor):
    """One INSERT of arrays."""

    def _connect(self) -> Any:
        import psycopg

        return psycopg.connect(self._url.geturl(), autocommit=True)

    def prepare(self, rows: Rows) -> Any:
        return [list(column) for column in zip(*rows, strict=True)]

    def write(self, batch: Any) -> None:
        types = ("int", "int", "uuid", "bigint", "bigint", "float8", "bigint", "int")
        given = ", ".join(f"%s::{each}[]" for each in types)
        self._client.execute(
            f"INSERT INTO {FLOOR}_metering_sample SELECT * FROM unnest({given}) AS g(a, b, id, d, e, f, h, i) "
            "ORDER BY id ON CONFLICT (id) DO NOTHING",
            batch,
        )


class MariaDB(Floor):
    """One INSERT of many rows."""

    def _connect(self) -> Any:
        import pymysql

        return pymysql.connect(
            host=self._url.hostname, port=self._url.port or 3306, user=self._url.username, password=self._url.password or "",
            database=self._url.path.lstrip("/"), autocommit=True, charset="utf8mb4",
        )  # fmt: skip

    def prepare(self, rows: Rows) -> Any:
        cursor = self._client.cursor()
        return ",".join(cursor.mogrify(f"({', '.join(['%s'] * len(row))})", row) for row in rows)

    def write(self, batch: Any) -> None:
        self._client.cursor().execute(f"INSERT IGNORE INTO {FLOOR}_metering_sample VALUES {batch}")


ENGINES: dict[str, type[Floor]] = {"sqlite": SQLite, "postgresql": PostgreSQL, "mysql": MariaDB, "mariadb": MariaDB}


def floor(url: str) -> Floor:
    """The floor of the engine that a store's URL names."""
    return ENGINES[urllib.parse.urlsplit(url).scheme.partition("+")[0]](url)


def compare(url: str, count: int, call: int) -> dict[str, float]:
    """Samples a second, each way into an empty store; twice in turns, and the faster counts. Making what is written is not counted.

    Args:
        url: of a store with the first `count` samples of the workload.
        count, call: how many in all, and at once.

    Returns:
        of the engine's own client as `raw`, of our driver as `ours`, and of our driver with the folding of all hours as `folded`.
    """
    batches = list(_batches(map(workload.sample, range(count)), call))
    taken: dict[str, list[float]] = {"raw": [], "ours": [], "folded": []}
    with contextlib.closing(floor(url)) as engine:
        prepared = [engine.prepare(rows) for rows in _batches(engine.rows(), call)]
        assert len(prepared) == len(batches)
        for _ in range(TIMES):
            with empty(url, FLOOR):
                taken["raw"].append(_timed(engine.write, prepared))
            with empty(url, BESIDE) as store:
                seconds = _timed(store.record_metering_data_batch, batches)
                taken["ours"].append(seconds)
                start = time.perf_counter()
                store.maintain()
                taken["folded"].append(seconds + time.perf_counter() - start)
                assert store.count_samples() == count
    return {way: count / min(seconds) for way, seconds in taken.items()}


def _batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    left = iter(items)
    while batch := list(itertools.islice(left, size)):
        yield batch


def _timed(write: Any, batches: Iterable[Any]) -> float:
    start = time.perf_counter()
    for batch in batches:
        write(batch)
    return time.perf_counter() - start


@contextlib.contextmanager
def empty(url: str, namespace: str) -> Iterator[Any]:
    """An empty store beside that at `url`, which is gone at the end."""
    with contextlib.closing(undercroft.connect("metering", url, namespace=namespace)) as store:
        store.upgrade()
        try:
            yield store
        finally:
            store.drop()

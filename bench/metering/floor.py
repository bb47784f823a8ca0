"""The raw bulk rate: how fast an engine's own client writes the rows of samples into an identical, empty table.

What is written are the rows that our driver has made, read back in the order in which they were stored. The table is made by our
own `upgrade`, so its keys, indexes and settings are the same; so are the batches, the conflict clause and the commits.
"""

from __future__ import annotations

import abc
import contextlib
from typing import Any

from bench import floors
from bench.floors import BESIDE, FLOOR, OURS, TIMES, batches, empty, seconds
from bench.metering import workload

Rows = list[tuple[Any, ...]]


class Floor(floors.Floor):
    """One engine that holds samples."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._client = self._connect()

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


class SQLite(Floor):
    """executemany."""

    def _connect(self) -> Any:
        return floors.sqlite(self._url, "cache_size=-32768", "wal_autocheckpoint=16000", "temp_store=2")

    def prepare(self, rows: Rows) -> Any:
        return rows

    def write(self, part: Any) -> None:
        self._client.execute("BEGIN IMMEDIATE")
        places = ", ".join("?" * len(part[0]))
        self._client.executemany(f"INSERT INTO {FLOOR}_metering_sample VALUES ({places}) ON CONFLICT DO NOTHING", part)
        self._client.execute("COMMIT")


class PostgreSQL(Floor):
    """One INSERT of arrays."""

    def _connect(self) -> Any:
        return floors.postgresql(self._url)

    def prepare(self, rows: Rows) -> Any:
        return [list(column) for column in zip(*rows, strict=True)]

    def write(self, part: Any) -> None:
        types = ("int", "int", "uuid", "bigint", "bigint", "float8", "bigint", "int")
        given = ", ".join(f"%s::{each}[]" for each in types)
        self._client.execute(
            f"INSERT INTO {FLOOR}_metering_sample SELECT * FROM unnest({given}) AS g(a, b, id, d, e, f, h, i) "
            "ORDER BY id ON CONFLICT (id) DO NOTHING",
            part,
        )


class MariaDB(Floor):
    """One INSERT of many rows."""

    def _connect(self) -> Any:
        return floors.mariadb(self._url, autocommit=True)

    def prepare(self, rows: Rows) -> Any:
        return floors.written_out(self._client, rows)

    def write(self, part: Any) -> None:
        self._client.cursor().execute(f"INSERT IGNORE INTO {FLOOR}_metering_sample VALUES {part}")


ENGINES: dict[str, type[Floor]] = {"sqlite": SQLite, "postgresql": PostgreSQL, "mysql": MariaDB, "mariadb": MariaDB}


def floor(url: str) -> Floor:
    """The floor of the engine that a store's URL names."""
    return floors.floor(ENGINES, url)


def compare(url: str, count: int, call: int) -> dict[str, float]:
    """Samples a second, each way into an empty store; twice in turns, and the faster counts. Making what is written is not counted.

    Args:
        url: of a store with the first `count` samples of the workload.
        count, call: how many in all, and at once.

    Returns:
        of the engine's own client as `raw`, of our driver as `ours`, and of our driver with the folding of all hours as `folded`.
    """
    given = list(batches(map(workload.sample, range(count)), call))
    taken: dict[str, list[float]] = {"raw": [], "ours": [], "folded": []}
    with contextlib.closing(floor(url)) as engine:
        prepared = [engine.prepare(rows) for rows in batches(engine.rows(), call)]
        assert len(prepared) == len(given)
        for _ in range(TIMES):
            with empty("metering", url, FLOOR):
                taken["raw"].append(seconds(engine.write, prepared))
            with empty("metering", url, BESIDE) as store:
                ours = seconds(store.record_metering_data_batch, given)
                taken["ours"].append(ours)
                taken["folded"].append(ours + seconds(lambda _: store.maintain(), [None]))
                assert store.count_samples() == count
    return {way: count / min(found) for way, found in taken.items()}

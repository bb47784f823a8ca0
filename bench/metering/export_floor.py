"""The export worker's target beside the raw bulk rate: how fast an engine's client inserts the same rows into an identical table.

The rows are read back from the table that the target has filled. The other table is made by the target, too, so keys, indexes and
settings are the same, as are the batches and the commits. On a conflict of ids a row is passed over.
"""

from __future__ import annotations

import abc
import contextlib
import datetime as dt
import functools
import itertools
import pathlib
from collections.abc import Iterator
from typing import Any

from bench import floors
from bench.floors import TIMES, batches, seconds
from bench.metering import workload
from undercroft.export import COLUMNS, Sample, load
from undercroft.export.state import Unit
from undercroft.export.target import Target

FLOOR, OURS = "bench_floor", "bench_ours"
ENDPOINT = "bench"
_NAMES = ", ".join(COLUMNS)
Rows = list[tuple[Any, ...]]


class Floor(floors.Floor):
    """One engine that holds rows of a target."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._client = self._connect()

    @abc.abstractmethod
    def _connect(self) -> Any: ...

    @abc.abstractmethod
    def prepare(self, rows: Rows) -> Any:
        """A batch of values in the order in which the client takes them."""

    def write_out(self, rows: Rows) -> Any:
        """A batch as ready-made SQL text, so that the client does not spend time on it; None where the client sends values."""
        return None

    def send(self, text: Any) -> None:
        """Write what `write_out` has made."""
        raise NotImplementedError

    def drop(self, table: str) -> None:
        """Remove a target's tables."""
        for name in (table, f"{table}_sync"):
            self._client.cursor().execute(f"DROP TABLE IF EXISTS {name}")

    def count(self, table: str) -> int:
        """How many rows a target has."""
        cursor = self._client.cursor()
        cursor.execute(f"SELECT count(*) FROM {table}")
        return int(cursor.fetchone()[0])

    def rows(self, table: str) -> Rows:
        """The rows of a target, in the order in which `pages` gives them."""
        cursor = self._client.cursor()
        cursor.execute(f"SELECT {_NAMES} FROM {table}")
        kinds = {meter.name: kind for kind, meter in enumerate(workload.METERS)}
        meter, moment = COLUMNS.index("counter_name"), COLUMNS.index("timestamp")
        return sorted(map(tuple, cursor.fetchall()), key=lambda row: (kinds[row[meter]], row[moment]))


class SQLite(Floor):
    """executemany."""

    def _connect(self) -> Any:
        return floors.sqlite(self._url, "cache_size=-32768", "wal_autocheckpoint=16000", "temp_store=2")

    def prepare(self, rows: Rows) -> Any:
        return rows

    def write(self, part: Any) -> None:
        self._client.execute("BEGIN IMMEDIATE")
        places = ", ".join("?" * len(COLUMNS))
        self._client.executemany(f"INSERT INTO {FLOOR} ({_NAMES}) VALUES ({places}) ON CONFLICT DO NOTHING", part)
        self._client.execute("COMMIT")


class PostgreSQL(Floor):
    """One INSERT of arrays."""

    def _connect(self) -> Any:
        return floors.postgresql(self._url)

    def prepare(self, rows: Rows) -> Any:
        return [list(column) for column in zip(*rows, strict=True)]

    def write(self, part: Any) -> None:
        types = {"counter_volume": "float8", "timestamp": "timestamp"}
        given = ", ".join(f"%s::{types.get(name, 'text')}[]" for name in COLUMNS)
        self._client.execute(
            f"INSERT INTO {FLOOR} ({_NAMES}) SELECT * FROM unnest({given}) ON CONFLICT (message_id) DO NOTHING", part
        )

    def write_out(self, rows: Rows) -> Any:
        return ["{" + ",".join(f'"{value}"' for value in column) + "}" for column in zip(*rows, strict=True)]

    def send(self, text: Any) -> None:
        self.write(text)


class MariaDB(Floor):
    """One INSERT of many rows."""

    _INSERT = f"INSERT IGNORE INTO {FLOOR} ({_NAMES})"

    def _connect(self) -> Any:
        return floors.mariadb(self._url, autocommit=True)

    def prepare(self, rows: Rows) -> Any:
        return rows

    def write(self, part: Any) -> None:
        places = ", ".join(["%s"] * len(COLUMNS))
        self._client.cursor().executemany(f"{self._INSERT} VALUES ({places})", part)

    def write_out(self, rows: Rows) -> Any:
        return floors.written_out(self._client, rows)

    def send(self, text: Any) -> None:
        self._client.cursor().execute(f"{self._INSERT} VALUES {text}")


ENGINES: dict[str, type[Floor]] = {"sqlite": SQLite, "postgresql": PostgreSQL, "mysql": MariaDB, "mariadb": MariaDB}


def pages(count: int, size: int) -> Iterator[tuple[Unit, list[Sample]]]:
    """The first samples of the workload as the worker reads them: pages of one meter each, in the order of time."""
    for kind, meter in enumerate(workload.METERS):
        numbers = range(kind, count, len(workload.METERS))
        for page in batches(map(sample, numbers), size):
            yield Unit(ENDPOINT, "all", meter.name), page


def sample(number: int) -> Sample:
    """A sample of the workload, as the worker reads it."""
    found = workload.sample(number)
    return Sample(**{name: found[name] for name in COLUMNS} | {"counter_volume": float(found["counter_volume"])})


@contextlib.contextmanager
def emptied(url: str, table: str, folder: pathlib.Path) -> Iterator[tuple[Target, Floor]]:
    """A target with an empty table, which stays behind, and its engine's client."""
    file = folder / "export.ini"
    file.write_text("[exporter]\nauth = none\nendpoint = http://127.0.0.1:1\n[filter:all]\nmeters = *\n")
    with (
        contextlib.closing(floors.floor(ENGINES, url)) as engine,
        contextlib.closing(Target(load(file, {"connection": url, "table": table}))) as target,
    ):
        engine.drop(table)
        target.prepare()
        yield target, engine


def compare(url: str, count: int, size: int, folder: pathlib.Path) -> dict[str, float]:
    """Samples a second, each way into an empty table; twice in turns, and the faster counts. Making what is written is not counted.

    Args:
        url: of the target's database.
        count, size: samples in all, and of a page.
        folder: for the worker's configuration.

    Returns:
        of the engine's client as `raw`, of the client with texts made before as `text` where there are such, of the target with
        its points as `ours`.
    """
    given = list(pages(count, size))
    taken: dict[str, list[float]] = {"raw": [], "text": [], "ours": []}
    values: list[Any] = []
    texts: list[Any] = []
    for _ in range(TIMES):
        with emptied(url, OURS, folder) as (target, engine):
            taken["ours"].append(seconds(functools.partial(_store, target), given))
            if not values:
                rows = iter(engine.rows(OURS))
                parts = [list(itertools.islice(rows, len(page))) for _, page in given]
                assert sum(map(len, parts)) == count
                assert next(rows, None) is None
                values = [engine.prepare(part) for part in parts]
                texts = [text for part in parts if (text := engine.write_out(part)) is not None]
        for way, written in (("raw", values), ("text", texts)):
            if written:
                with emptied(url, FLOOR, folder) as (_, engine):
                    taken[way].append(seconds(engine.write if way == "raw" else engine.send, written))
                    assert engine.count(FLOOR) == count
    return {way: count / min(found) for way, found in taken.items() if found}


def _store(target: Target, page: tuple[Unit, list[Sample]]) -> None:
    unit, samples = page
    stored = target.store(unit, samples, samples[-1].timestamp + dt.timedelta(microseconds=1))
    assert stored.new == len(samples)

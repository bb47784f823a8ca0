"""The raw bulk rate: how fast an engine's own client writes what is in the engine's form already, into an identical, empty place.

What is written are the rows or documents of the store that was just filled, read back. The place is made by our own `upgrade`, so
its tables, indexes and settings are the same; so are how many events go at once, and what is waited for.
"""

from __future__ import annotations

import abc
import contextlib
import itertools
import json
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

from bench import floors
from bench.floors import BESIDE, FLOOR, OURS, TIMES, batches, empty, seconds

# The tables that hold events, and the column of an event's number in each.
TABLES = {"event": "id", "trait_text": "event_id", "trait_number": "event_id"}
# Names of types and traits, which go with the first of them.
NAMES = ("event_type", "trait_key", "type_trait")


class Floor(floors.Floor):
    """One engine that holds events."""

    @abc.abstractmethod
    def parts(self, events: int, call: int) -> Iterator[Any]:
        """The first events of our store in the engine's own form, so many at once."""


class Sql(Floor):
    """Tables, a few thousand rows at once."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._client = self._connect()

    @abc.abstractmethod
    def _connect(self) -> Any: ...

    @abc.abstractmethod
    def _read(self, chosen: str) -> Any:
        """Rows in the engine's own form."""

    def _rows(self, statement: str) -> Any:
        cursor = self._client.cursor()
        cursor.execute(statement)
        return cursor.fetchall()

    def parts(self, events: int, call: int) -> Iterator[Any]:
        numbers = [row[0] for row in self._rows(f"SELECT id FROM {OURS}_events_event ORDER BY id LIMIT {events}")]
        more = {table: self._read(f"SELECT * FROM {OURS}_events_{table}") for table in NAMES}
        for some in batches(numbers, call):
            within = f"BETWEEN {some[0]} AND {some[-1]}"
            yield more | {
                table: self._read(f"SELECT * FROM {OURS}_events_{table} WHERE {key} {within}") for table, key in TABLES.items()
            }
            more = {}


class SQLite(Sql):
    """executemany."""

    def _connect(self) -> Any:
        return floors.sqlite(self._url, "cache_size=-65536")

    def _read(self, chosen: str) -> Any:
        return self._rows(chosen)

    def write(self, part: Any) -> None:
        self._client.execute("BEGIN IMMEDIATE")
        for table, rows in part.items():
            places = ", ".join("?" * len(rows[0]))
            self._client.executemany(f"INSERT INTO {FLOOR}_events_{table} VALUES ({places})", rows)
        self._client.execute("COMMIT")


class PostgreSQL(Sql):
    """Binary COPY."""

    def _connect(self) -> Any:
        return floors.postgresql(self._url)

    def _read(self, chosen: str) -> Any:
        with self._client.cursor() as cursor, cursor.copy(f"COPY ({chosen}) TO STDOUT (FORMAT BINARY)") as copy:
            return b"".join(copy)

    def write(self, part: Any) -> None:
        with self._client.transaction(), self._client.cursor() as cursor:
            for table, rows in part.items():
                with cursor.copy(f"COPY {FLOOR}_events_{table} FROM STDIN (FORMAT BINARY)") as copy:
                    copy.write(rows)


class MariaDB(Sql):
    """One INSERT of many rows for each table."""

    def _connect(self) -> Any:
        return floors.mariadb(self._url, autocommit=False)

    def _read(self, chosen: str) -> Any:
        return floors.written_out(self._client, self._rows(chosen))

    def write(self, part: Any) -> None:
        cursor = self._client.cursor()
        for table, rows in part.items():
            cursor.execute(f"INSERT INTO {FLOOR}_events_{table} VALUES {rows}")
        self._client.commit()


class MongoDB(Floor):
    """insert_many of encoded documents, acknowledged as ours are."""

    def __init__(self, url: str) -> None:
        import pymongo
        from bson.codec_options import CodecOptions
        from bson.raw_bson import RawBSONDocument

        super().__init__(url)
        self._client = pymongo.MongoClient(url, retryWrites=False, w="majority", journal=True)
        raw: Any = CodecOptions(document_class=RawBSONDocument)
        self._database = self._client.get_default_database().with_options(codec_options=raw)

    def parts(self, events: int, call: int) -> Iterator[Any]:
        yield from batches(self._database["event"].find().sort("micros").limit(events), call)

    def write(self, part: Any) -> None:
        self._database[f"{FLOOR}_event"].insert_many(part, ordered=False)


class OpenSearch(Floor):
    """_bulk of encoded documents, which can be found on return, as ours can."""

    def __init__(self, url: str) -> None:
        import opensearchpy

        super().__init__(url)
        (self._ours,) = urllib.parse.parse_qs(self._url.query)["namespace"]
        self._client = opensearchpy.OpenSearch([{"host": self._url.hostname, "port": self._url.port}], timeout=60)

    def parts(self, events: int, call: int) -> Iterator[Any]:
        from opensearchpy import helpers

        found = helpers.scan(
            self._client, index=f"{self._ours}_events_*", preserve_order=True, size=call, query={"sort": [{"generated": "asc"}]}
        )
        for hits in batches(itertools.islice(found, events), call):
            lines = itertools.chain.from_iterable(
                ({"create": {"_index": hit["_index"].replace(self._ours, FLOOR, 1), "_id": hit["_id"]}}, hit["_source"])
                for hit in hits
            )
            yield b"".join(json.dumps(line).encode() + b"\n" for line in lines)

    def write(self, part: Any) -> None:
        answer = self._client.bulk(body=part, params={"refresh": "true"})
        assert not answer["errors"]


ENGINES: dict[str, type[Floor]] = {
    "sqlite": SQLite, "postgresql": PostgreSQL, "mysql": MariaDB, "mariadb": MariaDB, "mongodb": MongoDB,
    "opensearch": OpenSearch, "es": OpenSearch,
}  # fmt: skip


def floor(url: str) -> Floor:
    """The floor of the engine that a store's URL names."""
    return floors.floor(ENGINES, url)


def compare(url: str, events: int, call: int, made: Callable[[int], Any]) -> dict[str, float]:
    """Seconds to write the first events of the store at `url` once more, each way into an empty place.

    Ours once more, too, because a server that was just started when we filled the store is faster now; for the same reason each way
    is gone twice, and the faster counts. Reading and making what is written is not counted.

    Args:
        url: of the store.
        events, call: how many in all, and at once.
        made: makes the event of a number.

    Returns:
        the seconds of the engine's own client as `raw`, and of our driver as `ours`.
    """
    given = list(batches(map(made, range(events)), call))
    taken: dict[str, list[float]] = {"raw": [], "ours": []}
    with contextlib.closing(floor(url)) as engine:
        parts = list(engine.parts(events, call))
        assert len(parts) == len(given)
        for _ in range(TIMES):
            with empty("events", url, FLOOR):
                taken["raw"].append(seconds(engine.write, parts))
            with empty("events", url, BESIDE) as store:
                taken["ours"].append(seconds(store.record_events, given))
    return {way: min(found) for way, found in taken.items()}

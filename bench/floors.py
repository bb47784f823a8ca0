"""What the raw floors of all benchmarks share: engines' own clients, set up as our drivers set them, and how writing is timed."""

from __future__ import annotations

import abc
import contextlib
import itertools
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import undercroft

# Prefixes of tables: of our store, of the place that an engine's client fills, of that which our driver fills beside it.
OURS, FLOOR, BESIDE = "undercroft", "bench_floor", "bench_beside"
# How often each way is gone; the fastest counts.
TIMES = 2
F = TypeVar("F")


class Floor(abc.ABC):
    """One engine, spoken to by its client library alone.

    Args:
        url: of our store.
    """

    _client: Any

    def __init__(self, url: str) -> None:
        self._url = urllib.parse.urlsplit(url)

    def close(self) -> None:
        """Close the client."""
        self._client.close()

    @abc.abstractmethod
    def write(self, part: Any) -> None:
        """Write a part of what there is as one request or transaction, durable on return."""


def sqlite(url: urllib.parse.SplitResult, *settings: str) -> Any:
    """A connection that commits durably, with these PRAGMAs, too."""
    import sqlite3

    connection = sqlite3.connect(url.path[1:], isolation_level=None)
    for setting in ("synchronous=FULL", *settings):
        connection.execute(f"PRAGMA {setting}")
    return connection


def postgresql(url: urllib.parse.SplitResult) -> Any:
    """A connection that commits each statement by itself."""
    import psycopg

    return psycopg.connect(url.geturl(), autocommit=True)


def mariadb(url: urllib.parse.SplitResult, **options: Any) -> Any:
    """A connection with these options of its client."""
    import pymysql

    return pymysql.connect(
        host=url.hostname, port=url.port or 3306, user=url.username, password=url.password or "", database=url.path.lstrip("/"),
        charset="utf8mb4", **options,
    )  # fmt: skip


def written_out(connection: Any, rows: Iterable[Sequence[Any]]) -> str:
    """Rows as the text behind VALUES, for the client of MariaDB."""
    cursor = connection.cursor()
    return ",".join(cursor.mogrify(f"({', '.join(['%s'] * len(row))})", row) for row in rows)


def floor(engines: Mapping[str, Callable[[str], F]], url: str) -> F:
    """The floor of the engine that a store's URL names."""
    return engines[urllib.parse.urlsplit(url).scheme.partition("+")[0]](url)


def batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """The items, so many at once."""
    left = iter(items)
    while batch := list(itertools.islice(left, size)):
        yield batch


def seconds(write: Callable[[Any], object], parts: Iterable[Any]) -> float:
    """How long it takes to write the parts one after another."""
    start = time.perf_counter()
    for part in parts:
        write(part)
    return time.perf_counter() - start


@contextlib.contextmanager
def empty(kind: str, url: str, namespace: str) -> Iterator[Any]:
    """An empty store beside that at `url`, which is gone at the end."""
    with contextlib.closing(undercroft.connect(kind, url, namespace=namespace)) as store:
        store.upgrade()
        try:
            yield store
        finally:
            store.drop()

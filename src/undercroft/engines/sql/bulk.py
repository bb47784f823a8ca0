"""Rows in bulk: as columns, in portions that fit into a statement, and what the planner is told after many of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from undercroft.core.errors import Unavailable
from undercroft.engines.sql.database import Database

# Statistics are updated again when so many times the rows have come.
_GROWTH = 4


def arrays(rows: Sequence[Sequence[Any]], width: int) -> tuple[list[Any], ...]:
    """The columns of rows: `width` lists."""
    return tuple(list(column) for column in zip(*rows, strict=True)) or ([],) * width


def portions(rows: Iterable[tuple[Any, ...]], most: int, size: int) -> Iterator[list[tuple[Any, ...]]]:
    """The rows in lists of at most `most`, whose text and bytes have about `size` characters at most."""
    portion: list[tuple[Any, ...]] = []
    filled = 0
    for each in rows:
        weight = sum(len(value) for value in each if isinstance(value, (str, bytes)))
        if portion and (len(portion) >= most or filled + weight > size):
            yield portion
            portion, filled = [], 0
        portion.append(each)
        filled += weight
    if portion:
        yield portion


class Statistics:
    """Updates the planner's statistics of tables that grow from nothing; later the engine's own rounds do.

    Args:
        db: the database.
        metadata: the tables.
        after: rows after which they are updated first; None for never.
    """

    def __init__(self, db: Database, metadata: sa.MetaData, after: int | None) -> None:
        self._db = db
        self._metadata = metadata
        self._added = 0
        self._due = after

    def add(self, rows: int) -> None:
        """Count rows that were committed, and update the statistics when it is time."""
        self._added += rows
        analyse = self._db.dialect.analyse
        if analyse is None or self._due is None or self._added < self._due:
            return
        self._due = self._added * _GROWTH
        names = ", ".join(table.name for table in self._metadata.sorted_tables)
        with contextlib.suppress(Unavailable):
            self._db.alone(lambda c: c.exec_driver_sql(f"{analyse} {names}").close())

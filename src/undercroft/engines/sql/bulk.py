"""Rows in bulk: as columns, in portions that fit into a statement, and what the planner is told after many of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from undercroft.core.errors import Unavailable
from undercroft.engines.sql.database import Database

R = TypeVar("R")
# Statistics are updated again when so many times the rows have come.
_GROWTH = 4


def arrays(rows: Sequence[Sequence[Any]], width: int) -> tuple[list[Any], ...]:
    """The columns of rows: `width` lists."""
    return tuple(list(column) for column in zip(*rows, strict=True)) or ([],) * width


def characters(row: Iterable[Any]) -> int:
    """The length of all text and bytes of a row."""
    return sum(len(value) for value in row if isinstance(value, (str, bytes)))


def portions(rows: Iterable[R], most: int, size: int, weigh: Callable[[R], int]) -> Iterator[list[R]]:
    """The rows, in order, in lists of at most `most` that weigh at most `size`; a heavier row is a list of its own."""
    portion: list[R] = []
    filled = 0
    for each in rows:
        weight = weigh(each)
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

"""Rows in bulk: as columns, how much of a statement they take, and what the planner is told after many of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from undercroft.core.errors import Unavailable
from undercroft.engines.sql.database import Database

# Statistics are updated again when so many times the rows have come.
_GROWTH = 4


def arrays(rows: Sequence[Sequence[Any]], width: int) -> tuple[list[Any], ...]:
    """The columns of rows: `width` lists."""
    return tuple(list(column) for column in zip(*rows, strict=True)) or ([],) * width


def literal(values: Iterable[Any]) -> str:
    """Numbers, or words that need no quotes, as the text of an array: the client library would look at each by itself."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def literal_texts(values: Sequence[str | None]) -> str:
    """Texts without U+0000 as the text of an array."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return literal(None if value is None else f'"{_escaped(value)}"' for value in values)
    # All at once: a batch of samples has ten thousand of them.
    return '{"' + _escaped("\0".join(known)).replace("\0", '","') + '"}' if known else "{}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def literal_bytes(row: Iterable[Any]) -> int:
    """How many bytes a row takes at most as literals of a statement: any character of a text may need another before it."""
    size = 0
    for value in row:
        kind = value.__class__
        if kind is str:
            size += 6 + 2 * (len(value) if value.isascii() else len(value.encode()))
        elif kind is bytes:
            size += 14 + 2 * len(value)
        else:
            size += 24
    return size


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

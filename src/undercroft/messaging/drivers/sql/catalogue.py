"""The catalogue in SQL."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from undercroft.engines.sql import Database
from undercroft.messaging import contract
from undercroft.messaging.drivers.sql.dialects.base import inserted
from undercroft.messaging.models import Mapped

# Rows that one statement reads where all are wanted.
_AT_ONCE = 1_000
# Entries that one statement names.
_TOGETHER = 100
# Bits of the version that an entry begins with, so that it is none of an entry before it.
_VERSION = 48


class Catalogue(contract.CatalogueBase):
    """The catalogue of a control driver."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._db: Database = driver.db
        self._table: sa.Table = driver.tables.catalogue

    def _list(self, project: str) -> Iterable[Mapped]:
        column, marker = self._table.c, ""
        while True:
            wanted = sa.select(self._table).where(column.project == project, column.queue > marker)
            page = self._those(wanted.order_by(column.queue).limit(_AT_ONCE))
            yield from page
            if len(page) < _AT_ONCE:
                return
            marker = page[-1].queue

    def _page(self, after: tuple[str, str] | None, limit: int) -> Sequence[Mapped]:
        column = self._table.c
        wanted = sa.select(self._table).order_by(column.project, column.queue).limit(limit)
        if after is not None:
            project, queue = after
            # The first condition is one that every planner knows to be a range of the key.
            behind = sa.or_(column.project > project, column.queue > queue)
            wanted = wanted.where(column.project >= project, behind)
        return self._those(wanted)

    def _those(self, wanted: sa.Select[Any]) -> Sequence[Mapped]:
        return [_entry(row) for row in self._db.read(lambda c: c.execute(wanted).all())]

    def _find(self, project: str, queue: str) -> Mapped | None:
        wanted = sa.select(self._table).where(self._is(project, queue))
        row = self._db.read(lambda c: c.execute(wanted).first())
        return None if row is None else _entry(row)

    def _find_all(self, wanted: Sequence[tuple[str, str]]) -> Sequence[Mapped]:
        found: list[Mapped] = []
        for first in range(0, len(wanted), _TOGETHER):
            part = sa.or_(*(self._is(*each) for each in wanted[first : first + _TOGETHER]))
            found += self._those(sa.select(self._table).where(part))
        return found

    def _put(self, project: str, queue: str, pool: str, state: bytes, version: int | None) -> bool:
        values: dict[str, Any] = {"pool": pool, "state": state}
        if version is None:
            values |= {"project": project, "queue": queue, "version": secrets.randbits(_VERSION)}
            return self._db.write(lambda c: inserted(c, self._db, self._table, values))
        mine = sa.and_(self._is(project, queue), self._table.c.version == version)
        change = self._table.update().where(mine).values(version=version + 1, **values)
        return self._db.write(lambda c: bool(c.execute(change).rowcount))

    def _remove(self, project: str, queue: str, version: int | None) -> bool:
        mine = self._is(project, queue)
        if version is not None:
            mine = sa.and_(mine, self._table.c.version == version)
        gone = self._table.delete().where(mine)
        return self._db.write(lambda c: bool(c.execute(gone).rowcount))

    def _drop_all(self) -> None:
        self._db.write(lambda c: c.execute(self._table.delete()))

    def _counts(self) -> Mapping[str, int]:
        wanted = sa.select(self._table.c.pool, sa.func.count()).group_by(self._table.c.pool)
        return {pool: int(count) for pool, count in self._db.read(lambda c: c.execute(wanted).all())}

    def _is(self, project: str, queue: str) -> sa.ColumnElement[bool]:
        return sa.and_(self._table.c.project == project, self._table.c.queue == queue)


def _entry(row: Any) -> Mapped:
    return Mapped(row.project, row.queue, row.pool, bytes(row.state), row.version)

"""Flavors in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from undercroft.core import document
from undercroft.engines.sql import Database
from undercroft.messaging import contract
from undercroft.messaging.drivers.sql.dialects.base import inserted
from undercroft.messaging.models import Flavor

_decode = msgspec.json.Decoder(Any).decode


class Flavors(contract.FlavorsBase):
    """The register of flavors of a control driver."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._db: Database = driver.db
        self._table: sa.Table = driver.tables.flavor

    def _list(self, project: str, marker: str, limit: int | None) -> Sequence[Flavor]:
        column = self._table.c
        wanted = sa.select(self._table).where(column.project == project, column.name > marker).order_by(column.name).limit(limit)
        return [_flavor(row) for row in self._db.read(lambda c: c.execute(wanted).all())]

    def _get(self, name: str, project: str) -> Flavor | None:
        wanted = sa.select(self._table).where(self._is(name, project))
        row = self._db.read(lambda c: c.execute(wanted).first())
        return None if row is None else _flavor(row)

    def _put(self, name: str, project: str, capabilities: Any) -> None:
        kept = document.encoded(capabilities, "capabilities")
        values = {"project": project, "name": name, "capabilities": kept}
        change = self._table.update().where(self._is(name, project)).values(capabilities=kept)

        def work(connection: sa.Connection) -> None:
            if not inserted(connection, self._db, self._table, values):
                connection.execute(change)

        self._db.write(work)

    def _update(self, name: str, project: str, capabilities: Any) -> bool:
        mine = self._is(name, project)
        change = self._table.update().where(mine).values(capabilities=document.encoded(capabilities, "capabilities"))

        def work(connection: sa.Connection) -> bool:
            # MariaDB counts rows that change; one that has this already is there all the same.
            if connection.execute(sa.select(self._table.c.name).where(mine).with_for_update()).first() is None:
                return False
            connection.execute(change)
            return True

        return self._db.write(work)

    def _delete(self, name: str, project: str) -> None:
        gone = self._table.delete().where(self._is(name, project))
        self._db.write(lambda c: c.execute(gone))

    def _is_anywhere(self, name: str) -> bool:
        wanted = sa.select(self._table.c.name).where(self._table.c.name == name).limit(1)
        return self._db.read(lambda c: c.execute(wanted).first()) is not None

    def _drop_all(self) -> None:
        self._db.write(lambda c: c.execute(self._table.delete()))

    def _is(self, name: str, project: str) -> sa.ColumnElement[bool]:
        return sa.and_(self._table.c.project == project, self._table.c.name == name)


def _flavor(row: Any) -> Flavor:
    return Flavor(row.name, _decode(row.capabilities))

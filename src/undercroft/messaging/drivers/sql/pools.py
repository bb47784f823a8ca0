"""Pools in SQL."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from undercroft.core import document
from undercroft.engines.sql import Database
from undercroft.messaging import contract
from undercroft.messaging.drivers.sql.dialects.base import inserted
from undercroft.messaging.models import Pool

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Pools(contract.PoolsBase):
    """The register of pools of a control driver."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._db: Database = driver.db
        self._table: sa.Table = driver.tables.pool
        self._flavors: sa.Table = driver.tables.flavor

    def _list(self, marker: str, limit: int | None) -> Sequence[Pool]:
        return self._those(sa.select(self._table).where(self._table.c.name > marker).limit(limit))

    def _of_flavor(self, flavor: str | None) -> Sequence[Pool]:
        wanted = sa.select(self._table)
        return self._those(wanted if flavor is None else wanted.where(self._table.c.flavor == flavor))

    def _those(self, wanted: sa.Select[Any]) -> Sequence[Pool]:
        return [_pool(row) for row in self._db.read(lambda c: c.execute(wanted.order_by(self._table.c.name)).all())]

    def _get(self, name: str) -> Pool | None:
        wanted = sa.select(self._table).where(self._table.c.name == name)
        row = self._db.read(lambda c: c.execute(wanted).first())
        return None if row is None else _pool(row)

    def _put(self, pool: Pool) -> bool:
        column, values = self._table.c, _columns(pool._asdict())
        mine = self._table.update().where(column.name == pool.name)

        def work(connection: sa.Connection) -> bool:
            if self._is_taken(connection, values["digest"], pool.name):
                return False
            if not inserted(connection, self._db, self._table, values):
                # A pool of this URI that came in between makes the engine refuse this; then all is done again.
                connection.execute(mine.values(**values))
                return self._is_there(connection, pool.name)
            return True

        return self._db.write(work)

    def _update(self, name: str, changes: Mapping[str, Any]) -> bool | None:
        values = _columns(changes)
        change = self._table.update().where(self._table.c.name == name).values(**values)

        def work(connection: sa.Connection) -> bool | None:
            if not self._is_there(connection, name):
                return None
            if "digest" in values and self._is_taken(connection, values["digest"], name):
                return False
            connection.execute(change)
            return True

        return self._db.write(work)

    def _delete(self, name: str) -> str | None:
        column = self._table.c
        own = sa.select(column.flavor).where(column.name == name)

        def work(connection: sa.Connection) -> str | None:
            flavor = connection.execute(own).scalar()
            if flavor:
                # Locked in one order, so that of those who remove the last two one sees that it is the last.
                those = sa.select(column.name).where(column.flavor == flavor).order_by(column.name).with_for_update()
                exists = sa.select(self._flavors.c.name).where(self._flavors.c.name == flavor).limit(1)
                if connection.execute(those).scalars().all() == [name] and connection.execute(exists).first() is not None:
                    return str(flavor)
            connection.execute(self._table.delete().where(column.name == name))
            return None

        return self._db.write(work)

    def _drop_all(self) -> None:
        self._db.write(lambda c: c.execute(self._table.delete()))

    def _is_there(self, connection: sa.Connection, name: str) -> bool:
        own = sa.select(self._table.c.name).where(self._table.c.name == name).with_for_update()
        return connection.execute(own).first() is not None

    def _is_taken(self, connection: sa.Connection, digest: bytes, name: str) -> bool:
        other = sa.select(self._table.c.name).where(self._table.c.digest == digest, self._table.c.name != name)
        return connection.execute(other).first() is not None


def _columns(fields: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(fields)
    if "uri" in values:
        values["digest"] = hashlib.blake2b(values["uri"].encode(), digest_size=16).digest()
    if "options" in values:
        values["options"] = document.encoded(values["options"], "options")
    return values


def _pool(row: Any) -> Pool:
    return Pool(row.name, row.uri, row.weight, row.flavor, _decode(row.options))

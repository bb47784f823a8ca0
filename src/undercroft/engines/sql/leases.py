"""Locks on periodic jobs that every process on one database sees: a row per job, with the moment until which it is taken."""

from __future__ import annotations

import contextlib
import datetime as dt

import sqlalchemy as sa

from undercroft.core import time
from undercroft.engines.sql import migrate
from undercroft.engines.sql.database import Database

KIND = "jobs"


class Leases:
    """`undercroft.core.jobs.Locks` in a SQL database, by the engine's clock."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lease = sa.Table(
            f"{db.options.namespace}_{KIND}_lease",
            sa.MetaData(),
            sa.Column("name", sa.String(255), primary_key=True),
            sa.Column("until", sa.BigInteger, nullable=False),
        )

    def init(self) -> None:
        """Create or upgrade the table."""
        migrate.upgrade(self._db, KIND)

    def acquire(self, name: str, ttl: dt.timedelta) -> contextlib.AbstractContextManager[object] | None:
        """Take the lock `name` until `ttl` has passed; None when it is taken.

        The lease is not given back early: the job is done once in a period, and a holder that died loses it by itself.
        """
        lease = self._lease.c
        now = time.to_micros(self._db.now())
        until = time.to_micros(self._db.now() + ttl)

        def take(connection: sa.Connection) -> bool:
            taken = connection.execute(
                self._lease.update().where(lease.name == name, lease.until <= now).values(until=until)
            ).rowcount
            if taken or connection.execute(sa.select(lease.name).where(lease.name == name)).first():
                return bool(taken)
            # Of two that find no row, one runs into the other's key, is run again, and finds the row.
            connection.execute(self._lease.insert().values(name=name, until=until))
            return True

        return contextlib.nullcontext() if self._db.write(take) else None

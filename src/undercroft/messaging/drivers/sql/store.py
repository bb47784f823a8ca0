"""What both planes have in common: the database, the tables, the clock, and the plane of messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from undercroft.core import time
from undercroft.engines.sql import Database, EngineOptions, dialect
from undercroft.engines.sql.store import SqlStore
from undercroft.messaging.drivers.sql import dialects
from undercroft.messaging.drivers.sql.dialects import Dialect, Lane
from undercroft.messaging.drivers.sql.schema import KIND, tables


class Options(EngineOptions, kw_only=True, frozen=True):
    """Options of the store of messages: those of every SQL driver."""


class Store:
    """One namespace of one database.

    Args:
        url: names it; options follow a question mark.
        options: the same options; they win over the URL's.
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        own: type[Dialect] = dialect.load(dialects.__name__, dialect.name_of(url))
        self.db, self.options = Database.open(url, Options, options, own.pins)
        self.tables = tables(self.options.namespace)
        self.plane = own(self.db, self.tables)
        self.sql = SqlStore(self.db, KIND, self.tables.metadata)

    def init(self) -> None:
        """Create or upgrade the tables."""
        self.sql.upgrade()
        self.plane.prepare()

    @property
    def makes_queues(self) -> bool:
        """Whether a message makes its queue for the control plane, too."""
        return self.plane.lists_queues

    @makes_queues.setter
    def makes_queues(self, makes: bool) -> None:
        self.plane.lists_queues = makes

    def now(self) -> int:
        """The moment by the engine's clock, in milliseconds."""
        return time.to_micros(self.db.now()) // 1000

    def is_same(self, other: object) -> bool:
        """Whether another store is this namespace of this database."""
        if not isinstance(other, Store):
            return False
        return (self.db.place, self.options.namespace) == (other.db.place, other.options.namespace)

    def forget(self, lane: Lane) -> None:
        """Remove a queue: its row at once, its messages later."""
        queue, leftover, now = self.tables.queue, self.tables.leftover, self.now()

        def work(connection: sa.Connection) -> None:
            mine = sa.and_(queue.c.project == lane.project, queue.c.name == lane.name)
            number = connection.execute(sa.select(queue.c.id).where(mine).with_for_update()).scalar()
            if number is not None:
                connection.execute(queue.delete().where(queue.c.id == number))
                connection.execute(self.db.dialect.insert_missing(leftover).values(id=number, since=now))

        self.db.write(work)

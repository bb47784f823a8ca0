"""Until when somebody hears of what is posted to a queue: a copy of the queue's subscriptions, in the queue's own row.

A post reads that row anyway, so to look at it costs a queue without subscribers nothing. The row comes and goes with the queue,
subscriptions do not, and both may be made at the same moment. So all that changes the copy locks a row of `audience` first, and
brings the copy up to date before it ends: a later transaction sees what the others have stored.
"""

from __future__ import annotations

import sqlalchemy as sa

from undercroft.engines.sql import Database
from undercroft.messaging.drivers.sql.schema import Tables


class Audience:
    """Those that hear of what is posted.

    Args:
        db: the database.
        tables: the tables.
    """

    def __init__(self, db: Database, tables: Tables) -> None:
        self._db = db
        self._table = tables.audience
        self._subscriptions = tables.subscription
        self._queues = tables.queue

    def _is(self, project: str, queue: str) -> sa.ColumnElement[bool]:
        return sa.and_(self._table.c.project == project, self._table.c.queue == queue)

    def lock(self, connection: sa.Connection, project: str, queue: str) -> int:
        """Let no other transaction change the audience of a queue before this one ends; until when there is somebody."""
        mine = sa.select(self._table.c.until).where(self._is(project, queue)).with_for_update()
        missing = self._db.dialect.insert_missing(self._table).values(project=project, queue=queue, until=0)
        while (found := connection.execute(mine).first()) is None:
            connection.execute(missing)
        return int(found[0])

    def unlock(self, connection: sa.Connection, project: str, queue: str, until: int) -> None:
        """Leave no row that says nothing; the lock ends with the transaction."""
        if not until:
            connection.execute(self._table.delete().where(self._is(project, queue)))

    def settle(self, connection: sa.Connection, project: str, queue: str) -> None:
        """Keep what the subscriptions are like after a change; to be called under the lock."""
        column, row = self._subscriptions.c, self._queues.c
        last = sa.select(sa.func.max(column.expires)).where(column.project == project, column.queue == queue)
        # A statement of its own sees what those have stored that had the lock before.
        until = int(connection.execute(last).scalar() or 0)
        if until:
            connection.execute(self._table.update().where(self._is(project, queue)).values(until=until))
        self.unlock(connection, project, queue, until)
        connection.execute(self._queues.update().where(row.project == project, row.name == queue).values(heard=until))

    def clean(self, connection: sa.Connection, now: int, most: int) -> None:
        """Remove rows of queues whose subscriptions have all expired, unless they are being changed."""
        column = self._table.c
        old = sa.select(column.project, column.queue).where(column.until <= now).order_by(column.project, column.queue)
        for project, queue in connection.execute(old.limit(most).with_for_update(skip_locked=True)).all():
            connection.execute(self._table.delete().where(self._is(project, queue), column.until <= now))

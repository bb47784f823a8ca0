"""The outbox, and when subscriptions are due, in the steps of a transaction."""

from __future__ import annotations

import abc
import secrets
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from undercroft.engines.sql import raw
from undercroft.messaging.drivers.sql.dialects.base import Dialect, Lane
from undercroft.messaging.drivers.sql.rows import COLUMNS

# What is taken of an entry.
ENTRY = "place, project, queue, ttl, expires, body"
_INTO = "INSERT INTO {outbox} (place, project, queue, ttl, expires, again, body) "
_ONE = f"{_INTO}VALUES (?, ?, ?, ?, ?, 0, ?)"
_ALL = f"{_INTO}SELECT place, ?, ?, ttl, expires, 0, body FROM {{message}} WHERE queue = ? AND place >= ? AND place <= ?"
# Bits of the number of a lease.
LEASE = 62
# Lanes that are removed in one transaction.
_LANES = 100


# Bytes of a body up to which to send it again costs less than to look for it.
_SMALL = 65_536
_TTL, _EXPIRES, _BODY = (COLUMNS.index(name) - 1 for name in ("ttl", "expires", "body"))


def entering(lane: Lane, queue: int, places: Sequence[int], rows: Sequence[tuple[Any, ...]]) -> tuple[str, tuple[Any, ...]]:
    """The statement that enters what was just stored, at places beside each other, and its values.

    Args:
        lane: the queue.
        queue: its id.
        places: where the messages are.
        rows: the messages, as they were inserted: all columns behind `place`.
    """
    (first, *_), (row, *_) = places, rows
    if len(places) > 1 or len(row[_BODY]) > _SMALL:
        return _ALL, (*lane, queue, first, places[-1])
    return _ONE, (first, *lane, row[_TTL], row[_EXPIRES], row[_BODY])


class Entries(Dialect, abc.ABC):
    """The steps; a subclass says how its engine locks rows."""

    # What a SELECT ends with whose rows are to be changed: passing over those that others have locked.
    skip_locked = ""
    # Where the last look for expired entries ended.
    _looked = 0

    @abc.abstractmethod
    def _among(self, numbers: Iterable[int]) -> tuple[str, tuple[Any, ...]]:
        """What follows IN for these numbers, and its value."""

    def _change(self, statement: str, values: tuple[Any, ...]) -> int:
        """Run a single statement as a transaction; how many rows it changed."""
        text = self._text(statement)
        return self._db.write(lambda c: raw.changed(c, text, values))

    # -- entries ---------------------------------------------------------------------------------------------------

    def take(self, limit: int, seconds: int, now: int) -> Sequence[tuple[Any, ...]]:
        select = self._text(
            f"SELECT {ENTRY} FROM {{outbox}} WHERE again <= ? AND expires > ? ORDER BY place LIMIT ?{self.skip_locked}"
        )

        def work(connection: sa.Connection) -> list[tuple[Any, ...]]:
            taken = list(map(tuple, raw.rows(connection, select, (now, now, limit))))
            if taken:
                among, value = self._among(row[0] for row in taken)
                statement = self._text(f"UPDATE {{outbox}} SET again = ? WHERE place IN {among}")
                raw.changed(connection, statement, (now + seconds * 1000, *value))
            return taken

        return self._db.write(work)

    def remove_entries(self, places: Sequence[int]) -> None:
        among, value = self._among(sorted(places))
        self._change(f"DELETE FROM {{outbox}} WHERE place IN {among}", value)

    def waiting(self, now: int) -> int:
        statement = self._text("SELECT count(*) FROM {outbox} WHERE expires > ?")
        ((count,),) = self._db.read(lambda c: raw.rows(c, statement, (now,)))
        return int(count)

    # -- subscriptions that are due --------------------------------------------------------------------------------

    def wake(self, subscriptions: Sequence[int], at: int) -> None:
        # Of one that somebody has at the moment it is not known whether that one sees what it is woken for.
        among, value = self._among(sorted(set(subscriptions)))
        statement = (
            "UPDATE {subscription} SET due = CASE WHEN due < ? THEN due ELSE ? END, lease = NULL "
            f"WHERE id IN {among} AND (due IS NULL OR due > ? OR lease IS NOT NULL)"
        )
        self._change(statement, (at, at, *value, at))

    def due(self, limit: int, seconds: int, now: int) -> tuple[Sequence[tuple[int, str, str]], int]:
        lease = secrets.randbits(LEASE)
        select = self._text(
            f"SELECT id, project, queue FROM {{subscription}} WHERE due <= ? ORDER BY due, id LIMIT ?{self.skip_locked}"
        )

        def work(connection: sa.Connection) -> list[tuple[int, str, str]]:
            found = [(number, project, queue) for number, project, queue in raw.rows(connection, select, (now, limit))]
            if found:
                among, value = self._among(sorted(number for number, _, _ in found))
                statement = self._text(f"UPDATE {{subscription}} SET due = ?, lease = ? WHERE id IN {among}")
                raw.changed(connection, statement, (now + seconds * 1000, lease, *value))
            return found

        return self._db.write(work), lease

    def settle(self, subscription: int, lease: int, at: int | None) -> bool:
        statement = "UPDATE {subscription} SET due = ?, lease = NULL WHERE id = ? AND lease = ?"
        return bool(self._change(statement, (at, subscription, lease)))

    # -- removal ---------------------------------------------------------------------------------------------------

    def _clean_entries(self, connection: sa.Connection, now: int, most: int) -> int:
        """Entries of messages that have expired, among those behind where the last look ended; all are looked at in turn."""
        statement = self._text("SELECT place, expires FROM {outbox} WHERE place > ? ORDER BY place LIMIT ?")
        found = raw.rows(connection, statement, (self._looked, most))
        self._looked = found[-1][0] if len(found) == most else 0
        gone = [place for place, expires in found if expires <= now]
        if gone:
            among, value = self._among(gone)
            raw.changed(connection, self._text(f"DELETE FROM {{outbox}} WHERE place IN {among}"), value)
        return len(gone)

    def _clean_lanes(self, connection: sa.Connection, now: int) -> None:
        """Lanes whose subscriptions are gone, with what was posted to them after that: their messages go as those of any queue."""
        statement = self._text(
            "SELECT id FROM {queue} q WHERE subscription IS NOT NULL AND NOT EXISTS "
            f"(SELECT 1 FROM {{subscription}} s WHERE s.id = q.subscription AND s.expires > ?) LIMIT {_LANES}"
        )
        if gone := sorted(number for (number,) in raw.rows(connection, statement, (now,))):
            table, leftover = self._tables.queue, self._tables.leftover
            connection.execute(table.delete().where(table.c.id.in_(gone)))
            connection.execute(self._db.dialect.insert_missing(leftover), [{"id": number, "since": now} for number in gone])

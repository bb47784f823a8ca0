"""Subscriptions in SQL."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa

from undercroft.core import document
from undercroft.engines.sql import Database
from undercroft.messaging import contract
from undercroft.messaging.drivers.sql import rows
from undercroft.messaging.drivers.sql.dialects.audience import Audience
from undercroft.messaging.drivers.sql.dialects.base import inserted
from undercroft.messaging.models import Subscriber

_decode = msgspec.json.Decoder(dict[str, Any]).decode
# An id is the millisecond of its making, and so many random bits.
_RANDOM = 20
T = TypeVar("T")


class Subscription(contract.Subscription):
    """The subscriptions of a data driver."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._db: Database = driver.db
        self._table: sa.Table = driver.tables.subscription
        self._audience: Audience = driver.plane.audience

    def _live(self, queue: str, project: str, now: int) -> sa.Select[Any]:
        column = self._table.c
        return sa.select(*column).where(column.project == project, column.queue == queue, column.expires > now)

    def _list(self, queue: str, project: str, marker: str | None, limit: int) -> Sequence[Subscriber]:
        after = 0 if marker is None else rows.number(marker)
        if after is None:
            return []
        column, now = self._table.c, self.driver.now()
        wanted = self._live(queue, project, now).where(column.id > after).order_by(column.id).limit(limit)
        return [_found(row, now) for row in self._db.read(lambda c: c.execute(wanted).all())]

    def _get(self, queue: str, subscription: str, project: str) -> Subscriber | None:
        number, now = rows.number(subscription), self.driver.now()
        if number is None:
            return None
        wanted = self._live(queue, project, now).where(self._table.c.id == number)
        return _first(self._db.read(lambda c: c.execute(wanted).first()), now)

    def _get_with_subscriber(self, queue: str, subscriber: str, project: str) -> Subscriber | None:
        now = self.driver.now()
        wanted = self._live(queue, project, now).where(self._table.c.digest == _digest(subscriber))
        return _first(self._db.read(lambda c: c.execute(wanted).first()), now)

    def _create(self, queue: str, subscriber: str, ttl: int, options: dict[str, Any], project: str) -> str | None:
        now, digest = self.driver.now(), _digest(subscriber)
        values = {
            "project": project,
            "queue": queue,
            "subscriber": subscriber,
            "digest": digest,
            "ttl": ttl,
            "born": now,
            "expires": now + ttl * 1000,
            "options": document.encoded(options, "options"),
            "confirmed": 0,
        }
        same = self._same(queue, project, digest)
        newest = sa.select(sa.func.max(self._table.c.id)).where(self._table.c.project == project, self._table.c.queue == queue)

        def work(connection: sa.Connection) -> str | None:
            connection.execute(self._table.delete().where(same, self._table.c.expires <= now))
            while connection.execute(sa.select(self._table.c.id).where(same)).first() is None:
                # Behind those of the same millisecond, so that the order of ids is that of their making.
                last = connection.execute(newest).scalar() or 0
                number = max(now << _RANDOM | secrets.randbits(_RANDOM), last + 1)
                if inserted(connection, self._db, self._table, {"id": number, **values}):
                    return rows.text(number)
            return None

        return self._change(queue, project, work)

    def _change(self, queue: str, project: str, work: Callable[[sa.Connection], T]) -> T:
        """Do what changes the lives of a queue's subscriptions: a post asks the queue's row about these."""

        def changed(connection: sa.Connection) -> T:
            self._audience.lock(connection, project, queue)
            result = work(connection)
            self._audience.settle(connection, project, queue)
            return result

        return self._db.write(changed)

    def _same(self, queue: str, project: str, digest: bytes) -> sa.ColumnElement[bool]:
        column = self._table.c
        return sa.and_(column.project == project, column.queue == queue, column.digest == digest)

    def _update(self, queue: str, subscription: str, project: str, changes: Mapping[str, Any]) -> bool | None:
        number, now, column = rows.number(subscription), self.driver.now(), self._table.c
        if number is None:
            return None
        values: dict[str, Any] = {}
        if "ttl" in changes:
            values |= {"ttl": changes["ttl"], "born": now, "expires": now + changes["ttl"] * 1000}
        if "options" in changes:
            values["options"] = document.encoded(changes["options"], "options")
        if "subscriber" in changes:
            values |= {"subscriber": changes["subscriber"], "digest": _digest(changes["subscriber"])}
        mine = sa.and_(column.id == number, column.project == project, column.queue == queue, column.expires > now)

        def work(connection: sa.Connection) -> bool | None:
            if connection.execute(sa.select(column.id).where(mine).with_for_update()).first() is None:
                return None
            if "digest" in values:
                same = sa.and_(self._same(queue, project, values["digest"]), column.id != number)
                connection.execute(self._table.delete().where(same, column.expires <= now))
                if connection.execute(sa.select(column.id).where(same)).first() is not None:
                    return False
            connection.execute(self._table.update().where(mine).values(**values))
            return True

        return self._change(queue, project, work)

    def _delete(self, queue: str, subscription: str, project: str) -> bool:
        number, column = rows.number(subscription), self._table.c
        if number is None:
            return False
        gone = self._table.delete().where(column.id == number, column.project == project, column.queue == queue)
        return bool(self._change(queue, project, lambda c: c.execute(gone).rowcount))

    def _confirm(self, queue: str, subscription: str, project: str, confirmed: bool) -> bool:
        number, now, column = rows.number(subscription), self.driver.now(), self._table.c
        if number is None:
            return False
        mine = sa.and_(column.id == number, column.project == project, column.queue == queue, column.expires > now)

        def work(connection: sa.Connection) -> bool:
            # MariaDB counts rows that change; one that was confirmed before is there all the same.
            if connection.execute(sa.select(column.id).where(mine).with_for_update()).first() is None:
                return False
            connection.execute(self._table.update().where(mine).values(confirmed=int(confirmed)))
            return True

        return self._db.write(work)


def _digest(subscriber: str) -> bytes:
    return hashlib.blake2b(subscriber.encode(), digest_size=16).digest()


def _first(row: Any, now: int) -> Subscriber | None:
    return None if row is None else _found(row, now)


def _found(row: Any, now: int) -> Subscriber:
    age = max(0, now - row.born) // 1000
    return Subscriber(rows.text(row.id), row.queue, row.subscriber, row.ttl, age, _decode(row.options), bool(row.confirmed))

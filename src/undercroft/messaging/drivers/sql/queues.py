"""Queues and their metadata in SQL."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from undercroft.core import document
from undercroft.engines.sql import Database
from undercroft.messaging import contract
from undercroft.messaging.attributes import dead_letters
from undercroft.messaging.contract.arguments import TOPIC
from undercroft.messaging.contract.queue import is_kept
from undercroft.messaging.drivers.sql import rows
from undercroft.messaging.drivers.sql.dialects import Dialect, Lane
from undercroft.messaging.drivers.sql.dialects.base import new_id
from undercroft.messaging.models import QueueRow, Stats

LOG = logging.getLogger(__name__)
_decode = msgspec.json.Decoder(dict[str, Any]).decode
# The first name that sorts behind those of topics.
_BEHIND_TOPICS = TOPIC[:-1] + chr(ord(TOPIC[-1]) + 1)
# Rows that are looked at in one statement where metadata are searched.
_AT_ONCE = 1_000


class Queue(contract.Queue):
    """The queues of a control driver."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._db: Database = driver.db
        self._table: sa.Table = driver.tables.queue
        self._plane: Dialect = driver.plane

    def _list(
        self,
        project: str,
        marker: str,
        limit: int,
        detailed: bool,
        kfilter: Mapping[str, Any],
        name: str | None,
        *,
        topics: bool,
    ) -> Sequence[QueueRow]:
        found: list[QueueRow] = []
        most = limit if not kfilter else _AT_ONCE
        with_metadata = detailed or bool(kfilter)
        while True:
            page = self._page(project, marker, most, name, topics=topics, with_metadata=with_metadata)
            for row in page:
                metadata = _decode(row.metadata) if with_metadata else {}
                if is_kept(metadata, kfilter):
                    found.append(QueueRow(row.name, metadata if detailed else None))
            if len(page) < most or len(found) >= limit:
                return found[:limit]
            marker = page[-1].name

    def _page(self, project: str, marker: str, limit: int, name: str | None, *, topics: bool, with_metadata: bool) -> Sequence[Any]:
        column = self._table.c
        wanted = sa.select(column.name, *([column.metadata] if with_metadata else [])).where(
            column.project == project, column.name > marker, column.metadata.is_not(None)
        )
        if name is not None:
            wanted = wanted.where(column.name == name)
        if topics:
            wanted = wanted.where(column.name >= TOPIC, column.name < _BEHIND_TOPICS)
        else:
            wanted = wanted.where(sa.or_(column.name < TOPIC, column.name >= _BEHIND_TOPICS))
        return self._db.read(lambda c: c.execute(wanted.order_by(column.name).limit(limit)).all())

    def _metadata(self, name: str, project: str) -> dict[str, Any] | None:
        column = self._table.c
        kept = self._remembered(name, project)
        text: Any = column.metadata
        if kept is not None:
            # What is kept of a version stays true of it; the store says whether that is the version.
            text = sa.case((sa.and_(column.id == kept[0], column.version == kept[1]), None), else_=column.metadata)
        wanted = sa.select(column.id, column.version, text.label("text")).where(
            column.project == project, column.name == name, column.metadata.is_not(None)
        )
        row = self._db.read(lambda c: c.execute(wanted).first())
        if row is None:
            return None
        if row.text is None and kept is not None:
            return _decode(kept[2])
        self._remember(name, project, (row.id, row.version, row.text))
        return _decode(row.text)

    def _remembered(self, name: str, project: str) -> tuple[int, int, str] | None:
        """What the cache has: id, version and metadata of a queue."""
        if self.driver.cache is None:
            return None
        try:
            found = self.driver.cache.get(self._key(name, project))
        except Exception as error:  # noqa: BLE001 - a cache that fails is a cache without the answer
            LOG.debug("the cache of queues does not answer: %s", error)
            return None
        match found:
            case [int(number), int(version), str(text)]:
                return number, version, text
        return None

    def _remember(self, name: str, project: str, value: tuple[int, int, str]) -> None:
        if self.driver.cache is not None:
            try:
                self.driver.cache.set(self._key(name, project), list(value))
            except Exception as error:  # noqa: BLE001 - it is asked again next time
                LOG.debug("the cache of queues does not answer: %s", error)

    def _key(self, name: str, project: str) -> str:
        place = "\0".join((self._db.place, self._table.name, project, name))
        return f"undercroft.queue.{hashlib.blake2b(place.encode(), digest_size=16).hexdigest()}"

    def _set_metadata(self, name: str, metadata: dict[str, Any], project: str) -> bool:
        column = self._table.c
        change = (
            self._table.update()
            .where(column.project == project, column.name == name, column.metadata.is_not(None))
            .values(version=column.version + 1, **_columns(metadata))
        )
        return bool(self._db.write(lambda c: c.execute(change).rowcount))

    def _create(self, name: str, metadata: dict[str, Any], project: str) -> bool:
        column = self._table.c
        known = sa.select(column.id).where(column.project == project, column.name == name, column.metadata.is_not(None))
        # Most that are made are there: a post makes sure of its queue.
        if self._db.read(lambda c: c.execute(known).first()) is not None:
            return False
        # A row without metadata is there where somebody posted first.
        made = (
            self._table.update()
            .where(column.project == project, column.name == name, column.metadata.is_(None))
            .values(version=column.version + 1, **_columns(metadata))
        )

        def work(connection: sa.Connection) -> bool | None:
            values = {"id": new_id(), "project": project, "name": name, "version": 0, **_columns(metadata)}
            if self._plane.insert_queue(connection, values):
                return True
            if connection.execute(made).rowcount:
                return True
            return False if connection.execute(known).first() is not None else None

        while (done := self._db.write(work)) is None:
            # The random id is another queue's.
            continue
        return done

    def _exists(self, name: str, project: str) -> bool:
        column = self._table.c
        wanted = sa.select(column.id).where(column.project == project, column.name == name, column.metadata.is_not(None))
        return self._db.read(lambda c: c.execute(wanted).first()) is not None

    def _delete(self, name: str, project: str) -> None:
        self.driver.forget(Lane(project, name))

    def _stats(self, name: str, project: str) -> Stats | None:
        now = self.driver.now()
        # What was posted, or moved as dead letters, to a queue that nothing made is counted, too.
        found = self._plane.tally(Lane(project, name), now)
        if (found is None or not found.total) and not self._exists(name, project):
            return None
        return rows.stats(found, now)

    def _calculate_resource_count(self, project: str) -> int:
        column = self._table.c
        wanted = sa.select(sa.func.count()).where(
            column.project == project,
            column.metadata.is_not(None),
            sa.or_(column.name < TOPIC, column.name >= _BEHIND_TOPICS),
        )
        return int(self._db.read(lambda c: c.execute(wanted).scalar_one()))


def _columns(metadata: dict[str, Any]) -> dict[str, Any]:
    """The columns of a queue's row that follow from its metadata."""
    rule = dead_letters(metadata)
    most, queue, ttl = (None, None, None) if rule is None else rule
    return {"metadata": document.encoded(metadata, "metadata"), "dead_most": most, "dead_queue": queue, "dead_ttl": ttl}

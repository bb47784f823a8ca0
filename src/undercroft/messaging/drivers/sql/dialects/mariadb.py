"""MariaDB: the steps of a transaction, at most four round trips with its COMMIT, a post three; places from a sequence.

Posts do not wait for each other, so that they commit out of order. A post first takes a number of the sequence and writes it into
the slot of its connection. A reader takes a number, too, and reads the slots without regard to commits; then it reads slots and
page of one state of the data. A slot that is behind there belongs to a post that is still open: from its number on there may be
gaps.
"""

from __future__ import annotations

import secrets
import time as monotonic
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from undercroft.engines.sql import gradual, raw
from undercroft.engines.sql.bulk import literal_bytes
from undercroft.messaging.attributes import DeadLetters
from undercroft.messaging.drivers.sql.dialects.base import FOLD, LOOK, PATIENCE, WITHIN, Lane, Slice, Spot, last_of
from undercroft.messaging.drivers.sql.dialects.entries import entering
from undercroft.messaging.drivers.sql.dialects.steps import Front, Steps
from undercroft.messaging.drivers.sql.rows import COLUMNS, Row
from undercroft.messaging.drivers.sql.schema import Tables

_COLUMNS = ", ".join(COLUMNS)
# Bytes of a statement that inserts messages; run-out claims that are looked at for each message that is wanted.
_LARGEST, _SPARE = 4 * 2**20, 4
# Bytes that a post sends at most beside its messages.
_BESIDE = 2**18
# A slot whose number is so far behind the last one is of no open post.
_OLD_SLOT = 1_000_000
# What a claim has to know of the queue.
_RULE = ("id", "dead_most", "dead_queue", "dead_ttl")
_LANE = "(SELECT id FROM {queue} WHERE project = ? AND name = ?)"


class MariaDB(Steps):
    """SKIP LOCKED; no rows from UPDATE."""

    skip_locked = " FOR UPDATE SKIP LOCKED"
    locked = " FOR UPDATE"

    def __init__(self, db: Any, tables: Tables) -> None:
        super().__init__(db, tables)
        index = f" FORCE INDEX ({tables.message.name}_"
        self.by_again, self.by_claim, self.by_place = f"{index}again)", f"{index}claim)", " FORCE INDEX (PRIMARY)"
        # As one column: each costs more to read than the statement.
        self._announcing = self._text(
            "INSERT INTO {slot} (connection, queue, floor, heard) SELECT CONNECTION_ID(), id, NEXTVAL({place}), heard FROM {queue} "
            "WHERE project = ? AND name = ? ON DUPLICATE KEY UPDATE queue = VALUES(queue), floor = VALUES(floor), "
            "heard = VALUES(heard) RETURNING concat_ws(' ', queue, floor, coalesce(heard, 0))"
        )
        self._counting = self._text("INSERT INTO {tally} (queue, total, held) VALUES (?, ?, ?)")
        rule = ", ".join(f"(SELECT {name} FROM {{queue}} WHERE project = ? AND name = ?)" for name in _RULE)
        columns = ", ".join(f"m.{column}" for column in COLUMNS)
        # To sort what claims that ran out have left would lock all of it: it is looked for without a lock.
        self._free = self._text(
            f"(SELECT {rule}, {columns} FROM {{message}} m{self.by_again} WHERE m.queue = {_LANE} AND m.again = 0 AND m.expires "
            f"> ? "
            "ORDER BY m.place LIMIT ? FOR UPDATE SKIP LOCKED) UNION ALL "
            f"(SELECT {rule}, {columns} FROM (SELECT place FROM {{message}}{self.by_again} WHERE queue = {_LANE} AND again > 0 "
            "AND again <= ? AND expires > ? ORDER BY place LIMIT ?) x "
            f"STRAIGHT_JOIN {{message}} m{self.by_place} ON m.queue = {_LANE} AND m.place = x.place "
            "WHERE m.again > 0 AND m.again <= ? AND m.expires > ? LIMIT ? FOR UPDATE SKIP LOCKED)"
        )

    # -- steps -----------------------------------------------------------------------------------------------------

    def _announce(self, connection: sa.Connection, lane: Lane, heard: int | None = None) -> Spot:
        while not (found := raw.rows(connection, self._announcing, tuple(lane))):
            self._ensure(connection, lane)
        queue, floor, until = map(int, found[0][0].split())
        return Spot(queue, floor, heard is not None and until > heard)

    def _insert(self, connection: sa.Connection, spot: Spot, rows: Sequence[tuple[Any, ...]]) -> list[int]:
        given = _placed(spot, rows)
        for part in _parts(given, raw.room(connection, _LARGEST)):
            statement, values = self._inserting(part)
            raw.changed(connection, statement, values)
        return [place for _, place, *_ in given]

    def _inserting(self, rows: Sequence[tuple[Any, ...]]) -> tuple[str, tuple[Any, ...]]:
        """The statement that inserts rows of the queue's id and all columns, and its values."""
        lists = ", ".join([f"(%s{', %s' * len(COLUMNS)})"] * len(rows))
        statement = f"INSERT INTO {self._tables.message.name} (queue, {_COLUMNS}) VALUES {lists}"
        return statement, tuple(value for row in rows for value in row)

    def _store(self, connection: sa.Connection, lane: Lane, spot: Spot, rows: Sequence[tuple[Any, ...]]) -> list[int]:
        given = _placed(spot, rows)
        if len(list(_parts(given, raw.room(connection, _LARGEST) - _BESIDE))) > 1:
            return super()._store(connection, lane, spot, rows)
        places = [place for _, place, *_ in given]
        # As one statement, so that a post is three round trips.
        parts = [self._inserting(given)]
        if spot.enters:
            statement, values = entering(lane, spot.queue, places, rows)
            parts.append((self._text(statement), values))
        parts.append((self._counting, (spot.queue, len(rows), 0)))
        together = "; ".join(statement for statement, _ in parts)
        raw.changed(connection, f"BEGIN NOT ATOMIC {together}; END", tuple(value for _, values in parts for value in values))
        return places

    def _one_by_one(self, connection: sa.Connection, lane: Lane) -> None:
        # Posts read that row without regard to locks.
        mine = self._text(f"SELECT id FROM {{queue}} WHERE project = ? AND name = ?{self.locked}")
        while not raw.rows(connection, mine, tuple(lane)):
            self._ensure(connection, lane)

    def _among(self, numbers: Iterable[int]) -> tuple[str, tuple[Any, ...]]:
        return "?", (tuple(numbers),)

    def _add(self, connection: sa.Connection, queue: int, total: int, held: int) -> None:
        raw.changed(connection, self._counting, (queue, total, held))

    def _add_to(self, connection: sa.Connection, lane: Lane, total: int, held: int) -> None:
        statement = self._text(
            "INSERT INTO {tally} (queue, total, held) SELECT id, ?, ? FROM {queue} WHERE project = ? AND name = ?"
        )
        raw.changed(connection, statement, (total, held, *lane))

    def _new_claim(self, connection: sa.Connection, places: Sequence[int]) -> int:
        # One of the sequence would be a round trip.
        return secrets.randbits(62)

    def _front(self, connection: sa.Connection, lane: Lane, limit: int, now: int) -> Front | None:
        rule = lane * len(_RULE)
        values = (*rule, *lane, now, limit, *rule, *lane, now, now, limit * _SPARE, *lane, now, now, limit)
        found = raw.rows(connection, self._free, values)
        if not found:
            return None
        queue, most, name, ttl = found[0][: len(_RULE)]
        rows = sorted(Row(*row[len(_RULE) :]) for row in found)[:limit]
        return Front(queue, None if most is None else DeadLetters(most, name, ttl), rows)

    # -- lists -----------------------------------------------------------------------------------------------------

    def page(self, lane: Lane, page: Slice, now: int) -> Sequence[Row]:
        ends = monotonic.monotonic() + PATIENCE
        while True:
            last, announced = self._announced(lane)

            def read(connection: sa.Connection) -> tuple[dict[int, int], list[Row]]:
                return self._slots(connection, None), self._page(connection, lane, page, now)

            committed, found = self._db.read(read)
            # A slot that is further by now is of a connection that has posted again, elsewhere perhaps: its post before has ended.
            open_ones = (floor - 1 for slot, floor in announced.items() if committed.get(slot, 0) < floor)
            sure_to = last_of(min([last, *open_ones]))
            sure = [row for row in found if row.place <= sure_to]
            if len(sure) == len(found) or monotonic.monotonic() > ends:
                return sure
            # What is hidden is seen when an older post has ended.
            gradual.wait(LOOK)

    def _announced(self, lane: Lane) -> tuple[int, dict[int, int]]:
        """A number behind all that were given out, and the slots, whether they are committed or not."""

        def work(connection: sa.Connection) -> tuple[int, dict[int, int]]:
            # In this order: a post that is not among the slots yet takes a number behind this one.
            ((last,),) = raw.rows(connection, self._text("SELECT NEXTVAL({place})"), ())
            return int(last), self._slots(connection, lane)

        return self._db.glance(work)

    def _slots(self, connection: sa.Connection, lane: Lane | None) -> dict[int, int]:
        """The slots of a queue, or all of them: what each connection announced last."""
        statement = self._text("SELECT connection, floor FROM {slot}" + (f" WHERE queue = {_LANE}" if lane else ""))
        return dict(map(tuple, raw.rows(connection, statement, tuple(lane or ()))))

    # -- removal ---------------------------------------------------------------------------------------------------

    def _clean_beside(self, connection: sa.Connection, now: int, most: int) -> None:
        super()._clean_beside(connection, now, most)
        many = self._text(f"SELECT queue FROM {{tally}} GROUP BY queue HAVING count(*) > {FOLD} ORDER BY queue LIMIT 100")
        for (queue,) in raw.rows(connection, many, ()):
            gone = raw.rows(connection, self._text("DELETE FROM {tally} WHERE queue = ? RETURNING total, held"), (queue,))
            self._add(connection, queue, sum(total for total, _ in gone), sum(held for _, held in gone))
        ((last,),) = raw.rows(connection, self._text("SELECT NEXTVAL({place})"), ())
        raw.changed(connection, self._text("DELETE FROM {slot} WHERE floor < ? LIMIT 1000"), (last - _OLD_SLOT,))


def _placed(spot: Spot, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows with the queue's id and their places."""
    return [(spot.queue, place, *row) for place, row in enumerate(rows, (spot.number << WITHIN) + 1)]


def _parts(rows: Sequence[tuple[Any, ...]], room: int) -> Iterable[Sequence[tuple[Any, ...]]]:
    """Rows in as few statements as have room for them; one that is larger than that by itself is the server's to refuse."""
    part: list[tuple[Any, ...]] = []
    size = 0
    for row in rows:
        own = literal_bytes(row) + 32
        if part and size + own > room:
            yield part
            part, size = [], 0
        part.append(row)
        size += own
    if part:
        yield part


DIALECT = MariaDB

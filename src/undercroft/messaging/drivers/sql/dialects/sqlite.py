"""SQLite: one transaction writes at a time; places from a counter, lists of numbers as one JSON parameter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from undercroft.core.errors import NotInitialized
from undercroft.engines.sql import raw
from undercroft.messaging.attributes import DeadLetters
from undercroft.messaging.drivers.sql.dialects.base import Lane, Spot
from undercroft.messaging.drivers.sql.dialects.steps import Front, Steps
from undercroft.messaging.drivers.sql.rows import COLUMNS, Row
from undercroft.messaging.drivers.sql.schema import LAST_PLACE, Tables

_json = msgspec.json.Encoder()
_COLUMNS = ", ".join(COLUMNS)


class SQLite(Steps):
    """The file's write lock makes ids appear in their order, so that readers need wait for nobody."""

    def __init__(self, db: Any, tables: Tables) -> None:
        super().__init__(db, tables)
        # Without statistics its planner prefers the wrong index of two.
        self.by_again, self.by_claim = (f" INDEXED BY {tables.message.name}_{name}" for name in ("again", "claim"))
        self._give = self._text("UPDATE {setting} SET value = value + ? WHERE name = ? RETURNING value")
        self._into = self._text(f"INSERT INTO {{message}} (queue, {_COLUMNS}) VALUES ({', '.join('?' * (1 + len(COLUMNS)))})")
        shared = f"SELECT {_COLUMNS} FROM {{message}}{self.by_again} WHERE queue = ? AND "
        ends = " AND expires > ? ORDER BY place LIMIT ?"
        self._free = self._text(
            f"SELECT * FROM (SELECT * FROM ({shared}again = 0{ends}) "
            f"UNION ALL SELECT * FROM ({shared}again > 0 AND again <= ?{ends})) ORDER BY place LIMIT ?"
        )

    def prepare(self) -> None:
        row = self._db.dialect.insert_missing(self._tables.setting).values(name=LAST_PLACE, value=0)
        self._db.write(lambda c: c.execute(row))

    def _announce(self, connection: sa.Connection, lane: Lane, heard: int | None = None) -> Spot:
        statement, values = (self._find_lane, tuple(lane)) if heard is None else (self._find_heard, (heard, *lane))
        while not (found := raw.rows(connection, statement, values)):
            self._ensure(connection, lane)
        return Spot(int(found[0][0]), enters=heard is not None and bool(found[0][1]))

    def _places(self, connection: sa.Connection, count: int) -> range:
        """So many new places."""
        given = raw.rows(connection, self._give, (count, LAST_PLACE))
        if not given:
            raise NotInitialized("the store was not set up to its end: run `undercroft db upgrade --kind messaging`")
        last = int(given[0][0])
        return range(last - count + 1, last + 1)

    def _insert(self, connection: sa.Connection, spot: Spot, rows: Sequence[tuple[Any, ...]]) -> list[int]:
        places = self._places(connection, len(rows))
        raw.insert(connection, self._into, ((spot.queue, place, *row) for place, row in zip(places, rows, strict=True)))
        return list(places)

    def _among(self, numbers: Iterable[int]) -> tuple[str, tuple[Any, ...]]:
        return "(SELECT value FROM json_each(?))", (_json.encode(list(numbers)).decode(),)

    def _add(self, connection: sa.Connection, queue: int, total: int, held: int) -> None:
        # One row a queue: whoever writes has the file.
        changed = self._text("UPDATE {tally} SET total = total + ?, held = held + ? WHERE queue = ?")
        if not raw.changed(connection, changed, (total, held, queue)):
            raw.changed(connection, self._text("INSERT INTO {tally} (queue, total, held) VALUES (?, ?, ?)"), (queue, total, held))

    def _new_claim(self, connection: sa.Connection, places: Sequence[int]) -> int:
        return self._places(connection, 1)[0]

    def _front(self, connection: sa.Connection, lane: Lane, limit: int, now: int) -> Front | None:
        found = raw.rows(connection, self._find_lane, tuple(lane))
        if not found:
            return None
        queue, most, name, ttl = found[0]
        rows = [Row(*row) for row in raw.rows(connection, self._free, (queue, now, limit, queue, now, now, limit, limit))]
        return Front(queue, None if most is None else DeadLetters(most, name, ttl), rows) if rows else None


DIALECT = SQLite

"""What differs between SQL dialects when events are written: the order of arrival, what is there already, how rows go in at once.

Ids are the order of arrival. On SQLite and MariaDB one transaction writes at a time: it takes its ids from a row of `setting` and
keeps that row locked until its commit, so ids are committed in their order. On PostgreSQL writers do not wait for each other: an id
is the transaction's own number, then the event's place in it. Whoever follows the tail stops before the oldest transaction that is
still at work; no smaller id can appear later.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
import sqlalchemy as sa

from undercroft.core.errors import NotInitialized
from undercroft.engines.sql import raw
from undercroft.events.drivers.sql.schema import LAST_ID, OFFSET, PROJECT, USER, Tables
from undercroft.events.models import Trait
from undercroft.events.ordered import indexed
from undercroft.events.record import Record

_TEXT = Trait.TEXT_TYPE
_json = msgspec.json.Encoder()
_packed = msgspec.msgpack.Encoder()
# Bits of an id that count within a transaction (PostgreSQL).
PLACES = 20
# 2^14 events in a piece of the index by value (SQLite).
PART = 14


class Row(NamedTuple):
    """An event as its tables hold it, without its id."""

    message_id: str
    generated: int
    type_id: int
    project: str | None
    user: str | None
    traits: bytes
    raw: str
    texts: list[tuple[int, str]]
    numbers: list[tuple[int, int]]


def row(record: Record, types: dict[str, int], keys: dict[tuple[str, int], int]) -> Row:
    """Lay an event out."""
    project = user = None
    texts: list[tuple[int, str]] = []
    numbers: list[tuple[int, int]] = []
    for name, dtype, value in record.traits:
        if dtype != _TEXT:
            numbers.append((keys[name, dtype], indexed(dtype, value)))
        elif name == PROJECT:
            project = value
        elif name == USER:
            user = value
        else:
            texts.append((keys[name, dtype], value))
    return Row(
        record.message_id, record.generated, types[record.event_type], project, user,
        _packed.encode(record.traits), record.raw, texts, numbers,
    )  # fmt: skip


class Dialect(Protocol):
    """One dialect's writes."""

    def start(self) -> list[tuple[str, int]]:
        """Rows of `setting` that a new store has."""

    def record(self, connection: sa.Connection, rows: Sequence[Row]) -> list[str]:
        """Insert events; message ids of those that were there. A fixed number of statements."""

    def expire(self, connection: sa.Connection, before: int, count: int) -> int:
        """Delete the oldest events, generated before that moment, at most `count`; how many there were."""

    def clear(self, connection: sa.Connection) -> None:
        """Delete all events."""

    def horizon(self, connection: sa.Connection) -> int:
        """The first id that may still appear."""


class _OneWriter:
    """Dialects where a transaction that writes has the store to itself."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._event, self._text, self._number = (t.name for t in (tables.event, tables.trait_text, tables.trait_number))
        self._setting = tables.setting.name

    def start(self) -> list[tuple[str, int]]:
        return [(LAST_ID, 0)]

    def record(self, connection: sa.Connection, rows: Sequence[Row]) -> list[str]:
        first = self._take_ids(connection, len(rows))
        known = self._known(connection, [row.message_id for row in rows])
        new = [(number, row) for number, row in enumerate(rows, first) if row.message_id not in known]
        if new:
            part = self._part
            self._insert(connection, self._event, ((number, *row[:7]) for number, row in new))
            texts = ((number, trait, part(number), value) for number, row in new for trait, value in row.texts)
            self._insert(connection, self._text, texts)
            numbers = ((number, trait, part(number), value) for number, row in new for trait, value in row.numbers)
            self._insert(connection, self._number, numbers)
        return [row.message_id for row in rows if row.message_id in known]

    def _take_ids(self, connection: sa.Connection, count: int) -> int:
        raise NotImplementedError

    def _known(self, connection: sa.Connection, message_ids: Sequence[str]) -> set[str]:
        raise NotImplementedError

    def _part(self, number: int) -> int:
        return 0

    def _insert(self, connection: sa.Connection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        raise NotImplementedError

    def horizon(self, connection: sa.Connection) -> int:
        last = f"SELECT value FROM {self._setting} WHERE name = '{LAST_ID}'"  # noqa: S608
        return int(connection.exec_driver_sql(last).scalar_one()) + 1


class SQLite(_OneWriter):
    """The file's write lock; executemany; lists of ids as one JSON parameter."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self._take = f"UPDATE {self._setting} SET value = value + ? WHERE name = ? RETURNING value"  # noqa: S608
        self._find = f"SELECT message_id FROM {self._event} WHERE message_id IN (SELECT value FROM json_each(?))"  # noqa: S608
        self._inserts = {
            table.name: f"INSERT INTO {table.name} VALUES ({', '.join('?' * len(table.columns))})"  # noqa: S608
            for table in (tables.event, tables.trait_text, tables.trait_number)
        }
        self._oldest = f"SELECT id FROM {self._event} WHERE generated < ? ORDER BY generated, message_id LIMIT ?"  # noqa: S608

    def _take_ids(self, connection: sa.Connection, count: int) -> int:
        taken = raw.rows(connection, self._take, (count, LAST_ID))
        if not taken:
            raise NotInitialized("the store was not set up to its end: run `undercroft db upgrade --kind events`")
        return int(taken[0][0]) - count + 1

    def _known(self, connection: sa.Connection, message_ids: Sequence[str]) -> set[str]:
        return {message_id for (message_id,) in raw.rows(connection, self._find, (_json.encode(message_ids).decode(),))}

    def _part(self, number: int) -> int:
        return number >> PART

    def _insert(self, connection: sa.Connection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        raw.insert(connection, self._inserts[table], rows)

    def expire(self, connection: sa.Connection, before: int, count: int) -> int:
        ids = list(connection.exec_driver_sql(self._oldest, (before, count)).scalars())
        if ids:
            listed = (_json.encode(ids).decode(),)
            for table, key in ((self._text, "event_id"), (self._number, "event_id"), (self._event, "id")):
                connection.exec_driver_sql(f"DELETE FROM {table} WHERE {key} IN (SELECT value FROM json_each(?))", listed)  # noqa: S608
        return len(ids)

    def clear(self, connection: sa.Connection) -> None:
        for table in (self._text, self._number, self._event):
            connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608


class MariaDB(_OneWriter):
    """A locked row; rows of values, many to a statement."""

    # A statement has to stay below the server's max_allowed_packet, 16 MiB unless it was lowered.
    ROWS, BYTES = 5_000, 4_000_000

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self._heads = {
            table.name: (f"INSERT INTO {table.name} VALUES ", f"({', '.join(['%s'] * len(table.columns))})")  # noqa: S608
            for table in (tables.event, tables.trait_text, tables.trait_number)
        }

    def _take_ids(self, connection: sa.Connection, count: int) -> int:
        result = connection.exec_driver_sql(
            f"UPDATE {self._setting} SET value = LAST_INSERT_ID(value + %s) WHERE name = %s",  # noqa: S608
            (count, LAST_ID),
        )
        if result.rowcount != 1:
            raise NotInitialized("the store was not set up to its end: run `undercroft db upgrade --kind events`")
        return int(result.lastrowid) - count + 1

    def _known(self, connection: sa.Connection, message_ids: Sequence[str]) -> set[str]:
        # READ COMMITTED: what the writers before have committed is seen.
        wanted = f"SELECT message_id FROM {self._event} WHERE message_id IN %s"  # noqa: S608
        return {message_id for (message_id,) in raw.rows(connection, wanted, (list(message_ids),))}

    def _insert(self, connection: sa.Connection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        head, values = self._heads[table]
        for part in _portions(rows, self.ROWS, self.BYTES):
            raw.rows(connection, head + ", ".join([values] * len(part)), tuple(itertools.chain.from_iterable(part)))

    def expire(self, connection: sa.Connection, before: int, count: int) -> int:
        # The row that writers lock: a deletion beside them would lock gaps that they write into.
        connection.exec_driver_sql(f"SELECT value FROM {self._setting} WHERE name = %s FOR UPDATE", (LAST_ID,)).all()  # noqa: S608
        ids = list(
            connection.exec_driver_sql(
                f"SELECT id FROM {self._event} WHERE generated < %s ORDER BY generated, message_id LIMIT %s",  # noqa: S608
                (before, count),
            ).scalars()
        )
        if ids:
            for table, key in ((self._text, "event_id"), (self._number, "event_id"), (self._event, "id")):
                connection.exec_driver_sql(f"DELETE FROM {table} WHERE {key} IN %s", (ids,))  # noqa: S608
        return len(ids)

    def clear(self, connection: sa.Connection) -> None:
        connection.exec_driver_sql(f"SELECT value FROM {self._setting} WHERE name = %s FOR UPDATE", (LAST_ID,)).all()  # noqa: S608
        for table in (self._text, self._number, self._event):
            connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608


class PostgreSQL:
    """Arrays through `unnest`: an event and its traits in one statement."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        event, text, number, setting = (t.name for t in (tables.event, tables.trait_text, tables.trait_number, tables.setting))
        self._now = f"(SELECT value FROM {setting} WHERE name = '{OFFSET}')"  # noqa: S608
        within = 2**PLACES - 1
        # In the order of message ids, so that writers of the same ones wait for each other in one order.
        self._record = (
            f"WITH base AS (SELECT (pg_current_xact_id()::text::bigint + {self._now}) << {PLACES} AS id), "  # noqa: S608
            f"made AS (INSERT INTO {event} (id, message_id, generated, type_id, project_id, user_id, traits, raw) "
            "SELECT base.id + g.place, g.m, g.g, g.t, g.p, g.u, g.b, g.r FROM base, "
            "unnest(%s::text[], %s::bigint[], %s::int[], %s::text[], %s::text[], %s::bytea[], %s::text[]) "
            "WITH ORDINALITY AS g(m, g, t, p, u, b, r, place) ORDER BY g.m "
            "ON CONFLICT (message_id) DO NOTHING RETURNING id), "
            f"words AS (INSERT INTO {text} (event_id, trait_id, part, value) SELECT made.id, v.t, 0, v.v FROM "
            f"unnest(%s::int[], %s::int[], %s::text[]) AS v(place, t, v) JOIN made ON (made.id & {within}) = v.place), "
            f"figures AS (INSERT INTO {number} (event_id, trait_id, part, value) SELECT made.id, v.t, 0, v.v FROM "
            f"unnest(%s::int[], %s::int[], %s::bigint[]) AS v(place, t, v) JOIN made ON (made.id & {within}) = v.place) "
            f"SELECT (id & {within})::int FROM made"
        )
        oldest = f"SELECT id FROM {event} WHERE generated < %s ORDER BY generated, message_id LIMIT %s FOR UPDATE SKIP LOCKED"  # noqa: S608
        self._expire = (
            f"WITH gone AS (DELETE FROM {event} WHERE id = ANY (ARRAY({oldest})) RETURNING id), "  # noqa: S608
            f"words AS (DELETE FROM {text} WHERE event_id = ANY (ARRAY(SELECT id FROM gone))), "
            f"figures AS (DELETE FROM {number} WHERE event_id = ANY (ARRAY(SELECT id FROM gone))) "
            "SELECT count(*) FROM gone"
        )
        self._clear = f"TRUNCATE {event}, {text}, {number}"
        self._horizon = f"SELECT (pg_snapshot_xmin(pg_current_snapshot())::text::bigint + {self._now}) << {PLACES}"
        # A database that was restored into another server counts its transactions from the start again.
        self._align = (
            f"UPDATE {setting} SET value = value + greatest(0, (SELECT coalesce(max(id), 0) >> {PLACES} FROM {event}) + 1 "  # noqa: S608
            f"- value - pg_current_xact_id()::text::bigint) WHERE name = '{OFFSET}'"
        )
        self._behind = (
            f"SELECT coalesce(max(id), 0) >> {PLACES} >= {self._now} + "  # noqa: S608
            f"pg_snapshot_xmax(pg_current_snapshot())::text::bigint FROM {event}"
        )

    def start(self) -> list[tuple[str, int]]:
        return [(OFFSET, 0)]

    def is_behind(self, connection: sa.Connection) -> bool:
        """True when events have ids that this server's transactions have yet to reach."""
        return bool(connection.exec_driver_sql(self._behind).scalar())

    def align(self, connection: sa.Connection) -> None:
        """Let new ids follow those that are there."""
        connection.exec_driver_sql(self._align)

    def record(self, connection: sa.Connection, rows: Sequence[Row]) -> list[str]:
        texts = [(place, *each) for place, row in enumerate(rows, 1) for each in row.texts]
        numbers = [(place, *each) for place, row in enumerate(rows, 1) for each in row.numbers]
        given = (*_arrays([row[:7] for row in rows], 7), *_arrays(texts, 3), *_arrays(numbers, 3))
        made = {place for (place,) in raw.rows(connection, self._record, given)}
        return [row.message_id for place, row in enumerate(rows, 1) if place not in made]

    def expire(self, connection: sa.Connection, before: int, count: int) -> int:
        return int(connection.exec_driver_sql(self._expire, (before, count)).scalar_one())

    def clear(self, connection: sa.Connection) -> None:
        connection.exec_driver_sql(self._clear)

    def horizon(self, connection: sa.Connection) -> int:
        return int(connection.exec_driver_sql(self._horizon).scalar_one())


def _arrays(rows: Sequence[Sequence[Any]], width: int) -> tuple[list[Any], ...]:
    """The columns of rows."""
    return tuple(list(column) for column in zip(*rows, strict=True)) or ([],) * width


def _portions(rows: Iterable[tuple[Any, ...]], most: int, size: int) -> Iterator[list[tuple[Any, ...]]]:
    """The rows in lists of at most `most`, whose text and bytes have about `size` characters at most."""
    portion: list[tuple[Any, ...]] = []
    filled = 0
    for each in rows:
        weight = sum(len(value) for value in each if isinstance(value, (str, bytes)))
        if portion and (len(portion) >= most or filled + weight > size):
            yield portion
            portion, filled = [], 0
        portion.append(each)
        filled += weight
    if portion:
        yield portion


def dialect(name: str, tables: Tables) -> SQLite | MariaDB | PostgreSQL:
    """The writes of a dialect."""
    known: dict[str, type[SQLite] | type[MariaDB] | type[PostgreSQL]] = {
        "sqlite": SQLite, "mariadb": MariaDB, "postgresql": PostgreSQL,
    }  # fmt: skip
    return known[name](tables)

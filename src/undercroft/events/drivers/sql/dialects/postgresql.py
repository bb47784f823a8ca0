"""PostgreSQL: arrays through `unnest`; ids from the transaction's own number."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from undercroft.engines.sql import Database, raw
from undercroft.engines.sql.bulk import arrays
from undercroft.events.drivers.sql.dialects.base import Dialect, Row
from undercroft.events.drivers.sql.schema import OFFSET, Tables

# Bits of an id that count within a transaction.
PLACES = 20


class PostgreSQL(Dialect):
    """Arrays through `unnest`: an event and its traits in one statement."""

    analyse_after = 5_000
    double = "float8"
    infinity = "'Infinity'::float8"

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
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

    def timestamp(self, micros: str) -> str:
        # In two steps: an interval is multiplied as a float, which has not all microseconds of all years.
        seconds, rest = f"({micros} / 1000000) * interval '1 second'", f"({micros} % 1000000) * interval '1 microsecond'"
        return f"(timestamp '1970-01-01' + {seconds} + {rest})"

    def float_literal(self, value: float) -> str:
        return f"'{value!r}'::float8"

    def start(self) -> list[tuple[str, int]]:
        return [(OFFSET, 0)]

    def align(self, db: Database) -> None:
        # A database that was restored into another server has ids that this server's transactions have yet to reach.
        if db.alone(lambda c: c.exec_driver_sql(self._behind).scalar()):
            db.write(lambda c: c.exec_driver_sql(self._align))

    def record(self, connection: sa.Connection, rows: Sequence[Row]) -> list[str]:
        texts = [(place, *each) for place, row in enumerate(rows, 1) for each in row.texts]
        numbers = [(place, *each) for place, row in enumerate(rows, 1) for each in row.numbers]
        given = (*arrays([row[:7] for row in rows], 7), *arrays(texts, 3), *arrays(numbers, 3))
        made = {place for (place,) in raw.rows(connection, self._record, given)}
        return [row.message_id for place, row in enumerate(rows, 1) if place not in made]

    def expire(self, connection: sa.Connection, before: int, count: int) -> int:
        return int(connection.exec_driver_sql(self._expire, (before, count)).scalar_one())

    def clear(self, connection: sa.Connection) -> None:
        connection.exec_driver_sql(self._clear)

    def horizon(self, connection: sa.Connection) -> int:
        return int(connection.exec_driver_sql(self._horizon).scalar_one())


DIALECT = PostgreSQL

"""The engine's own client library, for the few statements that run so often, or move so many rows, that a layer above it shows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa


@contextlib.contextmanager
def driver(connection: sa.Connection) -> Iterator[Any]:
    """The client library's connection, in the transaction that `connection` is in; its errors come out as SQLAlchemy's.

    Raises:
        sa.exc.DBAPIError: whatever the library raises within; a connection that turned out to be dead leaves the pool.
    """
    dialect = connection.dialect
    own: Any = connection.connection.driver_connection
    base: Any = dialect.loaded_dbapi.Error
    try:
        yield own
    except base as error:
        is_dead = dialect.is_disconnect(error, own, None)
        if is_dead:
            connection.invalidate(error)
        raised = sa.exc.DBAPIError.instance(None, None, error, base, connection_invalidated=is_dead, dialect=dialect)
        raise raised from error
    except (KeyboardInterrupt, SystemExit):
        # Its answer is still to come: nothing more can be sent on it, a ROLLBACK neither, whose error would take this one's place.
        connection.invalidate()
        raise


# Of a statement, beside its rows of values.
_HEAD = 4_096


def room(connection: sa.Connection, most: int) -> int:
    """How many bytes of values a statement may have: `most`, or what the engine takes where that is less."""
    own: Any = connection.connection.driver_connection
    return min(most, getattr(own, "room", most) - _HEAD)


def rows(connection: sa.Connection, statement: str, values: tuple[Any, ...] = ()) -> list[Any]:
    """Rows of one statement, none if it gives none."""
    with driver(connection) as own, contextlib.closing(own.cursor()) as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def changed(connection: sa.Connection, statement: str, values: tuple[Any, ...] = ()) -> int:
    """How many rows a statement inserted, updated or deleted."""
    with driver(connection) as own, contextlib.closing(own.cursor()) as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


def insert(connection: sa.Connection, statement: str, rows: Iterable[tuple[Any, ...]]) -> int:
    """Run a statement once for each row; how many rows that changed."""
    with driver(connection) as own, contextlib.closing(own.cursor()) as cursor:
        cursor.executemany(statement, rows)
        return int(cursor.rowcount)

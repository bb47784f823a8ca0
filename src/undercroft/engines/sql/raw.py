"""The engine's own client library, for the few statements that run so often, or move so many rows, that a layer above it shows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
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

"""Processes that create the tables of a store at the same moment, or die while they do."""

from __future__ import annotations

import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic.util import CommandError

import undercroft
from undercroft.core.errors import UndercroftError
from undercroft.engines.sql import migrate
from undercroft.engines.sql.sqlite import SQLite

# As long as a table may take to be made on a busy engine.
_MOMENT = 0.02


def start(pipe: multiprocessing.connection.Connection, url: str, options: dict[str, Any], without: str | None = None) -> None:
    """Call `init` when told to; say how many tables this process made, and what went wrong."""
    take_away(without)
    made: list[str] = []
    store = undercroft.connect("rating", url, **options)
    pipe.send("ready")
    pipe.recv()
    before_statements(lambda sql: made.append(sql) if sql.lstrip().startswith("CREATE TABLE") else None)
    try:
        store.init()
    except (UndercroftError, CommandError) as error:
        pipe.send((len(made), repr(error)))
    else:
        pipe.send((len(made), None))
    store.close()


def die(
    _pipe: multiprocessing.connection.Connection, url: str, options: dict[str, Any], step: int, without: str | None = None
) -> None:
    """Call `init`, and kill -9 oneself just before the given statement or commit."""
    take_away(without)
    steps = iter(range(1, step))

    def count(*_: object) -> None:
        if next(steps, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    before_statements(count)
    sa.event.listen(sa.Engine, "commit", count)
    undercroft.connect("rating", url, **options).init()


def before_statements(call: Callable[[str], object]) -> None:
    """Have `call` see the text of every statement that this process executes."""
    sa.event.listen(sa.Engine, "before_cursor_execute", lambda _c, _cursor, sql, *_: call(sql))


# -- protections off -------------------------------------------------------------------------------------------------


def take_away(what: str | None) -> None:
    """Take a protection away from this process."""
    if what == "locks":
        without_locks()
    elif what == "transactions":
        without_transactions()


def without_locks() -> None:
    """Starters do not wait for each other, and have time to meet."""
    vars(migrate).update(locked=lambda db, _kind, work: db.write(work))
    begin_by(lambda _self, connection: connection.exec_driver_sql("BEGIN"))
    before_statements(lambda sql: threading.Event().wait(_MOMENT) if sql.lstrip().startswith("CREATE TABLE") else None)


def begin_by(begin: Callable[[SQLite, sa.Connection], object]) -> None:
    """Begin the transactions of SQLite in another way; to be called before the store is opened."""
    type.__setattr__(SQLite, "begin", begin)


def without_transactions() -> None:
    """Every statement is a transaction, and none expects to find a part of the work done."""
    begin_by(lambda _self, _connection: None)
    sa.event.listen(sa.Engine, "engine_connect", lambda c: c.execution_options(isolation_level="AUTOCOMMIT"))

    def unconditional(_c: Any, _cursor: Any, sql: str, parameters: Any, *_: Any) -> tuple[str, Any]:
        return sql.replace(" IF NOT EXISTS", ""), parameters

    sa.event.listen(sa.Engine, "before_cursor_execute", unconditional, retval=True)

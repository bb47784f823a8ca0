"""Counts what goes over to an engine, at its client library: statements, and rows that come back.

A connection is counted from the moment that it is handed out; what SQLAlchemy asks a new one once (its version, its isolation) is
not. One call of a client's bulk path counts as one statement: an executemany, a COPY, an INSERT of many rows.
"""

from __future__ import annotations

import contextlib
import pathlib
import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, Self, cast

import opensearchpy
import sqlalchemy as sa
from pymongo import monitoring

from undercroft.engines.redis.line import Line

_CONTROL = re.compile(r"\s*(BEGIN|START TRANSACTION|SET TRANSACTION|COMMIT|ROLLBACK)\b", re.IGNORECASE)
# What libpq's trace of the protocol has of each message: who sent it (F: we), its length, its kind, and its contents, which may
# have several lines.
_TRACED = re.compile(rb"^(F|B)\t\d+\t(\w+)(.*?)(?=^[FB]\t\d+\t\w|\Z)", re.MULTILINE | re.DOTALL)
_PARSED = re.compile(rb'\s*"([^"]*)" "(.*)"', re.DOTALL)
_BOUND = re.compile(rb'\s*"[^"]*" "([^"]*)"')


class Tally:
    """What was counted; complete when the block that counts has ended."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.rows = 0

    @property
    def queries(self) -> list[str]:
        """The statements less those that begin and end transactions."""
        return [statement for statement in self.statements if not _CONTROL.match(statement)]

    def __str__(self) -> str:
        return f"{self.rows} rows, {len(self.statements)} statements:\n" + "\n".join(text[:300] for text in self.statements)


@contextlib.contextmanager
def tally() -> Iterator[Tally]:
    """Count what stores that are opened within the block exchange with their engines."""
    found = Tally()
    with contextlib.ExitStack() as stack:
        clients: dict[str, Callable[[Any], object]] = {
            "sqlite3": lambda connection: connection.count_into(found),
            "psycopg": lambda connection: _trace_psycopg(connection, found, stack),
            "pymysql": lambda connection: _count_pymysql(connection, found, stack),
        }
        seen: set[int] = set()

        def connecting(dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
            if dialect.name == "sqlite":
                parameters["factory"] = _SQLite

        def handed_out(connection: Any, record: Any, _proxy: Any) -> None:
            if id(record) not in seen:
                seen.add(id(record))
                clients[_client(connection)](connection)

        _documents.current = found
        stack.callback(setattr, _documents, "current", None)
        _count_opensearch(found, stack)
        _count_redis(found, stack)
        for name, listener, target in (("do_connect", connecting, sa.Engine), ("checkout", handed_out, sa.pool.Pool)):
            sa.event.listen(target, name, listener)
            stack.callback(sa.event.remove, target, name, listener)
        yield found


def _client(connection: object) -> str:
    """The client library of a connection."""
    return "sqlite3" if isinstance(connection, _SQLite) else type(connection).__module__.partition(".")[0]


# -- pymongo: its own events; clients are shared, so it has to listen from the start ------------------------------------------


class _Documents(monitoring.CommandListener):
    """Counts commands that ask, and the documents of their answers."""

    current: Tally | None = None

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if self.current is not None and event.command_name not in ("endSessions", "hello", "isMaster"):
            self.current.statements.append(f"{event.command_name} {event.command!r}")

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        if self.current is not None:
            cursor = event.reply.get("cursor", {})
            self.current.rows += len(cursor.get("firstBatch", ())) + len(cursor.get("nextBatch", ()))

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing came back."""


_documents = _Documents()
monitoring.register(_documents)


# -- opensearch-py: the method that every request goes through ---------------------------------------------------------------


def _count_opensearch(found: Tally, stack: contextlib.ExitStack) -> None:
    perform = opensearchpy.Transport.perform_request

    def request(transport: Any, method: str, path: str, *arguments: Any, **named: Any) -> Any:
        found.statements.append(f"{method} {path}")
        answer = perform(transport, method, path, *arguments, **named)
        if isinstance(answer, dict) and isinstance(answer.get("hits"), dict):
            found.rows += len(answer["hits"]["hits"])
        return answer

    opensearchpy.Transport.perform_request = request  # type: ignore[assignment, method-assign]
    stack.callback(setattr, opensearchpy.Transport, "perform_request", perform)


# -- Redis: what a connection sends at once, which is a round trip ------------------------------------------------------------


def _count_redis(found: Tally, stack: contextlib.ExitStack) -> None:
    for name in ("ask", "send"):
        send = getattr(Line, name)

        def counted(line: Line, packed: bytes, seconds: float, send: Any = send) -> Any:
            found.statements.append(packed[:200].decode(errors="replace"))
            return send(line, packed, seconds)

        setattr(Line, name, counted)
        stack.callback(setattr, Line, name, send)


# -- sqlite3: subclasses of its own classes ----------------------------------------------------------------------------


class _Cursor(sqlite3.Cursor):
    def execute(self, sql: str, parameters: Any = (), /) -> Self:
        cast(_SQLite, self.connection).seen(sql)
        return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> Self:
        cast(_SQLite, self.connection).seen(sql)
        return super().executemany(sql, parameters)


class _SQLite(sqlite3.Connection):
    _tally: Tally | None = None

    def count_into(self, found: Tally) -> None:
        self._tally = found

        def row(_cursor: sqlite3.Cursor, values: tuple[Any, ...]) -> tuple[Any, ...]:
            found.rows += 1
            return values

        self.row_factory = row

    def seen(self, sql: str) -> None:
        if self._tally is not None:
            self._tally.statements.append(sql)

    def cursor(self, _factory: Any = None) -> Any:
        return super().cursor(_Cursor)

    def commit(self) -> None:
        if self.in_transaction:
            self.seen("COMMIT")
        super().commit()

    def rollback(self) -> None:
        if self.in_transaction:
            self.seen("ROLLBACK")
        super().rollback()


# -- psycopg: the protocol as libpq traces it --------------------------------------------------------------------------


def _trace_psycopg(connection: Any, found: Tally, stack: contextlib.ExitStack) -> None:
    from psycopg import pq

    file = stack.enter_context(tempfile.NamedTemporaryFile())  # noqa: SIM115 - the stack closes it
    connection.pgconn.trace(file.fileno())
    connection.pgconn.set_trace_flags(pq.Trace.SUPPRESS_TIMESTAMPS)

    def read() -> None:
        connection.pgconn.untrace()
        texts: dict[bytes, str] = {}
        bound = b""
        for sender, kind, contents in _TRACED.findall(pathlib.Path(file.name).read_bytes()):
            if sender == b"B":
                found.rows += kind == b"DataRow"
            elif kind == b"Query":
                found.statements.append(contents.decode(errors="replace").strip('\t\n "'))
            elif kind == b"Parse" and (parsed := _PARSED.match(contents)):
                texts[parsed[1]] = parsed[2].decode(errors="replace")
            elif kind == b"Bind" and (names := _BOUND.match(contents)):
                bound = names[1]
            elif kind == b"Execute":
                found.statements.append(texts.get(bound, "prepared before"))

    stack.callback(read)


# -- pymysql: the command that every statement goes through ------------------------------------------------------------


def _count_pymysql(connection: Any, found: Tally, stack: contextlib.ExitStack) -> None:
    from pymysql import connections, constants

    execute = connection._execute_command

    def command(kind: int, sql: Any) -> Any:
        if kind == constants.COMMAND.COM_QUERY:
            found.statements.append(sql.decode(errors="replace") if isinstance(sql, bytes) else str(sql))
        return execute(kind, sql)

    connection._execute_command = command
    stack.callback(setattr, connection, "_execute_command", execute)
    read = connections.MySQLResult._read_row_from_packet

    def row(result: Any, packet: Any) -> Any:
        if result.connection is connection:
            found.rows += 1
        return read(result, packet)

    connections.MySQLResult._read_row_from_packet = row
    stack.callback(setattr, connections.MySQLResult, "_read_row_from_packet", read)

"""MariaDB through PyMySQL."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from undercroft.core.errors import Corrupt, Denied, Unavailable, UndercroftError
from undercroft.core.findings import Finding, ok, size
from undercroft.engines.session import Pin, Setting
from undercroft.engines.sql.dialect import ServerDialect
from undercroft.engines.sql.errors import (
    STATEMENT_TIMEOUT,
    Contended,
    Disconnected,
    TooLarge,
    by_code,
    first_line,
    not_initialized,
    not_storable,
)
from undercroft.engines.sql.options import EngineOptions

# Numbers of the server (1...) and of the client library (2..., 0 for a connection closed before).
_MISSING_TABLE = (1054, 1146)
_TIMEOUT = (1969, 3024)
_TOO_LARGE = 1153
_KINDS: tuple[tuple[tuple[int, ...], type[Unavailable]], ...] = (
    ((1020, 1062, 1205, 1213), Contended),
    ((1044, 1045, 1049, 1142, 1143, 1227, 1290, 1370, 1698, 1792, 1836), Denied),
    ((0, 1053, 1077, 1079, 1158, 1159, 1160, 1161, 1927, 2002, 2003, 2006, 2013, 2014, 2055), Disconnected),
    ((*_TIMEOUT, 1021, 1026, 1030, 1037, 1040, 1041, 1114, 1203), Unavailable),
    ((1034, 1035, 1194, 1195, 1712), Corrupt),
)
# An item's values: those of SQLSTATE classes 22 and 23, which the client library does not pass on.
_DATA = (1048, 1216, 1217, 1264, 1265, 1292, 1365, 1366, 1367, 1406, 1416, 1425, 1426, 1441, 1451, 1452, 1690, 3140, 4025)
# Of the status that comes with each answer: a transaction has begun.
_IN_TRANSACTION = 1
# A statement must have room for the smallest reasonable item.
_LEAST_PACKET, _ENOUGH = 2**20, "1 MiB or more"


def _deadline(options: EngineOptions) -> str:
    """The setting `max_statement_time`, in seconds."""
    return f"{options.statement_timeout:f}"


class MariaDB(ServerDialect):
    """Sessions are READ COMMITTED for writers; a transaction that reads sees one snapshot. Every change of a table commits."""

    name = "mariadb"
    client = "mariadb+pymysql"
    url_keys = ("charset", "ssl_ca", "ssl_cert", "ssl_key", "ssl_check_hostname", "ssl_verify_cert", "unix_socket")
    oldest = (10, 6)
    session = (
        Pin(
            "sql_mode",
            "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ANSI_QUOTES",
            "values that do not fit would be cut; a backslash, a quote or a space at the end would mean something else",
        ),
        Pin("character_set_client", "utf8mb4", "texts would lose characters when they are written"),
        Pin("character_set_results", "utf8mb4", "texts would lose characters when they are read"),
        Pin("time_zone", "+00:00", "moments would be of another zone"),
        Pin("tx_isolation", "READ-COMMITTED", "writers beside each other would fail, or see an older state"),
        Pin("autocommit", "0", "each statement would be a transaction of its own"),
        Pin("completion_type", "NO_CHAIN", "a commit would begin another transaction, or end the session"),
        Pin("default_storage_engine", "InnoDB", "tables would be made that have no transactions"),
        Pin("max_statement_time", "the option `statement_timeout`", "a statement could take for ever, or end too soon", _deadline),
        Pin("innodb_lock_wait_timeout", "50", "a writer that waits for its turn would fail, or wait too long"),
        Pin("sql_select_limit", "18446744073709551615", "rows would be left out of an answer without a word"),
        Pin("sql_big_selects", "1", "questions about much would be refused"),
        Pin("sql_safe_updates", "0", "deletions would be refused"),
        Pin("sql_auto_is_null", "0", "a comparison with NULL would find the last row"),
        Pin("unique_checks", "1", "keys could be stored twice"),
        Pin("max_sort_length", "1024", "texts would be sorted by their beginnings"),
        Pin("div_precision_increment", "4", "quotients would be rounded"),
        Pin("sql_quote_show_create", "1", "`doctor` could not read what the tables are like"),
        Pin("net_write_timeout", "600", "a long download whose reader pauses would be cut off"),
        Pin("idle_transaction_timeout", "0", "a long download whose reader pauses would be cut off"),
        Pin("idle_readonly_transaction_timeout", "0", "the same"),
        Pin("idle_write_transaction_timeout", "0", "a write between two statements would be cut off"),
    )
    required = (
        Setting(
            "binlog_format",
            "SELECT CASE WHEN @@log_bin = 0 THEN 'no binary log' ELSE @@binlog_format END",
            ("ROW", "MIXED", "no binary log"),
            "the server refuses every write of a READ COMMITTED transaction: set binlog_format = MIXED or ROW",
        ),
        Setting(
            "max_allowed_packet",
            f"SELECT CASE WHEN @@max_allowed_packet < {_LEAST_PACKET} THEN @@max_allowed_packet ELSE '{_ENOUGH}' END",
            (_ENOUGH,),
            "hardly an item fits into a statement: set max_allowed_packet = 16M",
        ),
    )
    durability = (
        Setting(
            "innodb_flush_log_at_trx_commit",
            "SELECT @@innodb_flush_log_at_trx_commit",
            ("1",),
            "the last commits may be lost: set innodb_flush_log_at_trx_commit = 1",
        ),
        Setting(
            "sync_binlog",
            "SELECT CASE WHEN @@log_bin = 0 THEN 'no binary log' ELSE @@sync_binlog END",
            ("1", "no binary log"),
            "a replica may miss the last commits: set sync_binlog = 1",
        ),
        Setting(
            "innodb_doublewrite", "SELECT @@innodb_doublewrite", ("1", "ON"), "a page may be torn: set innodb_doublewrite = ON"
        ),
    )
    clock = "SELECT utc_timestamp(6)"
    resets = None
    analyse = "ANALYZE NO_WRITE_TO_BINLOG TABLE"

    def query(self, passed_on: Mapping[str, str]) -> dict[str, str]:
        # Hosts write `charset=utf8`, which has not all characters.
        return {**passed_on, "charset": "utf8mb4"}

    def connect_arguments(self) -> dict[str, Any]:
        seconds = max(1, round(self.options.connect_timeout))
        session = (f"{name} = {_literal(value)}" for name, value in self.pinned().items())
        return {
            # PyMySQL's own limit ends with the TCP connection: a server that never greets must not be waited for as for an answer.
            "connect_timeout": seconds,
            "read_timeout": seconds,
            "write_timeout": seconds,
            "cursorclass": _cursor_class(),
            "init_command": f"SET SESSION {', '.join(session)}",
        }

    def configure(self, connection: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT @@max_allowed_packet")
            (connection.room,) = cursor.fetchone()
        # The server's own deadline comes first, and says what it was.
        connection._read_timeout = connection._write_timeout = round(self.options.statement_timeout) + 5

    def listen(self, engine: sa.Engine) -> None:
        super().listen(engine)
        sa.event.listen(engine, "reset", self._reset)

    @staticmethod
    def _reset(connection: Any, _record: object, state: Any) -> None:
        """End what a connection that is given back has begun. The pool's own rollback would be a round trip after each COMMIT.

        Most blocks have ended it. A commit that failed has not, nor has a single statement that went past SQLAlchemy.
        """
        if not state.terminate_only and connection.server_status & _IN_TRANSACTION:
            connection.rollback()

    def room(self, connection: Any) -> int:
        return int(connection.room)

    def begin(self, connection: sa.Connection) -> None:
        # Several statements of one answer see one state of the data.
        options = connection.get_execution_options()
        if options.get("glances"):
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED")
        elif not options.get("writes") and not options.get("autocommits"):
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    def socket_number(self, connection: Any) -> int:
        return int(connection._sock.fileno())

    def error(self, error: sa.exc.DBAPIError) -> UndercroftError:
        text = first_line(error)
        arguments = error.orig.args if error.orig else ()
        code = arguments[0] if arguments else 0
        if code == _TOO_LARGE:
            return TooLarge("item", str(arguments[1]), *arguments[2:])
        if code in _MISSING_TABLE:
            return not_initialized(self.place)
        if code in _DATA:
            return not_storable(code)
        return by_code(_KINDS, code)(f"{self.place}: {STATEMENT_TIMEOUT if code in _TIMEOUT else text}")

    def insert_missing(self, table: sa.Table) -> sa.Insert:
        return table.insert().prefix_with("IGNORE")

    @contextlib.contextmanager
    def migrating(self, engine: sa.Engine, namespace: str, kind: str) -> Iterator[None]:
        """A lock of the session: every change of a table commits, so one of a transaction would end with the first."""
        name = f"undercroft.{namespace}_{kind}_version"
        with self.translated(), engine.connect() as connection:
            taken = connection.execute(sa.select(sa.func.get_lock(name, round(self.options.statement_timeout)))).scalar()
            if not taken:
                raise Unavailable(f"{self.place}: another process has been migrating {kind} for too long")
            try:
                yield
            finally:
                connection.execute(sa.select(sa.func.release_lock(name)))

    def space(self, connection: sa.Connection, tables: Sequence[str]) -> list[Finding]:
        taken = (
            "SELECT sum(data_length + index_length) FROM information_schema.tables "
            "WHERE table_schema = database() AND table_name IN %s"
        )
        return [ok("size", size(int(connection.exec_driver_sql(taken, (list(tables),)).scalar() or 0)))]


@functools.cache
def _cursor_class() -> Any:
    """A cursor that sends no statement that the server would not read: it closes the connection then, and tells no reason.

    It notes in the connection that a transaction may be open.
    """
    import pymysql  # noqa: PLC0415 - an engine's own library

    class Cursor(pymysql.cursors.Cursor):  # type: ignore[misc]
        def execute(self, query: Any, args: Any = None) -> int:
            text = self.mogrify(query, args)
            # Rows and errors come without a status: a transaction is open until an answer, as that to COMMIT, says that it is not.
            self.connection.server_status |= _IN_TRANSACTION
            most = getattr(self.connection, "room", None)
            # A character takes four bytes at most; one more byte says what the packet holds.
            if most is not None and 4 * len(text) >= most:
                size = len(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text) + 1
                if size > most:
                    problem = f"takes {size:,} bytes in a statement, and the server takes {most:,} (max_allowed_packet)"
                    raise pymysql.err.DataError(_TOO_LARGE, problem, size, most)
            return int(super().execute(text))

    return Cursor


def _literal(value: str) -> str:
    """A number as it is, anything else between quotes: numbers are not taken as text."""
    return value if value.replace(".", "", 1).isdigit() else f"'{value}'"


DIALECT = MariaDB

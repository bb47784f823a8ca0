"""MariaDB through PyMySQL."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from undercroft.core.errors import ConfigInvalid, Corrupt, Unavailable, UndercroftError
from undercroft.core.findings import Finding, ok, size
from undercroft.engines.sql.dialect import ServerDialect, Setting
from undercroft.engines.sql.errors import STATEMENT_TIMEOUT, Contended, Disconnected, by_code, first_line, not_initialized

# Numbers of the server (1...) and of the client library (2..., 0 for a connection closed before).
_MISSING_TABLE = (1054, 1146)
_TIMEOUT = (1969, 3024)
_KINDS: tuple[tuple[tuple[int, ...], type[UndercroftError]], ...] = (
    ((1020, 1062, 1205, 1213), Contended),
    ((1044, 1045, 1049, 1142, 1227, 1698), ConfigInvalid),
    ((0, 1053, 1077, 1079, 1158, 1159, 1160, 1161, 1927, 2002, 2003, 2006, 2013, 2014, 2055), Disconnected),
    ((*_TIMEOUT, 1021, 1026, 1030, 1037, 1040, 1041, 1114, 1203, 1290), Unavailable),
    ((1034, 1035, 1194, 1195, 1712), Corrupt),
)


class MariaDB(ServerDialect):
    """Sessions are READ COMMITTED for writers; a transaction that reads sees one snapshot. Every change of a table commits."""

    name = "mariadb"
    client = "mariadb+pymysql"
    url_keys = ("charset", "ssl_ca", "ssl_cert", "ssl_key", "ssl_check_hostname", "ssl_verify_cert", "unix_socket")
    oldest = (10, 6)
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
    analyse = "ANALYZE NO_WRITE_TO_BINLOG TABLE"

    def client_of(self, scheme: str) -> str:
        # Hosts write `mysql+pymysql`, with which SQLAlchemy would not tell MariaDB's own features.
        return self.client

    def query(self, passed_on: Mapping[str, str]) -> dict[str, str]:
        return {"charset": "utf8mb4", **passed_on}

    def connect_arguments(self) -> dict[str, Any]:
        seconds = max(1, round(self.options.connect_timeout))
        session = [
            "sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ANSI_QUOTES'",
            "time_zone = '+00:00'",
            f"max_statement_time = {self.options.statement_timeout:f}",
            "tx_isolation = 'READ-COMMITTED'",
        ]
        return {
            # PyMySQL's own limit ends with the TCP connection: a server that never greets must not be waited for as for an answer.
            "connect_timeout": seconds,
            "read_timeout": seconds,
            "write_timeout": seconds,
            "init_command": f"SET SESSION {', '.join(session)}",
        }

    def configure(self, connection: Any) -> None:
        # The server's own deadline comes first, and says what it was.
        connection._read_timeout = connection._write_timeout = round(self.options.statement_timeout) + 5

    def begin(self, connection: sa.Connection) -> None:
        # Several statements of one answer see one state of the data.
        options = connection.get_execution_options()
        if not options.get("writes") and not options.get("autocommits"):
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    def socket_number(self, connection: Any) -> int:
        return int(connection._sock.fileno())

    def error(self, error: sa.exc.DBAPIError) -> UndercroftError:
        text = first_line(error)
        arguments = error.orig.args if error.orig else ()
        code = arguments[0] if arguments else 0
        if code in _MISSING_TABLE:
            return not_initialized(self.place)
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


DIALECT = MariaDB

"""PostgreSQL through psycopg."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from undercroft.core.errors import ConfigInvalid, Corrupt, Unavailable, UndercroftError
from undercroft.core.findings import Finding, ok, size
from undercroft.engines.sql.dialect import ServerDialect, Setting
from undercroft.engines.sql.errors import STATEMENT_TIMEOUT, Contended, Disconnected, first_line, not_initialized

# SQLSTATE classes and codes (appendix A of its manual). The first prefix that fits decides.
_MISSING_TABLE = ("42P01", "42703", "3F000")
_TIMEOUT = "57014"
_KINDS: tuple[tuple[tuple[str, ...], type[UndercroftError]], ...] = (
    (("40001", "40P01", "55P03", "23505"), Contended),
    (("28", "3D", "42501"), ConfigInvalid),
    ((_TIMEOUT, "53", "58"), Unavailable),
    (("08", "57"), Disconnected),
    (("XX",), Corrupt),
)


class PostgreSQL(ServerDialect):
    """Writers are READ COMMITTED, readers see one snapshot."""

    name = "postgresql"
    client = "postgresql+psycopg"
    url_keys = (
        "application_name", "channel_binding", "gssencmode", "host", "krbsrvname", "passfile", "port", "service",
        "sslcert", "sslcrl", "sslkey", "sslmode", "sslpassword", "sslrootcert", "target_session_attrs",
    )  # fmt: skip
    oldest = (13,)
    durability = (
        Setting("fsync", "SHOW fsync", ("on",), "a power cut may destroy the database: set fsync = on"),
        Setting(
            "synchronous_commit",
            "SHOW synchronous_commit",
            ("on", "local", "remote_write", "remote_apply"),
            "the last commits may be lost: set synchronous_commit = on for this user or server",
        ),
        Setting(
            "full_page_writes", "SHOW full_page_writes", ("on",), "a page may be torn by a power cut: set full_page_writes = on"
        ),
    )
    clock = "SELECT clock_timestamp()"
    analyse = "ANALYZE (SKIP_LOCKED)"
    # Several statements of one answer see one state of the data.
    reading: ClassVar[Mapping[str, Any]] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    autocommitting: ClassVar[Mapping[str, Any]] = {"isolation_level": "AUTOCOMMIT"}

    def connect_arguments(self) -> dict[str, Any]:
        deadline = int(self.options.statement_timeout * 1000)
        return {
            "connect_timeout": max(1, round(self.options.connect_timeout)),
            "tcp_user_timeout": deadline,
            "keepalives_idle": 30,
            "options": f"-c statement_timeout={deadline} -c timezone=UTC",
        }

    def error(self, error: sa.exc.DBAPIError) -> UndercroftError:
        text = first_line(error)
        state = getattr(error.orig, "sqlstate", None)
        if state is None:
            if isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError)) or error.connection_invalidated:
                return Disconnected(f"{self.place}: {text}")
            return UndercroftError(f"{self.place}: {text}")
        if state in _MISSING_TABLE:
            return not_initialized(self.place)
        if state == _TIMEOUT:
            text = STATEMENT_TIMEOUT
        for prefixes, kind in _KINDS:
            if state.startswith(prefixes):
                return kind(f"{self.place}: {text}")
        return UndercroftError(f"{self.place}: {text} (SQLSTATE {state})")

    def insert_missing(self, table: sa.Table) -> sa.Insert:
        return postgresql.insert(table).on_conflict_do_nothing()

    def lock_migration(self, connection: sa.Connection, namespace: str, kind: str) -> None:
        name = f"undercroft migration {namespace} {kind}".encode()
        key = int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), signed=True)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))

    def may_upgrade(self, connection: sa.Connection) -> bool:
        return bool(connection.exec_driver_sql("SELECT has_schema_privilege(current_schema(), 'CREATE')").scalar())

    def space(self, connection: sa.Connection, tables: Sequence[str]) -> list[Finding]:
        taken = "SELECT sum(pg_total_relation_size(to_regclass(n))) FROM unnest(%s::text[]) AS t(n)"
        return [ok("size", size(int(connection.exec_driver_sql(taken, (list(tables),)).scalar() or 0)))]


DIALECT = PostgreSQL

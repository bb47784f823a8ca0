"""PostgreSQL through psycopg."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from undercroft.core.errors import ConfigInvalid, Corrupt, Declined, Denied, Unavailable, UndercroftError
from undercroft.core.findings import Finding, ok, size
from undercroft.engines.session import Pin, Setting
from undercroft.engines.sql import raw
from undercroft.engines.sql.dialect import ServerDialect
from undercroft.engines.sql.errors import (
    STATEMENT_TIMEOUT,
    Contended,
    Disconnected,
    TooLarge,
    first_line,
    not_initialized,
    not_storable,
)
from undercroft.engines.sql.options import EngineOptions

# SQLSTATE classes and codes (appendix A of its manual). The first prefix that fits decides.
_MISSING_TABLE = ("42P01", "42703", "3F000")
_TIMEOUT = "57014"
# Such as a row of an index, or a text of a gigabyte.
_TOO_LARGE = "54000"
_KINDS: tuple[tuple[tuple[str, ...], type[Unavailable]], ...] = (
    (("40001", "40P01", "55P03", "23505"), Contended),
    (("25006", "28", "3D", "42501"), Denied),
    ((_TIMEOUT, "53", "58"), Unavailable),
    (("08", "57"), Disconnected),
    (("XX001", "XX002"), Corrupt),
)
# An item's values; what is above decides first.
_DATA = ("22", "23")
# Of a value among options, which spaces part.
_SPACE = "\\ "
_BEGIN = "BEGIN"
# What PgBouncer answers to settings that come with a connection, and the way out.
_REFUSED = "unsupported startup parameter"
_POOLED = "with PgBouncer in between, add pooler=transaction to the URL (pooler=session where its pool_mode is session)"
_NO_SCHEMA, _A_SCHEMA = "names no schema that exists", "names a schema"


# libpq takes these from PGDATESTYLE and PGTZ, and has them win over what we ask for.
_OF_ENVIRONMENT = {"DateStyle", "TimeZone"}


def _deadline(options: EngineOptions) -> str:
    """The setting `statement_timeout`, in milliseconds."""
    return str(int(options.statement_timeout * 1000))


def _synchronous(options: EngineOptions) -> str:
    """The setting `synchronous_commit`."""
    return "on" if options.synchronous == "full" else "off"


class PostgreSQL(ServerDialect):
    """Writers are READ COMMITTED, readers see one snapshot."""

    name = "postgresql"
    client = "postgresql+psycopg"
    url_keys = (
        "application_name", "channel_binding", "gssencmode", "host", "krbsrvname", "passfile", "port", "service",
        "sslcert", "sslcrl", "sslkey", "sslmode", "sslpassword", "sslrootcert", "target_session_attrs",
    )  # fmt: skip
    oldest = (13,)
    session = (
        Pin("client_encoding", "UTF8", "texts would arrive as bytes, or lose characters"),
        Pin("standard_conforming_strings", "on", "a backslash in a text would begin an escape"),
        Pin("array_nulls", "on", "NULL in a list would be stored as the word"),
        Pin("transform_null_equals", "off", "a comparison with NULL would find rows"),
        Pin("DateStyle", "ISO, YMD", "moments could not be read"),
        Pin("IntervalStyle", "postgres", "spans could not be read"),
        Pin("TimeZone", "UTC", "moments would be of another zone"),
        Pin("bytea_output", "hex", "bytes would be read in the slower form"),
        Pin("extra_float_digits", "1", "floats would be rounded when they are read"),
        Pin("default_transaction_isolation", "read committed", "writers beside each other would fail, or see an older state"),
        Pin("quote_all_identifiers", "off", "`doctor` could not read what the tables are like"),
        Pin("row_security", "off", "a policy on our tables would leave rows out of an answer without a word; now it is an error"),
        Pin("statement_timeout", "the option `statement_timeout`", "a statement could take for ever, or end too soon", _deadline),
        Pin("synchronous_commit", "the option `synchronous`", "the last commits could be lost with the server", _synchronous),
        Pin("lock_timeout", "0", "a writer that waits for its turn would fail; `statement_timeout` limits it"),
        Pin("idle_in_transaction_session_timeout", "0", "a long download whose reader pauses would be cut off"),
    )
    required = (
        Setting(
            "server_encoding",
            "SHOW server_encoding",
            ("UTF8",),
            "only UTF8 holds every text: make another database, CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0",
        ),
        Setting(
            "search_path",
            f"SELECT CASE WHEN current_schema() IS NULL THEN '{_NO_SCHEMA}' ELSE '{_A_SCHEMA}' END",
            (_A_SCHEMA,),
            "tables need a schema: CREATE SCHEMA, or ALTER ROLE name SET search_path = public",
        ),
    )
    durability = (
        Setting("fsync", "SHOW fsync", ("on",), "a power cut may destroy the database: set fsync = on"),
        Setting(
            "synchronous_commit",
            "SHOW synchronous_commit",
            ("on",),
            "the last commits may be lost: leave out synchronous=normal",
        ),
        Setting(
            "full_page_writes", "SHOW full_page_writes", ("on",), "a page may be torn by a power cut: set full_page_writes = on"
        ),
    )
    clock = "SELECT clock_timestamp()"
    analyse = "ANALYZE (SKIP_LOCKED)"
    # Several statements of one answer see one state of the data.
    reading = MappingProxyType({"isolation_level": "REPEATABLE READ", "postgresql_readonly": True})
    autocommitting = MappingProxyType({"isolation_level": "AUTOCOMMIT"})

    def __init__(
        self, url: str, options: EngineOptions, passed_on: Mapping[str, str], pins: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(url, options, passed_on, pins)
        if options.pooler == "transaction":
            # A transaction brings its settings along: the next one may be on another connection of the server.
            self.reading = MappingProxyType({"begins": f"{_BEGIN} ISOLATION LEVEL REPEATABLE READ READ ONLY"})
            self.autocommitting = MappingProxyType({})
            self.commits_alone = True

        self.keeps_at_hand = options.pooler == "none"

    def connect_arguments(self) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "connect_timeout": max(1, round(self.options.connect_timeout)),
            "tcp_user_timeout": int(self.options.statement_timeout * 1000),
            "keepalives_idle": 30,
            "client_encoding": "UTF8",
        }
        if self.options.pooler == "transaction":
            # A statement that was prepared would be on one connection of the server only.
            arguments["prepare_threshold"] = None
        if self.options.pooler != "none":
            return arguments
        # What a client asks for as it connects comes before all that a server, a database or a role is set to.
        asked = (f"-c {name}={value.replace(' ', _SPACE)}" for name, value in self.pinned().items())
        return {**arguments, "options": " ".join(asked)}

    def listen(self, engine: sa.Engine) -> None:
        super().listen(engine)
        sa.event.listen(engine, "checkout", self._unset)
        if self.options.pooler == "transaction":
            settings = (f"SET LOCAL {name} = '{value}'" for name, value in self.pinned().items() if name != "client_encoding")
            self._settings = "; ".join(settings)
            sa.event.listen(engine, "begin", self._begin)

    @staticmethod
    def _unset(connection: Any, _record: object, _proxy: object) -> None:
        """Let what follows a reading transaction be as the server is set: else it would write where that allows no writing."""
        if connection.read_only is not None:
            connection.read_only = None

    def _begin(self, connection: sa.Connection) -> None:
        """Begin a transaction that brings its settings along, all in one message."""
        begins = connection.get_execution_options().get("begins", _BEGIN)
        with raw.driver(connection) as own:
            own.execute(f"{begins}; {self._settings}")

    def configure(self, connection: Any) -> None:
        wanted = self.pinned()
        connection.autocommit = True
        if self.options.pooler == "transaction":
            # Transactions begin by statements of ours.
            return
        found = dict(connection.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", (list(wanted),)).fetchall())
        others = {name: value for name, value in wanted.items() if found.get(name) != value}
        if self.options.pooler == "none" and others.keys() - _OF_ENVIRONMENT:
            connection.close()
            raise ConfigInvalid(f"{self.place}: {_dropped(found, others)}")
        if others:
            connection.execute(
                "SELECT set_config(n, v, false) FROM unnest(%s::text[], %s::text[]) AS s(n, v)",
                (list(others), list(others.values())),
            )
        connection.autocommit = False

    def error(self, error: sa.exc.DBAPIError) -> UndercroftError:
        text = first_line(error)
        if _REFUSED in str(error.orig):
            return ConfigInvalid(f"{self.place}: {text}; {_POOLED}")
        state = getattr(error.orig, "sqlstate", None)
        if state is None:
            if isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError)) or error.connection_invalidated:
                return Disconnected(f"{self.place}: {text}")
            return not_storable("none") if isinstance(error, sa.exc.DataError) else Declined(f"{self.place}: {text}")
        if state in _MISSING_TABLE:
            return not_initialized(self.place)
        if state == _TIMEOUT:
            text = STATEMENT_TIMEOUT
        if state == _TOO_LARGE:
            return TooLarge("item", "is larger than PostgreSQL takes, in a row or for an index")
        for prefixes, kind in _KINDS:
            if state.startswith(prefixes):
                return kind(f"{self.place}: {text}")
        if state.startswith(_DATA):
            return not_storable(state)
        return Declined(f"{self.place}: {text} (SQLSTATE {state})")

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


def _dropped(found: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    """What to say where the server does not have what was asked for."""
    name = min(wanted)
    return (
        f"the session has {name} = {found.get(name)} where {wanted[name]} was asked for: "
        f"a pooler before the server drops what sessions ask for; {_POOLED}"
    )


DIALECT = PostgreSQL

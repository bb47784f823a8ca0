"""PostgreSQL refuses: by errors of the server that a trigger raises, by rights, by a session that is read only."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping

import psycopg
from psycopg import sql

from tests.chaos.refusals import TOLD, Refusal, Way, as_user, named
from undercroft.conformance.plugin import Opener


@contextlib.contextmanager
def _server(opener: Opener) -> Iterator[tuple[psycopg.Connection, list[str]]]:
    """A connection of the administrator, and the tables of the namespace."""
    with psycopg.connect(opener.url.partition("?")[0], autocommit=True) as connection:
        yield connection, _relations(opener, connection, ["r", "p"])


def _relations(opener: Opener, connection: psycopg.Connection, kinds: list[str]) -> list[str]:
    """The names of the relations of the namespace that are of some `relkind`s of pg_class."""
    found = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
        ' AND relkind = ANY(%s::"char"[]) AND starts_with(relname, %s) ORDER BY relname',
        (kinds, opener.namespace),
    )
    return [name for (name,) in found]


@contextlib.contextmanager
def _raised(opener: Opener, state: str) -> Iterator[Refusal]:
    """Every INSERT fails with a SQLSTATE."""
    with _server(opener) as (connection, tables):
        function = sql.Identifier(f"{opener.namespace}_refuse")

        def begin() -> None:
            body = f"BEGIN RAISE EXCEPTION '{TOLD}' USING ERRCODE = '{state}'; END"
            connection.execute(
                sql.SQL("CREATE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql AS {}").format(function, sql.Literal(body))
            )
            for table in tables:
                each = "CREATE TRIGGER refuse BEFORE INSERT ON {} FOR EACH STATEMENT EXECUTE FUNCTION {}()"
                connection.execute(sql.SQL(each).format(sql.Identifier(table), function))

        def end() -> None:
            # One lock at a time: a store that tries again meanwhile may hold the tables in another order.
            for table in tables:
                connection.execute(sql.SQL("DROP TRIGGER IF EXISTS refuse ON {}").format(sql.Identifier(table)))
            connection.execute(sql.SQL("DROP FUNCTION IF EXISTS {}").format(function))

        yield Refusal(named(opener), begin, end)
        end()


@contextlib.contextmanager
def _user(opener: Opener, user: str) -> Iterator[tuple[psycopg.Connection, sql.Identifier, sql.Composable]]:
    """A user who may read and write the tables, and nothing else."""
    with _server(opener) as (connection, tables):
        name = sql.Identifier(user)
        those = sql.SQL(", ").join(map(sql.Identifier, tables))
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
        try:
            connection.execute(sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON {} TO {}").format(those, name))
            # By name, never "ALL SEQUENCES IN SCHEMA": that also changes those that other tests drop at the same time.
            for sequence in _relations(opener, connection, ["S"]):
                connection.execute(sql.SQL("GRANT USAGE, SELECT ON {} TO {}").format(sql.Identifier(sequence), name))
            yield connection, name, those
        finally:
            connection.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(name))


@contextlib.contextmanager
def _rights(opener: Opener) -> Iterator[Refusal]:
    """The right to INSERT is withdrawn."""
    user = f"{opener.namespace}_writer"
    with _user(opener, user) as (connection, name, those):
        take = sql.SQL("REVOKE INSERT ON {} FROM {}").format(those, name)
        give = sql.SQL("GRANT INSERT ON {} TO {}").format(those, name)
        yield Refusal(
            named(opener, as_user(opener, user)),
            lambda: connection.execute(take),
            lambda: connection.execute(give),
        )


@contextlib.contextmanager
def _read_only(opener: Opener) -> Iterator[Refusal]:
    """The user's sessions are read only, as those of a standby are."""
    user = f"{opener.namespace}_reader"
    with _user(opener, user) as (connection, name, _those):

        def set_to(value: str) -> None:
            connection.execute(sql.SQL("ALTER ROLE {} SET default_transaction_read_only = {}").format(name, sql.SQL(value)))
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (user,))

        url = named(opener, as_user(opener, user))
        yield Refusal(url, functools.partial(set_to, "on"), functools.partial(set_to, "off"))


@contextlib.contextmanager
def _missing(opener: Opener) -> Iterator[Refusal]:
    """The tables have other names, as in the middle of a restore."""
    with _server(opener) as (connection, tables):

        def rename(old: str, new: str) -> None:
            for table in tables:
                names = sql.Identifier(old + table), sql.Identifier(new + table)
                connection.execute(sql.SQL("ALTER TABLE {} RENAME TO {}").format(*names))

        yield Refusal(named(opener), functools.partial(rename, "", "x"), functools.partial(rename, "x", ""))


WAYS: Mapping[str, Way] = {
    "disk full (53100)": functools.partial(_raised, state="53100"),
    "too many connections (53300)": functools.partial(_raised, state="53300"),
    "an unknown code (ZZ123)": functools.partial(_raised, state="ZZ123"),
    "an error of the server's own (XX000)": functools.partial(_raised, state="XX000"),
    "a feature is off (0A000)": functools.partial(_raised, state="0A000"),
    "rights withdrawn": _rights,
    "read only": _read_only,
    "tables are away": _missing,
}

"""MariaDB refuses: by errors of the server that a trigger raises, by rights, by tables that are away."""

from __future__ import annotations

import contextlib
import functools
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

import pymysql

from tests.chaos.refusals import TOLD, Refusal, Way, as_user, named
from undercroft.conformance.plugin import Opener


@contextlib.contextmanager
def _server(opener: Opener, kind: str = "%") -> Iterator[tuple[Any, list[str]]]:
    """What executes a statement as the administrator, and the tables of the namespace; sequences are among them."""
    parts = urllib.parse.urlsplit(opener.url)
    connection = pymysql.connect(
        host=parts.hostname, port=parts.port or 3306, user=parts.username, database=parts.path.strip("/"), autocommit=True
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables "
            "WHERE table_schema = database() AND table_name LIKE %s AND table_type LIKE %s",
            (f"{opener.namespace}%", kind),
        )
        yield cursor.execute, [str(name) for (name,) in cursor.fetchall()]


@contextlib.contextmanager
def _raised(opener: Opener, number: int) -> Iterator[Refusal]:
    """Every INSERT fails with an error of the server."""
    with _server(opener, "BASE TABLE") as (execute, tables):

        def begin() -> None:
            for table in tables:
                execute(
                    f"CREATE TRIGGER {table}_refuse BEFORE INSERT ON {table} FOR EACH ROW "
                    f"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = '{TOLD}'"
                )

        def end() -> None:
            for table in tables:
                execute(f"DROP TRIGGER IF EXISTS {table}_refuse")

        yield Refusal(named(opener), begin, end)
        end()


@contextlib.contextmanager
def _rights(opener: Opener) -> Iterator[Refusal]:
    """The right to INSERT is withdrawn."""
    user = f"{opener.namespace}@'%'"
    with _server(opener) as (execute, tables):
        execute(f"CREATE USER {user}")

        def each(statement: str) -> None:
            for table in tables:
                execute(statement.format(table=table, user=user))

        each("GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {user}")
        try:
            yield Refusal(
                named(opener, as_user(opener, opener.namespace)),
                functools.partial(each, "REVOKE INSERT ON {table} FROM {user}"),
                functools.partial(each, "GRANT INSERT ON {table} TO {user}"),
            )
        finally:
            execute(f"DROP USER {user}")


@contextlib.contextmanager
def _missing(opener: Opener) -> Iterator[Refusal]:
    """The tables have other names, as in the middle of a restore."""
    with _server(opener) as (execute, tables):

        def rename(old: str, new: str) -> None:
            for table in tables:
                execute(f"RENAME TABLE {old}{table} TO {new}{table}")

        yield Refusal(named(opener), functools.partial(rename, "", "x"), functools.partial(rename, "x", ""))


WAYS: Mapping[str, Way] = {
    "a cluster's node is not ready (1047)": functools.partial(_raised, number=1047),
    "interrupted (1317)": functools.partial(_raised, number=1317),
    "read only (1836)": functools.partial(_raised, number=1836),
    "read only (1290)": functools.partial(_raised, number=1290),
    "disk full (1021)": functools.partial(_raised, number=1021),
    "an unknown code (3999)": functools.partial(_raised, number=3999),
    "rights withdrawn": _rights,
    "tables are away": _missing,
}

"""A file of SQLite refuses: by a trigger, by another writer, by its header, by what the process may write, by missing tables."""

from __future__ import annotations

import contextlib
import functools
import pathlib
import resource
import sqlite3
from collections.abc import Iterator, Mapping

from tests.chaos.refusals import TOLD, Refusal, Way, named
from undercroft.conformance.plugin import Opener

# Offset in the file's header of the version that writers need; 3 is one that nobody knows, and makes the file read only.
_WRITERS, _UNKNOWN = 18, b"\x03"


@contextlib.contextmanager
def _file(opener: Opener) -> Iterator[tuple[sqlite3.Connection, list[str]]]:
    """A connection to the file, and the tables of the namespace."""
    with contextlib.closing(sqlite3.connect(_path(opener), isolation_level=None)) as connection:
        wanted = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB ?"
        yield connection, [name for (name,) in connection.execute(wanted, (f"{opener.namespace}*",))]


def _path(opener: Opener) -> pathlib.Path:
    return pathlib.Path(opener.url.partition("?")[0].removeprefix("sqlite:///"))


@contextlib.contextmanager
def _raised(opener: Opener) -> Iterator[Refusal]:
    """A trigger that is not ours fails every INSERT."""
    with _file(opener) as (connection, tables):

        def begin() -> None:
            for table in tables:
                connection.execute(
                    f"CREATE TRIGGER {table}_refuse BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, '{TOLD}'); END"
                )

        def end() -> None:
            for table in tables:
                connection.execute(f"DROP TRIGGER {table}_refuse")

        yield Refusal(named(opener), begin, end)


@contextlib.contextmanager
def _locked(opener: Opener) -> Iterator[Refusal]:
    """Another writer keeps the file for longer than ours waits."""
    with _file(opener) as (connection, _):
        url = named(opener, busy_timeout="0.1")
        yield Refusal(url, lambda: connection.execute("BEGIN IMMEDIATE"), lambda: connection.execute("ROLLBACK"))


@contextlib.contextmanager
def _missing(opener: Opener) -> Iterator[Refusal]:
    """The tables have other names, as in the middle of a restore."""
    with _file(opener) as (connection, tables):

        def rename(old: str, new: str) -> None:
            for table in tables:
                connection.execute(f"ALTER TABLE {old}{table} RENAME TO {new}{table}")

        yield Refusal(named(opener), functools.partial(rename, "", "x"), functools.partial(rename, "x", ""))


@contextlib.contextmanager
def _read_only(opener: Opener) -> Iterator[Refusal]:
    """The file is of a version that may be read only."""
    path = _path(opener)

    def write(version: bytes) -> bytes:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with path.open("r+b") as file:
            file.seek(_WRITERS)
            before = file.read(1)
            file.seek(_WRITERS)
            file.write(version)
        return before

    was = path.read_bytes()[_WRITERS : _WRITERS + 1]
    yield Refusal(named(opener), functools.partial(write, _UNKNOWN), functools.partial(write, was), in_service=False)


@contextlib.contextmanager
def _full(opener: Opener) -> Iterator[Refusal]:
    """The process may not make its files larger."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield Refusal(
        named(opener),
        lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1])),
        lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before),
        in_service=False,
    )


WAYS: Mapping[str, Way] = {
    "an unknown trigger": _raised,
    "locked": _locked,
    "tables are away": _missing,
    "read only": _read_only,
    "disk full": _full,
}

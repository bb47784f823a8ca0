"""The one place where SQL engines' errors become ours."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from undercroft.core.errors import ConfigInvalid, Corrupt, NotInitialized, OutcomeUnknown, Unavailable, UndercroftError

# SQLSTATE classes and codes of PostgreSQL (appendix A of its manual).
_CONTENDED = ("40001", "40P01", "55P03", "23505")
_MISSING_TABLE = ("42P01", "42703", "3F000")
_TIMEOUT = "57014"
_SQLITE_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class Contended(Unavailable):
    """Another writer was in the way; the transaction was undone and may be run again."""


class Disconnected(Unavailable):
    """The connection was gone before anything was committed."""


# The first prefix that fits a SQLSTATE decides.
_KINDS: tuple[tuple[tuple[str, ...], type[UndercroftError]], ...] = (
    (_CONTENDED, Contended),
    (("28", "3D", "42501"), ConfigInvalid),
    ((_TIMEOUT, "53", "58"), Unavailable),
    (("08", "57"), Disconnected),
    (("XX",), Corrupt),
)
_SQLITE_KINDS: tuple[tuple[tuple[int, ...], type[UndercroftError]], ...] = (
    ((sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH), ConfigInvalid),
    ((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB), Corrupt),
    ((sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_INTERRUPT), Unavailable),
)


# Numbers of the server (1...) and of the client library (2..., 0 for a connection closed before).
_MARIADB_MISSING = (1054, 1146)
_MARIADB_TIMEOUT = (1969, 3024)
_MARIADB_KINDS: tuple[tuple[tuple[int, ...], type[UndercroftError]], ...] = (
    ((1020, 1062, 1205, 1213), Contended),
    ((1044, 1045, 1049, 1142, 1227, 1698), ConfigInvalid),
    ((0, 1053, 1077, 1079, 1158, 1159, 1160, 1161, 1927, 2002, 2003, 2006, 2013, 2014, 2055), Disconnected),
    ((*_MARIADB_TIMEOUT, 1021, 1026, 1030, 1037, 1040, 1041, 1114, 1203, 1290), Unavailable),
    ((1034, 1035, 1194, 1195, 1712), Corrupt),
)


@contextlib.contextmanager
def translated(place: str) -> Iterator[None]:
    """Turn what SQLAlchemy raises within into our errors; `place` is the redacted URL."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise translate(error, place) from error
    except sa.exc.TimeoutError as error:
        raise Unavailable(f"{place}: all connections are in use (raise pool_size, or try again)") from error


def translate(error: sa.exc.DBAPIError, place: str) -> UndercroftError:
    """Our error for one of the engine's. Its text is the engine's first line, which holds no bound value."""
    original = error.orig
    text = str(original).strip().partition("\n")[0][:300]
    if isinstance(original, sqlite3.Error):
        return _from_sqlite(original, f"{place}: {text}", place)
    if type(original).__module__.startswith("pymysql"):
        return _from_mariadb(original, text, place)
    state = getattr(original, "sqlstate", None)
    if state is None:
        if isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError)) or error.connection_invalidated:
            return Disconnected(f"{place}: {text}")
        return UndercroftError(f"{place}: {text}")
    if state in _MISSING_TABLE:
        return _not_initialized(place)
    if state == _TIMEOUT:
        text = "the statement took longer than statement_timeout allows"
    for prefixes, kind in _KINDS:
        if state.startswith(prefixes):
            return kind(f"{place}: {text}")
    return UndercroftError(f"{place}: {text} (SQLSTATE {state})")


def _from_sqlite(original: sqlite3.Error, text: str, place: str) -> UndercroftError:
    code = getattr(original, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if primary in _SQLITE_BUSY:
        return Unavailable(f"{text} (another writer held the file longer than busy_timeout allows)")
    for codes, kind in _SQLITE_KINDS:
        if primary in codes:
            return kind(text)
    if "no such table" in text or "no such column" in text:
        return _not_initialized(place)
    return UndercroftError(text)


def _from_mariadb(original: Any, text: str, place: str) -> UndercroftError:
    code = original.args[0] if original.args else 0
    if code in _MARIADB_MISSING:
        return _not_initialized(place)
    if code in _MARIADB_TIMEOUT:
        text = "the statement took longer than statement_timeout allows"
    for codes, kind in _MARIADB_KINDS:
        if code in codes:
            return kind(f"{place}: {text}")
    return UndercroftError(f"{place}: {text}")


def _not_initialized(place: str) -> NotInitialized:
    return NotInitialized(
        f"{place}: the tables are missing or older than this version: "
        "run `undercroft db upgrade`, with --kind where --store names the place"
    )


def commit_failed(error: UndercroftError, place: str) -> UndercroftError:
    """A lost connection during COMMIT says nothing about the commit itself."""
    if isinstance(error, Disconnected):
        return OutcomeUnknown(f"{place}: the connection broke while a commit was under way; repeat the call")
    return error

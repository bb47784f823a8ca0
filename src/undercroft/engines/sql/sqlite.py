"""SQLite: a file or a database in memory, one writer at a time."""

from __future__ import annotations

import pathlib
import shutil
import sqlite3
import threading
import urllib.parse
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
import tenacity
from sqlalchemy.dialects import sqlite

from undercroft.core.errors import (
    ConfigInvalid,
    Corrupt,
    Declined,
    Denied,
    NotInitialized,
    OutcomeUnknown,
    Unavailable,
    UndercroftError,
)
from undercroft.core.findings import Finding, ok, size, warning
from undercroft.engines.session import Pin, Setting
from undercroft.engines.sql.dialect import Dialect
from undercroft.engines.sql.errors import TooLarge, by_code, first_line, not_initialized, not_storable
from undercroft.engines.sql.options import EngineOptions

_MEMORY = ":memory:"
_SPARE_BYTES = 512 * 2**20
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_KINDS: tuple[tuple[tuple[int, ...], type[Unavailable]], ...] = (
    ((sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH), Denied),
    ((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB), Corrupt),
    ((sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_INTERRUPT), Unavailable),
)
# An item's values. Triggers count as constraints, too, but none is ours; and a key that is there already is another writer's work.
_DATA = (sqlite3.SQLITE_CONSTRAINT_CHECK, sqlite3.SQLITE_CONSTRAINT_NOTNULL, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG)


def _synchronous(options: EngineOptions) -> str:
    """The setting of that name."""
    return options.synchronous.upper()


class SQLite(Dialect):
    """A file with a write-ahead log, or a database in memory that lives as long as a connection to it."""

    name = "sqlite"
    client = "sqlite+pysqlite"
    oldest = (3, 38)
    session = (
        Pin("journal_mode", "wal", "readers and writers would wait for each other"),
        # The log is 64 MiB: a page that changes in several transactions is copied back once. A long reader makes it grow;
        # it is cut again when it begins anew.
        Pin("wal_autocheckpoint", "16000", "pages that change often would be written again and again"),
        Pin("journal_size_limit", "67108864", "a log that a long reader made grow would stay so"),
        Pin("synchronous", "the option `synchronous`", "the last commits could be lost in a power cut", _synchronous),
        Pin("cache_size", "-32768", "pages would be read again and again"),
        Pin("temp_store", "2", "what is sorted would be written to files"),
    )
    required = (
        Setting(
            "encoding",
            "PRAGMA encoding",
            ("UTF-8",),
            "texts and their bytes would not agree: name another file, or remove this one",
        ),
    )
    durability = (
        Setting(
            "synchronous",
            "PRAGMA synchronous",
            ("2", "3"),
            "the last commits may be lost: leave out synchronous=normal",
            {"0": "off", "1": "normal", "2": "full", "3": "extra"},
        ),
        Setting(
            "journal_mode", "PRAGMA journal_mode", ("wal",), "readers and writers wait for each other: the folder allows no WAL"
        ),
    )
    placeholder = "?"
    # Device and number of the file that is in use.
    _known_file: tuple[int, int] | None = None

    def resolve(self, url: str, passed_on: Mapping[str, str]) -> tuple[sa.URL, dict[str, Any]]:
        """`sqlite:///rel`, `sqlite:////abs`, `sqlite:///:memory:` (private), `sqlite:///:memory:NAME` (shared in the process)."""
        host, _, path = urllib.parse.unquote(url.partition("://")[2]).partition("/")
        if host:
            raise ConfigInvalid(
                f"{self.place!r}: a SQLite URL has three slashes before a relative path and four before an absolute one"
            )
        arguments = {"timeout": self.options.busy_timeout, "check_same_thread": False}
        if path in ("", _MEMORY) or path.startswith(_MEMORY):
            self.in_memory = True
            name = path.removeprefix(_MEMORY) or uuid.uuid4().hex
            query = {"vfs": "memdb", "uri": "true"}
            self.place = f"sqlite:///:memory:{name}"
            return sa.URL.create(self.client, database=f"file:/undercroft-{name}", query=query), arguments
        folder = pathlib.Path(path).parent
        if not folder.is_dir():
            raise ConfigInvalid(f"{self.place}: the folder {str(folder)!r} does not exist")
        self.place = f"sqlite:///{pathlib.Path(path).absolute()}"
        # A file that is missing is not made: a path may be mistyped, and a service must not go on with an empty store.
        query = {"mode": "rw", "uri": "true"}
        return sa.URL.create(self.client, database=f"file:{urllib.parse.quote(str(self._file))}", query=query), arguments

    def create(self) -> None:
        if not self.in_memory:
            try:
                self._file.touch()
            except OSError as error:
                raise Denied(f"{self.place}: the file cannot be made: {error.strerror}") from None

    def listen(self, engine: sa.Engine) -> None:
        super().listen(engine)
        if not self.in_memory:
            sa.event.listen(engine, "checkout", self._check_file)

    def committed(self) -> None:
        if not self.in_memory and self._identity() != self._known_file:
            raise OutcomeUnknown(f"{self.place}: the file was deleted or replaced during a commit; repeat the call")

    def _identity(self) -> tuple[int, int] | None:
        """Device and number of the file that has the name now."""
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _check_file(self, _connection: Any, record: Any, _proxy: Any) -> None:
        """Let no connection be used whose file has been deleted, or has lost its name to another one.

        What is written to such a file is gone with its last connection.
        """
        identity = self._identity()
        if identity is None:
            # The next file of that name may get the number of this one.
            self._known_file = None
            self.forget()
            record.invalidate()
            raise not_there(self.place)
        opened = record.info.setdefault("file", identity)
        with _locks_lock:
            known, self._known_file = self._known_file or identity, identity
        if opened != identity:
            record.invalidate()
        if known != identity:
            self.forget()
        if opened != identity or known != identity:
            raise Unavailable(f"{self.place}: another file has taken the place of the one that was in use; it is used from now on")

    def configure(self, connection: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        try:
            for name, value in self.pinned().items():
                if name == "journal_mode":
                    self._log_ahead(cursor)
                else:
                    cursor.execute(f"PRAGMA {name}={value}")
        finally:
            cursor.close()

    def _log_ahead(self, cursor: Any) -> None:
        """Give the file a write-ahead log. SQLite does not wait by itself for the writer of a file that has none yet."""
        if self.in_memory:
            return
        waiting = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_busy),
            stop=tenacity.stop_after_delay(self.options.busy_timeout),
            wait=tenacity.wait_random(0.005, 0.05),
            reraise=True,
        )
        waiting(cursor.execute, "PRAGMA journal_mode=WAL")

    def begin(self, connection: sa.Connection) -> None:
        # A writer takes its lock at once: one that upgrades from a read could be refused in mid-transaction.
        options = connection.get_execution_options()
        if not options.get("autocommits"):
            connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("writes") else "BEGIN")

    def write_lock(self) -> threading.Lock:
        """Threads of this process queue for the file here, in order, instead of polling its lock."""
        with _locks_lock:
            return _locks.setdefault(self.place, threading.Lock())

    def room(self, connection: Any) -> int:
        return int(connection.getlimit(sqlite3.SQLITE_LIMIT_LENGTH))

    def cut(self, connection: Any) -> None:
        connection.interrupt()

    def error(self, error: sa.exc.DBAPIError) -> UndercroftError:
        text = f"{self.place}: {first_line(error)}"
        code = getattr(error.orig, "sqlite_errorcode", None)
        primary = None if code is None else code & 0xFF
        if primary in _BUSY:
            return Unavailable(f"{text} (another writer held the file longer than busy_timeout allows)")
        if primary == sqlite3.SQLITE_TOOBIG:
            return TooLarge("item", "is larger than SQLite takes")
        if code in _DATA:
            return not_storable(code)
        if primary == sqlite3.SQLITE_CANTOPEN and self.missing_file() is not None:
            return not_there(self.place)
        kind = by_code(_KINDS, primary)
        if kind is Declined and ("no such table" in text or "no such column" in text):
            return not_initialized(self.place)
        return kind(text)

    def insert_missing(self, table: sa.Table) -> sa.Insert:
        return sqlite.insert(table).on_conflict_do_nothing()

    # -- examination -----------------------------------------------------------------------------------------------

    @property
    def _file(self) -> pathlib.Path:
        return pathlib.Path(self.place.removeprefix("sqlite:///"))

    def missing_file(self) -> pathlib.Path | None:
        return None if self.in_memory or self._file.exists() else self._file

    def space(self, connection: sa.Connection, tables: Sequence[str]) -> list[Finding]:
        pages, free, width = (
            int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()) for name in ("page_count", "freelist_count", "page_size")
        )
        taken = ok("size", f"{size(pages * width)}, of which {size(free * width)} are free for reuse")
        if self.in_memory:
            return [taken]
        spare = shutil.disk_usage(self._file.parent).free
        found = f"{size(spare)} free"
        if spare < _SPARE_BYTES:
            return [taken, warning("disk", found, "writes fail when the disk is full: make room")]
        return [taken, ok("disk", found)]

    def damage(self, connection: sa.Connection) -> list[str]:
        found = [str(line) for line in connection.exec_driver_sql("PRAGMA integrity_check(5)").scalars()]
        return [] if found == ["ok"] else found


def not_there(place: str) -> NotInitialized:
    """The error for a file that is missing."""
    return NotInitialized(f"{place}: the file does not exist: put it back, or make one: `undercroft db upgrade --store KIND=URL`")


def _is_busy(error: BaseException) -> bool:
    """Whether another connection has the lock of the file."""
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


_locks: dict[str, threading.Lock] = {}
_locks_lock = threading.Lock()

DIALECT = SQLite

"""A spool: a queue on disk between a program that cannot wait and a receiver that may be away.

`put` is durable when it returns and waits for nothing but the disk. Items are taken in the order of `put`, and removed when the
receiver has them (`core.forward`): each is sent at least once, also after `kill -9` at any point, so the receiver has to skip what
it has already.

It is an SQLite file of the standard library. `persist-queue` keeps pickles, has no bound in bytes, and two processes that read one
of its queues get the same items; `diskcache` does not flush its commits to disk.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from undercroft.core.errors import Denied, Unavailable

# What is taken at once.
_ITEMS, _BYTES = 1_000, 8 * 2**20
# Seconds to wait for another process's turn on the file.
_BUSY = 30
# Free pages (4 KiB) above which an empty file is cut.
_FREE_PAGES = 2_000
_TABLES = """
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
PRAGMA journal_size_limit = 8388608;
CREATE TABLE IF NOT EXISTS item (id INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS total (one INTEGER PRIMARY KEY CHECK (one = 1), items INTEGER, bytes INTEGER, dropped INTEGER);
INSERT OR IGNORE INTO total VALUES (1, 0, 0, 0);
"""


class Total(NamedTuple):
    """What a spool holds.

    Attributes:
        items: how many wait.
        bytes: their length.
        dropped: items that it did not take since it was made, for want of space.
    """

    items: int
    bytes: int
    dropped: int


class Spool:
    """The file, shared by threads and processes. Make it after a fork.

    Args:
        path: the file; its folder is made, readable for this user only.
        max_bytes: of all items together. The file is up to a third larger, and has a log of up to 12 MiB beside it.

    Raises:
        Denied: the file cannot be made or opened.
    """

    def __init__(self, path: pathlib.Path, max_bytes: int) -> None:
        self.path = path
        self.max_bytes = max_bytes
        # Drops that could not be written down, because the disk is full.
        self._dropped = 0
        self._turn = threading.Lock()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _first(path):
                self._putting, self._taking = self._connect("FULL"), self._connect("NORMAL")
        except (OSError, sqlite3.Error) as error:
            raise Denied(f"the spool {path} cannot be opened: {error}; name a file that this process may write") from error

    def _connect(self, synchronous: str) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY, isolation_level=None, check_same_thread=False)
        connection.executescript(_TABLES)
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        return connection

    def close(self) -> None:
        """Close the file."""
        with self._turn:
            self._putting.close()
            self._taking.close()

    @contextlib.contextmanager
    def _transaction(self, connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
        with self._turn:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # An error of the disk may have ended the transaction already.
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    def put(self, items: Sequence[bytes]) -> None:
        """Keep items, all or none; they are flushed to disk when this returns.

        Raises:
            Unavailable: the spool is full, or the disk is, or it fails. None of the items is kept; they are counted as dropped.
        """
        size = sum(map(len, items))
        try:
            with self._transaction(self._putting) as connection:
                held = connection.execute("SELECT bytes FROM total").fetchone()[0]
                fits = held + size <= self.max_bytes
                if fits:
                    connection.executemany("INSERT INTO item (body) VALUES (?)", [(item,) for item in items])
                    connection.execute("UPDATE total SET items = items + ?, bytes = bytes + ?", (len(items), size))
                else:
                    connection.execute("UPDATE total SET dropped = dropped + ?", (len(items),))
        except sqlite3.Error as error:
            self._dropped += len(items)
            raise Unavailable(f"{len(items)} dropped: the spool {self.path} cannot be written: {error}") from error
        if not fits:
            raise Unavailable(f"{len(items)} dropped: the spool {self.path} holds {held:,} of at most {self.max_bytes:,} bytes")

    def take(self, after: int = 0) -> tuple[int, list[bytes]]:
        """The oldest items behind the one numbered `after`, up to 1,000 or 8 MiB, and the number of the last of them."""
        items: list[bytes] = []
        size, last = 0, after
        with self._turn:
            rows = self._taking.execute("SELECT id, body FROM item WHERE id > ? ORDER BY id LIMIT ?", (after, _ITEMS))
            for number, body in rows:
                size += len(body)
                if items and size > _BYTES:
                    break
                items.append(body)
                last = number
            rows.close()
        return last, items

    def remove(self, last: int) -> None:
        """Remove the items up to the one numbered `last`. A power cut may bring them back.

        Raises:
            sqlite3.Error: the file cannot be written.
        """
        with self._transaction(self._taking) as connection:
            gone = [row[0] for row in connection.execute("DELETE FROM item WHERE id <= ? RETURNING length(body)", (last,))]
            connection.execute("UPDATE total SET items = items - ?, bytes = bytes - ?", (len(gone), sum(gone)))
        with self._turn:
            if not _total(self._taking).items:
                (free,) = self._taking.execute("PRAGMA freelist_count").fetchone()
                if free > _FREE_PAGES:
                    # Frees a page a step, which `execute` does not go through to the end.
                    self._taking.executescript("PRAGMA incremental_vacuum")

    def total(self) -> Total:
        """What the spool holds now."""
        with self._turn:
            found = _total(self._putting)
        return found._replace(dropped=found.dropped + self._dropped)


def _total(connection: sqlite3.Connection) -> Total:
    return Total(*connection.execute("SELECT items, bytes, dropped FROM total").fetchone())


@contextlib.contextmanager
def _first(path: pathlib.Path) -> Iterator[None]:
    """Make the file where it is missing, while no other process does."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        # To open and close a file that is in use would end SQLite's locks of this process.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            os.fsync(folder)
        yield
    finally:
        os.close(folder)

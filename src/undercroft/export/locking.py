"""The lock by which one of several workers reads a service for a target. It spares work; nothing depends on it."""

from __future__ import annotations

import contextlib
import logging
from typing import Protocol

import sqlalchemy as sa

from undercroft.core.errors import UndercroftError
from undercroft.core.filelock import FileLock
from undercroft.engines.sql import Database
from undercroft.export.dialects import Dialect

_log = logging.getLogger(__name__)


class Lock(Protocol):
    """A lock of one holder, which ends with its process."""

    def acquire(self) -> bool:
        """Take the lock; False when somebody else has it."""
        ...

    def holds(self) -> bool:
        """Whether it is still held."""
        ...

    def release(self) -> None:
        """Free the lock; nothing when it is not held."""
        ...


class NoLock:
    """In the place of a lock, where there can be none, or nobody else."""

    def acquire(self) -> bool:
        """Always."""
        return True

    def holds(self) -> bool:
        """Always."""
        return True

    def release(self) -> None:
        """Nothing."""


class SessionLock:
    """A lock of a connection that is kept for it.

    Args:
        db: the database.
        dialect: knows its statements.
        endpoint_id: of the service.
    """

    def __init__(self, db: Database, dialect: Dialect, endpoint_id: str) -> None:
        self._db = db
        self._dialect = dialect
        self._endpoint_id = endpoint_id
        self._name = ""
        self._connection: sa.Connection | None = None

    def acquire(self) -> bool:
        """Take the lock; False when another session has it.

        Raises:
            Unavailable: the database does not answer.
        """
        if self._connection is not None:
            if self.holds():
                return True
            self.release()
        connection = self._db.dedicated()
        try:
            with self._db.using(connection):
                self._name = self._dialect.lock_name(connection, self._endpoint_id)
                is_mine = self._dialect.lock(connection, self._name)
                # Leaves no transaction open; the lock is the session's.
                connection.rollback()
        except BaseException:
            _end(connection)
            raise
        if is_mine:
            self._connection = connection
        else:
            connection.close()
        return is_mine

    def holds(self) -> bool:
        """Whether the connection is there, and has the lock."""
        if self._connection is None:
            return False
        try:
            with self._db.using(self._connection):
                has_lock = self._dialect.has_lock(self._connection, self._name)
                self._connection.rollback()
        except UndercroftError as error:
            _log.warning("the connection that held the lock on the target is lost: %s", error)
            self.release()
            return False
        return has_lock

    def release(self) -> None:
        """Free the lock."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            with self._db.using(connection):
                self._dialect.unlock(connection, self._name)
                connection.rollback()
            connection.close()
        except UndercroftError:
            _end(connection)


def _end(connection: sa.Connection) -> None:
    """Close a connection for good: its session, and with it the lock, ends."""
    with contextlib.suppress(sa.exc.SQLAlchemyError):
        connection.invalidate()
    with contextlib.suppress(sa.exc.SQLAlchemyError):
        connection.close()


def of(db: Database, dialect: Dialect, endpoint_id: str) -> Lock:
    """The lock of a target, for one service."""
    if not dialect.has_locks:
        file = dialect.lock_file(endpoint_id)
        return FileLock(file) if file is not None else NoLock()
    if db.options.pooler == "transaction":
        _log.warning(
            "pooler=transaction: no lock keeps a second worker from reading the same samples; they are stored once all the same"
        )
        return NoLock()
    return SessionLock(db, dialect, endpoint_id)

"""A lock on a file, which ends with its process: one of several programs on a machine does the work."""

from __future__ import annotations

import fcntl
import os
import pathlib
from collections.abc import Iterator
from contextlib import contextmanager

from undercroft.core.errors import Denied


class FileLock:
    """A lock of one holder. The file is made where it is missing, and stays.

    Args:
        path: the file; nothing is written to it.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self, *, wait: bool = False) -> bool:
        """Take the lock; False when somebody else has it.

        Args:
            wait: until it is free.

        Raises:
            Denied: the file cannot be made.
        """
        if not self.holds():
            self.release()
        while self._descriptor is None:
            try:
                found = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise Denied(f"{self.path}: the lock file cannot be opened: {error.strerror}") from None
            try:
                fcntl.flock(found, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(found)
                return False
            self._descriptor = found
            if not self.holds():
                # The file was removed, and perhaps made anew, before this one was locked.
                self.release()
        return True

    def holds(self) -> bool:
        """Whether the lock is held, and its file is still the one of that name."""
        if self._descriptor is None:
            return False
        try:
            there = self.path.stat()
        except OSError:
            return False
        mine = os.fstat(self._descriptor)
        return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)

    def release(self) -> None:
        """Free the lock; nothing when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """The block, with the lock, once it is free."""
        self.acquire(wait=True)
        try:
            yield
        finally:
            self.release()

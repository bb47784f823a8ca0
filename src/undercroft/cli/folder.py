"""A folder that files are written to: never outside of it or through a symbolic link, whole or not at all, for the owner only."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from typing import IO, Self

from undercroft.core.errors import ConfigInvalid, Conflict

_PART = ".part"


class Folder:
    """An open folder, made where it is missing, and held by one process at a time.

    Everything goes through the folder's descriptor: renaming it, or putting a link in its place, leads no write elsewhere.

    Args:
        path: the folder; its parent must exist.

    Raises:
        ConfigInvalid: the path is a symbolic link, or no folder.
        Conflict: another process is writing to it.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)  # noqa: PTH102 - a mode, and no parents
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise ConfigInvalid(f"{path}: is a symbolic link or no folder; name the folder itself") from None
            raise
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise Conflict(f"{path}: another process is writing to it") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def names(self) -> list[str]:
        """What is in it, less what an interrupted write left behind."""
        return sorted(name for name in os.listdir(self._fd) if not name.endswith(_PART))  # noqa: PTH208 - of the open folder

    def size(self, name: str) -> int | None:
        """Bytes of a file; None when it is not there."""
        try:
            return os.stat(name, dir_fd=self._fd, follow_symlinks=False).st_size
        except FileNotFoundError:
            return None

    def read(self, name: str) -> bytes | None:
        """A file's bytes; None when it is not there."""
        try:
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=self._fd)
        except FileNotFoundError:
            return None
        with os.fdopen(handle, "rb") as file:
            return file.read()

    def remove(self, name: str) -> None:
        """Remove a file, or a link itself; it may be gone already."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._fd)

    @contextlib.contextmanager
    def file(self, name: str) -> Iterator[IO[bytes]]:
        """Bytes to be written; the file gets its name when the block ends well, and is on disk then."""
        part = f".{name}{_PART}"
        self.remove(part)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=self._fd)
        try:
            with os.fdopen(handle, "wb") as out:
                yield out
                out.flush()
                os.fsync(out.fileno())
            os.replace(part, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
            os.fsync(self._fd)
        except BaseException:
            self.remove(part)
            raise

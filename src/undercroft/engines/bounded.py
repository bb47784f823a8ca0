"""A connection that is read up to a number of bytes, and used up to a moment."""

from __future__ import annotations

import contextlib
import io
import socket
from collections.abc import Callable
from typing import Any


class Full(OSError):
    """More bytes came than are read."""


class Bounded:
    """What `http.client` needs of a socket.

    Attributes:
        has_ended: whether the other side has sent its last byte.

    Args:
        connected: the socket, over TLS or not.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._bytes = self._allowed = 0
        self.has_ended = False
        self._remaining: Callable[[], float | None] = lambda: 0.0

    def allow(self, most: int, remaining: Callable[[], float | None]) -> None:
        """Begin an exchange.

        Args:
            most: bytes that may be read.
            remaining: gives the seconds that are left.
        """
        self._bytes = self._allowed = most
        self._remaining = remaining

    @property
    def has_read(self) -> bool:
        """Whether anything was read in this exchange."""
        return self._bytes < self._allowed

    def sendall(self, data: bytes) -> None:
        """Send bytes, however slowly they are taken, up to the moment."""
        rest = memoryview(data)
        while rest:
            self._socket.settimeout(self._left())
            rest = rest[self._socket.send(rest) :]

    def read_into(self, buffer: memoryview) -> int:
        """Read what has come; 0 at the end."""
        if self._bytes == 0:
            raise Full("too many bytes")
        self._socket.settimeout(self._left())
        count = self._socket.recv_into(buffer[: self._bytes])
        self._bytes -= count
        self.has_ended = count == 0
        return count

    def _left(self) -> float | None:
        left = self._remaining()
        if left == 0:
            raise TimeoutError
        return left

    def makefile(self, _mode: str) -> io.BufferedReader:
        """A file for one answer; its end is not that of the connection."""
        return io.BufferedReader(_Reader(self))

    def fileno(self) -> int:
        """The socket's."""
        return self._socket.fileno()

    def close(self) -> None:
        """Nothing: an answer may still be read when its connection is given up."""

    def shut(self) -> None:
        """End the connection."""
        with contextlib.suppress(OSError):
            self._socket.close()


class _Reader(io.RawIOBase):
    def __init__(self, bounded: Bounded) -> None:
        self._bounded = bounded

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._bounded.read_into(memoryview(buffer))

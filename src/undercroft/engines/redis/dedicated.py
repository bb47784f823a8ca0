"""A connection of its own, for a blocking read or a subscription."""

from __future__ import annotations

import threading
from typing import Any

from undercroft.core import deadline
from undercroft.engines.redis.errors import Broken, Refused, refused
from undercroft.engines.redis.line import Line, pack
from undercroft.engines.redis.script import Word
from undercroft.engines.watchdog import limited


class Dedicated:
    """A connection to one server that no other call uses. One thread may read while others send or close.

    A failure leaves it unusable: make another one.
    """

    def __init__(self, line: Line, place: str) -> None:
        self._line = line
        self._place = place
        self._sending = threading.Lock()
        self._is_closed = False

    @property
    def node(self) -> str:
        """The server that it is to."""
        return str(self._line.node)

    def send(self, *words: Word) -> None:
        """Send a command; its answer is read by `read`.

        Raises:
            Unavailable: the connection is broken.
        """
        with self._sending:
            self._check()
            self._line.send(pack(words))

    def read(self, timeout: float) -> Any:
        """The next answer or message; None when there is none within `timeout` seconds, or the deadline of the work at hand.

        A blocking command whose own time is over answers None, too.

        Raises:
            Unavailable: the connection broke, was closed, or the client hung up; or the server's answer is an error.
        """
        self._check()
        left = deadline.remaining()
        try:
            if left is None:
                return self._line.read() if self._line.has_come(timeout) else None
            with limited(self._line, Line.cut):
                return self._line.read() if self._line.has_come(min(timeout, left)) else None
        except Refused as answer:
            raise refused(answer, self._place) from answer

    def _check(self) -> None:
        if self._is_closed:
            raise Broken(f"{self._place}: the connection is closed")

    def close(self) -> None:
        """Close it; a thread that reads gets an error."""
        self._is_closed = True
        # The thread that reads, or the end of the last one that holds it, closes the handle itself.
        self._line.cut()

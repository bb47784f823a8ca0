"""A connection of its own, for a blocking read or a subscription."""

from __future__ import annotations

import threading
import time
from typing import Any

from undercroft.core import deadline
from undercroft.engines.redis.errors import Broken, Refused, refused
from undercroft.engines.redis.line import Line, pack
from undercroft.engines.redis.script import Word
from undercroft.engines.watchdog import unless_hung_up


class Dedicated:
    """A connection to one server that no other call uses. One thread may read while others send or close.

    A failure leaves it unusable: make another one.

    Args:
        line: a connection outside the pools.
        place: the URL without a password, for messages.
        seconds: that sending may take.
    """

    def __init__(self, line: Line, place: str, seconds: float) -> None:
        self._line = line
        self._seconds = seconds
        self._place = place
        self._sending = threading.Lock()
        self._reading = threading.Lock()
        self._is_closed = False

    @property
    def node(self) -> str:
        """The server that it is to."""
        return str(self._line.node)

    def fileno(self) -> int:
        """Of its socket, to wait for several at once: what comes is read until there is none, since it may have been kept back."""
        return self._line.fileno()

    def send(self, *words: Word) -> None:
        """Send a command; its answer is read by `read`.

        Raises:
            Unavailable: the connection is broken.
        """
        with self._sending:
            self._check()
            self._line.send(pack(words), self._seconds)

    def read(self, timeout: float) -> Any:
        """The next answer or message; None when there is none within `timeout` seconds, or the deadline of the work at hand.

        A blocking command whose own time is over answers None, too.

        Raises:
            Unavailable: the connection broke, was closed, or the client hung up; or the server's answer is an error.
        """
        left = deadline.remaining()
        until = time.monotonic() + (timeout if left is None else min(timeout, left))
        try:
            with self._reading, unless_hung_up(self._line, Line.cut):
                self._check()
                return self._line.read(until)
        except Refused as answer:
            raise refused(answer, self._place) from answer
        except Broken as failure:
            if failure.late:
                return None
            raise

    def _check(self) -> None:
        if self._is_closed:
            raise Broken(f"{self._place}: the connection is closed")

    def close(self) -> None:
        """Close it; a thread that reads gets an error."""
        self._is_closed = True
        # Ends what other threads wait for; the handle goes when they have left, so that they never meet another's.
        self._line.cut()
        with self._sending, self._reading:
            self._line.close()

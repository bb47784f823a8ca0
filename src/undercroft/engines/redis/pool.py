"""The connections to one server."""

from __future__ import annotations

import collections
import contextlib
import time
from collections.abc import Callable
from typing import Any

from undercroft.core import deadline
from undercroft.core.errors import Unavailable
from undercroft.engines.redis.address import Node
from undercroft.engines.redis.errors import Broken, Refused
from undercroft.engines.redis.line import Line, Login
from undercroft.engines.redis.options import EngineOptions
from undercroft.engines.watchdog import unless_hung_up


class Pool:
    """Connections to `node`, the one that was used last first. Shared by threads; a deque's own steps are all the locking.

    Attributes:
        node: the server.
    """

    def __init__(self, node: Node, login: Login, options: EngineOptions) -> None:
        self.node = node
        self._login = login
        self._most = options.pool_size
        self._seconds = options.statement_timeout
        self._idle: collections.deque[Line] = collections.deque()
        self._is_closed = False

    def ask(self, packed: bytes) -> Any:
        """The answer to a packed command; raises as `Line.ask`."""
        return self._asked(Line.ask, packed)

    def ask_there(self, packed: bytes) -> Any:
        """See `Line.ask_there`."""
        return self._asked(Line.ask_there, packed)

    def _asked(self, way: Callable[[Line, bytes, float], Any], packed: bytes) -> Any:
        seconds = self.seconds()
        line = self.take()
        try:
            if deadline.hang_up() is None:
                answer = way(line, packed, seconds)
            else:
                with unless_hung_up(line, Line.cut):
                    answer = way(line, packed, seconds)
        except Refused:
            self.give(line)
            raise
        except BaseException:
            line.close()
            raise
        self.give(line)
        return answer

    def ask_all(self, packed: list[bytes]) -> list[Any]:
        """The answers to packed commands, in one round trip; errors are among them, each in its place."""
        return ask_each([(self, packed)])[0]

    def seconds(self) -> float:
        """How long a command may take, within the deadline of the work at hand.

        Raises:
            Unavailable: no time is left: nothing is sent.
        """
        left = deadline.remaining()
        if left is None or left > self._seconds:
            return self._seconds
        if not left:
            raise Unavailable(f"{self._login.place}: the time for this request was over before the command was sent")
        return left

    def take(self) -> Line:
        """A connection for the caller alone."""
        while self._idle:
            try:
                line = self._idle.pop()
            except IndexError:
                # Another thread was first.
                break
            # Asked each time, for about a microsecond: what is sent on a closed connection has no known outcome.
            if not line.is_closed():
                return line
            line.close()
        return self._login.connect(self.node)

    def give(self, line: Line) -> None:
        """Take back a connection, all of whose answers were read."""
        # One that was cut off just after its answer came is of no use any more.
        if len(self._idle) >= self._most or self._is_closed or deadline.remaining() == 0:
            line.close()
            return
        self._idle.append(line)

    def connect(self) -> Line:
        """A connection that does not belong to the pool."""
        self.seconds()
        return self._login.connect(self.node)

    def forget(self) -> None:
        """Let go of all: after a fork they are the parent's."""
        self._idle = collections.deque()

    def close(self) -> None:
        """Close all, and those that are in use when they come."""
        self._is_closed = True
        with contextlib.suppress(IndexError):
            while True:
                self._idle.pop().close()


def ask_each(parts: list[tuple[Pool, list[bytes]]]) -> list[list[Any]]:
    """The answers of several servers to packed commands, in one round trip; errors are among them, each in its place."""
    with contextlib.ExitStack() as stack:
        sent = [_sent(pool, packed, stack) for pool, packed in parts]
        return [_read(pool, line, len(packed)) for (pool, packed), line in zip(parts, sent, strict=True)]


def _sent(pool: Pool, packed: list[bytes], stack: contextlib.ExitStack) -> tuple[Line, float] | Exception:
    """A connection on which all was sent, with the end of its time; or why there is none."""
    try:
        seconds = pool.seconds()
        line = pool.take()
    except Unavailable as failure:
        return failure
    if deadline.hang_up() is not None:
        stack.enter_context(unless_hung_up(line, Line.cut))
    until = time.monotonic() + seconds
    try:
        line.send(b"".join(packed), seconds)
    except Broken as failure:
        line.close()
        return failure
    except BaseException:
        line.close()
        raise
    return line, until


def _read(pool: Pool, sent: tuple[Line, float] | Exception, count: int) -> list[Any]:
    if isinstance(sent, Exception):
        return [sent] * count
    line, until = sent
    answers: list[Any] = []
    try:
        while len(answers) < count:
            try:
                answers.append(line.read(until))
            except Refused as failure:
                answers.append(failure)
    except Broken as failure:
        line.close()
        return answers + [failure] * (count - len(answers))
    except BaseException:
        line.close()
        raise
    pool.give(line)
    return answers

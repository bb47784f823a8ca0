"""What comes from a client after its headers: the body, which is held within bounds, then its hang-up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from undercroft.api.limits import Busy

Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class Gone(Exception):
    """The client hung up before its body was whole."""


class Bodies:
    """How many bytes of bodies this process holds, and may hold.

    Args:
        limit: bytes.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0

    def take(self, size: int) -> None:
        """Count `size` more bytes.

        Raises:
            Busy: they are too many together.
        """
        if self.held + size > self.limit:
            raise Busy("the service holds as many bytes of requests under way as it may; try again")
        self.held += size

    def give(self, size: int) -> None:
        """Count `size` bytes fewer."""
        self.held -= size


class Announced:
    """What the headers say about a body.

    Attributes:
        length: bytes of the body; 0 without one; None for a body that is not read, because its length is missing, wrong or above
            the limit.
    """

    def __init__(self, headers: list[tuple[bytes, bytes]], limit: int) -> None:
        self.length: int | None = 0
        for name, value in headers:
            if name == b"transfer-encoding":
                self.length = None
                return
            if name == b"content-length":
                digits = value.isdigit() and len(value) < 20
                self.length = int(value) if digits and int(value) <= limit else None


class Inbox:
    """Receives for one request, from `start` to `close`.

    Args:
        receive: the server's.
        length: bytes to keep; others are thrown away as they come.
        bodies: counts them.
        on_gone: called when the client has hung up.

    Attributes:
        whole: the body, when all of it has come; or why it never will.
    """

    def __init__(self, receive: Receive, length: int | None, bodies: Bodies, on_gone: Callable[[], None]) -> None:
        self._receive = receive
        self._keeps = length is not None
        self._bodies = bodies
        self._on_gone = on_gone
        self._tasks: list[asyncio.Task[None]] = []
        self._parts: list[bytes] = []
        self._is_gone = False
        self.size = 0
        self.whole: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def start(self) -> None:
        """Begin to receive the body; again does nothing."""
        if not self._tasks:
            self._tasks.append(asyncio.create_task(self._read()))

    def watch(self) -> None:
        """Begin to look whether the client is there, when its body has come; again does nothing."""
        self.start()
        if len(self._tasks) == 1:
            self._tasks.append(asyncio.create_task(self._wait_for_end(self._tasks[0])))

    def throw_away(self) -> None:
        """Keep nothing from now on."""
        self._keeps = False

    def refuse(self, error: Exception) -> None:
        """Wait for the body no longer, and let `whole` be this error."""
        self._keeps = False
        if self._tasks and not self.whole.done():
            self.whole.set_exception(error)

    async def _read(self) -> None:
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._lose()
                return
            if self._keeps:
                self._keep(message.get("body", b""))
            more = message.get("more_body", False)
        if not self.whole.done():
            self.whole.set_result(b"".join(self._parts))

    async def _wait_for_end(self, reading: asyncio.Task[None]) -> None:
        await asyncio.wait({reading})
        while not self._is_gone:
            if (await self._receive())["type"] == "http.disconnect":
                self._lose()

    def _lose(self) -> None:
        self._is_gone = True
        if not self.whole.done():
            self.whole.set_exception(Gone())
        self._on_gone()

    def _keep(self, part: bytes) -> None:
        try:
            self._bodies.take(len(part))
        except Busy as error:
            self.refuse(error)
            return
        self.size += len(part)
        self._parts.append(part)

    async def arrives(self, seconds: float) -> bool:
        """Whether the fate of the body is known within so long."""
        self.start()
        done, _ = await asyncio.wait({self.whole}, timeout=max(0.0, seconds))
        return bool(done)

    def close(self) -> None:
        """Receive no more, and hold nothing."""
        for task in self._tasks:
            task.cancel()
        if self.whole.done() and not self.whole.cancelled():
            # Asked for or not, it is known: asyncio would log it else.
            self.whole.exception()
        # See `Exchange.run`.
        del self._receive
        self._bodies.give(self.size)
        self.size = 0
        self._parts.clear()

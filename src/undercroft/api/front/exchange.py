"""One request and its answer."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import http
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import falcon

from undercroft.api import handover, wire
from undercroft.api.front import environ as environs
from undercroft.api.front.environ import BodyWanted
from undercroft.api.front.inbox import Announced, Bodies, Gone, Inbox, Receive
from undercroft.api.front.threads import Pool, Threads
from undercroft.api.kind import error_body
from undercroft.api.limits import Busy, SlowBody
from undercroft.core.deadline import HangUp
from undercroft.core.errors import UndercroftError

LOG = logging.getLogger(__name__)
T = TypeVar("T")
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

# The question whether the process lives, which gets its answer however much there is to do.
_ALIVE = "/healthz"
# A body that has come by then is taken with its headers, in one call; for others the application is asked first if it wants them.
_TOGETHER = 0.05
# What the query of a request has that may wait. One that hides it is answered without a wait.
_WAIT = b"wait="
# Who has waited so long for a thread is better told to come again.
_PATIENCE = 1.0
# An answer that takes longer is given up when its client has gone.
_QUICK = 0.25
# For so long a client that is still sending may read why it was refused.
_LINGER = 1.0
_PART = 64 * 1024


class Front(NamedTuple):
    """What all requests of a process share.

    Attributes:
        application: of WSGI.
        threads: run it.
        bodies: counts what is held of them.
        max_body: bytes of a body; a longer one is not read.
        body_deadline: seconds for a body to come.
        send_deadline: seconds for a client to take a part of its answer.
    """

    application: Wsgi
    threads: Threads
    bodies: Bodies
    max_body: int
    body_deadline: float
    send_deadline: float


class _Late(Exception):
    """The client does not take its answer."""


class _Answer:
    """What the application answers."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body: Iterable[bytes] = ()

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        """What WSGI calls `start_response`."""
        self.status = int(status[:3])
        self.headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


class Exchange:
    """See the module.

    Args:
        front: what it shares with others.
        scope: what the server tells of the request.
        receive: gives what the client sends.
        send: takes what the client gets.
    """

    def __init__(self, front: Front, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        self._front = front
        self._scope = scope
        self._to_client = send
        self._threads = front.threads
        self._context = contextvars.copy_context()
        self._hang_up = HangUp()
        self._wait_over = HangUp()
        self._length = Announced(scope["headers"], front.max_body).length
        self._is_gone = False
        self._inbox = Inbox(receive, self._length, front.bodies, self._lose)
        self._name = f"{scope['method']} {scope['path']}"

    async def run(self) -> None:
        """Answer. To return before the answer is complete breaks the connection off."""
        try:
            if self._length == 0:
                await self._answer(b"")
            elif self._length is None:
                await self._refuse_unread()
            else:
                await self._answer_body()
        except _Late:
            LOG.warning("%s: given up, the client took nothing of its answer for %g s", self._name, self._front.send_deadline)
        except Gone:
            pass
        finally:
            self._inbox.close()
            # The server closes a connection when nothing refers to its callables any more; a cycle, as an exception makes one with
            # the frames it came through, would be there until the next collection of garbage.
            del self._to_client

    def hurry(self) -> None:
        """End what may take long: a body that is not there yet is refused, and a long request has no more time."""
        self._inbox.refuse(Busy("the service is about to end; try again"))
        self._hang_up.fire()

    def end_wait(self) -> None:
        """Answer now, where the request waits for something to happen."""
        self._wait_over.fire()

    def _lose(self) -> None:
        self._is_gone = True
        self._hang_up.fire()
        self._wait_over.fire()

    # -- the three sorts of requests -------------------------------------------------------------------------------

    async def _answer_body(self) -> None:
        end = time.monotonic() + self._front.body_deadline
        if not await self._inbox.arrives(_TOGETHER):
            with contextlib.suppress(BodyWanted):
                await self._answer(None)
                return
        refusal: Exception | None = None
        if await self._inbox.arrives(end - time.monotonic()):
            try:
                await self._answer(self._inbox.whole.result())
            except Busy as error:
                refusal = error
        else:
            came = f"{self._inbox.size} of {self._length} bytes"
            refusal = SlowBody(f"the body did not come within {self._front.body_deadline:g} s, only {came}; send it again")
        if refusal is not None:
            await self._answer(None, refusal)

    async def _refuse_unread(self) -> None:
        try:
            await self._answer(None)
        except BodyWanted:
            await self._answer(None, falcon.HTTPLengthRequired(description="a body needs a Content-Length"))

    # -- calling the application -----------------------------------------------------------------------------------

    async def _answer(self, body: bytes | None, refusal: Exception | None = None) -> None:
        """Let the application answer, and send what it does.

        Args:
            body: of the request; None when it is not there: the answer is the last one of its connection then.
            refusal: what the application is to answer with.

        Raises:
            BodyWanted: the application cannot do without the body.
            Gone: nobody is there to get the answer.
        """
        environ = environs.make(self._scope, body)
        environ[handover.HANG_UP] = self._hang_up
        if refusal is not None:
            environ[handover.REFUSAL] = refusal
        pool = self._pool(environ)
        answer = _Answer()
        try:
            await self._in_thread(pool, self._call, environ, answer, time.monotonic())
        except Exception as error:
            LOG.error("%s failed", self._name, exc_info=error)  # noqa: TRY400
            self._apologize(answer)
        try:
            if self._is_gone:
                raise Gone
            if body is None:
                answer.headers.append((b"connection", b"close"))
            await self._to_client({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
            if isinstance(answer.body, (list, tuple)):
                await self._send_body(b"".join(answer.body), more=False)
            else:
                await self._send_parts(iter(answer.body))
        finally:
            await self._close(answer.body)
        if body is None:
            self._inbox.throw_away()
            await self._inbox.arrives(_LINGER)

    def _pool(self, environ: dict[str, Any]) -> Pool:
        """The threads that this request may have. What waits has its own: those of others are few."""
        if handover.REFUSAL in environ or self._scope["path"].rstrip("/") == _ALIVE:
            return self._threads.spare
        waits = _WAIT in self._scope["query_string"] and self._threads.waits.has_room
        environ[handover.MAY_WAIT] = waits
        environ[handover.WAIT_OVER] = self._wait_over
        return self._threads.waits if waits else self._threads.work

    def _call(self, environ: dict[str, Any], answer: _Answer, asked: float) -> None:
        if handover.REFUSAL not in environ and time.monotonic() - asked > _PATIENCE:
            environ[handover.REFUSAL] = Busy(f"no thread was free for {_PATIENCE:g} s; try again")
        answer.body = self._front.application(environ, answer.start)

    def _apologize(self, answer: _Answer) -> None:
        answer.status = http.HTTPStatus.INTERNAL_SERVER_ERROR
        answer.headers = [(b"content-type", b"application/json"), (b"x-openstack-request-id", f"req-{uuid.uuid4()}".encode())]
        form = error_body(self._scope["path"])
        answer.body = [wire.encode(form.make(answer.status, "the service failed; its log says more", None))]

    async def _in_thread(self, pool: Pool, call: Callable[..., T], *args: Any) -> T:
        """Call in a thread; while that takes long, look whether the client is still there."""
        look = asyncio.get_running_loop().call_later(_QUICK, self._inbox.watch)
        try:
            return await pool.run(functools.partial(self._context.run, call, *args))
        finally:
            look.cancel()

    # -- sending ---------------------------------------------------------------------------------------------------

    async def _send(self, message: Mapping[str, Any]) -> None:
        try:
            async with asyncio.timeout(self._front.send_deadline):
                await self._to_client(message)
        except TimeoutError:
            raise _Late from None

    async def _send_body(self, body: bytes, *, more: bool) -> None:
        """Send in small parts: the server holds some for a client that is slow, whatever their size."""
        if not more and len(body) <= _PART:
            # The server takes the last part from us at once.
            await self._to_client({"type": "http.response.body", "body": body, "more_body": False})
            return
        for start in range(0, len(body) or 1, _PART):
            end = start + _PART
            await self._send({"type": "http.response.body", "body": body[start:end], "more_body": more or end < len(body)})

    async def _send_parts(self, parts: Iterator[bytes]) -> None:
        self._inbox.watch()
        while True:
            try:
                part = await self._in_thread(self._threads.parts, _next, parts)
            except Exception as error:
                if not self._is_gone:
                    known = isinstance(error, UndercroftError)
                    LOG.error("%s is broken off: %s", self._name, error, exc_info=None if known else error)  # noqa: TRY400
                return
            if self._is_gone:
                return
            await self._send_body(part or b"", more=part is not None)
            if part is None:
                return

    async def _close(self, body: Iterable[bytes]) -> None:
        close = getattr(body, "close", None)
        if close is not None:
            await self._in_thread(self._threads.parts, close)


def _next(parts: Iterator[bytes]) -> bytes | None:
    """The next part that is not empty; None at the end."""
    return next((part for part in parts if part), None)

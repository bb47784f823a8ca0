"""The ASGI application that a server runs: `from_settings`. It calls the WSGI application in threads that no client can hold."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Mapping
from typing import Any

from oslo_config import cfg

from undercroft.api import app
from undercroft.api.front.exchange import Exchange, Front, Send
from undercroft.api.front.inbox import Bodies, Receive
from undercroft.api.front.threads import Threads
from undercroft.core import settings

_SPARE = 2
# After a signal to end, what is under way goes on for so long as if nothing had been.
_FINISH_SECONDS = 2.0
_WITHOUT_A_SERVER: Mapping[int, Any] = {signal.SIGTERM: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}


class Bridge:
    """See the module.

    Args:
        front: the application, and what it is run with.
    """

    def __init__(self, front: Front) -> None:
        self._front = front
        self._under_way: set[Exchange] = set()
        self._heeds_signals = False
        self._ends = False

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        if not self._heeds_signals:
            self._heed_signals()
        exchange = Exchange(self._front, scope, receive, send)
        self._under_way.add(exchange)
        if self._ends:
            exchange.end_wait()
        try:
            await exchange.run()
        finally:
            self._under_way.discard(exchange)

    def _heed_signals(self) -> None:
        """Notice the signal at which the server waits for what is under way, and hurry it.

        The event loop has handlers of its own, which the server set; they are called by another way, and go on being called.
        """
        self._heeds_signals = True
        loop = asyncio.get_running_loop()

        def heed(number: int, _: object) -> None:
            if loop.is_closed():
                # Nothing is under way any more: the signal does what it does where no server ran.
                signal.signal(number, _WITHOUT_A_SERVER[number])
                signal.raise_signal(number)
            else:
                loop.call_soon_threadsafe(self._end_waits)
                loop.call_soon_threadsafe(loop.call_later, _FINISH_SECONDS, self._hurry)

        if threading.current_thread() is threading.main_thread():
            for number in _WITHOUT_A_SERVER:
                signal.signal(number, heed)

    def _end_waits(self) -> None:
        self._ends = True
        for exchange in self._under_way:
            exchange.end_wait()

    def _hurry(self) -> None:
        for exchange in self._under_way:
            exchange.hurry()


def threads_of(conf: cfg.ConfigOpts) -> int:
    """How many threads answer requests in each process."""
    return int(conf.api.requests + conf.api.long_requests + app.SPARE_THREADS)


def from_settings() -> Bridge:
    """The application of this process's settings; what the server is pointed to."""
    conf = settings.current()
    api = conf.api
    threads = Threads(threads_of(conf) - api.long_requests, api.long_requests, _SPARE, api.waiting_requests)
    return Bridge(Front(app.create_app(conf), threads, Bodies(api.held_bodies), api.max_body, api.body_deadline, api.send_deadline))

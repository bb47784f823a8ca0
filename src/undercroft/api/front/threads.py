"""The threads that run the application."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
_Job = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[[], Any]]


class Pool:
    """Threads that call what the event loop gives them; they start when they are first needed, and end with the process.

    `concurrent.futures` does the same with a lock and a condition a call, which a small request is long enough to notice.

    Args:
        size: how many.
        name: of the threads.
    """

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._threads = 0
        self._busy = 0

    @property
    def has_room(self) -> bool:
        """Whether a call would have a thread at once."""
        return self._busy < self._size

    def run(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Call in a thread. To be used from one event loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._busy += 1
        future.add_done_callback(self._rest)
        if self._busy > self._threads < self._size:
            self._threads += 1
            threading.Thread(target=self._work, name=f"{self._name}-{self._threads}", daemon=True).start()
        self._jobs.put((loop, future, call))
        return future

    def _rest(self, _future: asyncio.Future[Any]) -> None:
        self._busy -= 1

    def _work(self) -> None:
        while True:
            loop, future, call = self._jobs.get()
            try:
                result, error = call(), None
            except BaseException as raised:  # noqa: BLE001 - the waiting coroutine raises it
                result, error = None, raised
            # The loop is closed when the process ends.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_settle, future, result, error)
            # What was called may hold a connection: it is not kept until the next call.
            del future, call, result, error


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


class Threads:
    """Four pools, so that nothing waits behind work of another sort.

    Args:
        work: threads that answer requests.
        parts: threads that go on with answers that are sent in parts.
        spare: threads for what takes no time: the question whether the process lives, and refusals.
        waits: threads for requests that wait for something to happen: they sleep.
    """

    def __init__(self, work: int, parts: int, spare: int, waits: int = 0) -> None:
        self.work = Pool(work, "undercroft-work")
        self.parts = Pool(parts, "undercroft-parts")
        self.spare = Pool(spare, "undercroft-spare")
        self.waits = Pool(waits, "undercroft-waits")

"""New connections are made within the deadline of the work at hand.

The client libraries have a limit of their own, in whole seconds, and one of them counts less than two as two: work that begins
shortly before its deadline would end long after it where no server answers.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import threading
from collections.abc import Callable
from typing import Any

from undercroft.core import deadline
from undercroft.core.errors import Unavailable


def in_time(connect: Callable[[], Any], place: str) -> Any:
    """A connection of the client library; None when the work at hand has no deadline, and nothing was done.

    It is made by a thread of its own, since nothing ends a client library that connects. One that comes too late is closed.

    Raises:
        Unavailable: the time was over before there was one.
    """
    left = deadline.remaining()
    if left is None:
        return None
    made: concurrent.futures.Future[Any] = concurrent.futures.Future()
    threading.Thread(target=_make, args=(connect, made), name="undercroft-connect", daemon=True).start()
    if made not in concurrent.futures.wait((made,), left).done:
        made.add_done_callback(_close)
        raise Unavailable(f"{place}: the time for this request was over before the server took a connection")
    return made.result()


def _make(connect: Callable[[], Any], made: concurrent.futures.Future[Any]) -> None:
    try:
        connection = connect()
    except BaseException as error:  # noqa: BLE001 - the thread that waits gets it
        made.set_exception(error)
    else:
        made.set_result(connection)


def _close(made: concurrent.futures.Future[Any]) -> None:
    with contextlib.suppress(Exception):
        made.result().close()

"""Writers that are killed, or whose server is; the same with a protection taken away."""

from __future__ import annotations

import functools
import itertools
import multiprocessing.connection
import pathlib
import sys
import urllib.parse
from collections.abc import Callable
from typing import Any

import undercroft
from tests.chaos.processes import Acknowledgements
from tests.chaos.workloads import ACKNOWLEDGED_FIRST, WORKLOADS
from undercroft.core.errors import Corrupt, Declined, UndercroftError

# The name of the file of acknowledgements of a traced writer.
ACKNOWLEDGED = "acknowledged"
# Operations after which a traced writer closes its store and opens it again.
_SESSION = 40


def write(
    pipe: multiprocessing.connection.Connection,
    kind: str,
    url: str,
    options: dict[str, Any],
    seed: int,
    first: int,
    last: int | None,
    ledger: Acknowledgements,
    twin: str | None,
) -> None:
    """Do the operations from `first` on, acknowledging each, until killed or done with `last`."""
    work = WORKLOADS[kind]
    store = undercroft.connect(kind, url, **options)
    run: Callable[[Any], None] = work.sabotaged[twin](store) if twin and twin in work.sabotaged else lambda done: done.run(store)
    file = ledger.open()
    pipe.send("ready")
    for number in itertools.count(first) if last is None else range(first, last + 1):
        if twin == ACKNOWLEDGED_FIRST:
            ledger.write(file, number)
            run(work.operation(seed, number))
        else:
            run(work.operation(seed, number))
            ledger.write(file, number)
    store.close()


def write_on(
    pipe: multiprocessing.connection.Connection,
    kind: str,
    url: str,
    options: dict[str, Any],
    seed: int,
    ledger: Acknowledgements,
) -> None:
    """Do operations, acknowledging each, with one store all the time.

    When a call fails as one that may be repeated, say so, wait to be told how far to go now (None: on and on), and do the operation
    again. Say so, too, when its first call has returned: it may be many.
    """
    store = _Followed(undercroft.connect(kind, url, **options))
    file = ledger.open()
    pipe.send("ready")
    number, last = 0, None
    while last is None or number <= last:
        try:
            WORKLOADS[kind].operation(seed, number).run(store)
        except UndercroftError as error:
            if not error.retryable or isinstance(error, (Corrupt, Declined)):
                raise
            pipe.send(f"down: {error}")
            last = pipe.recv()
            store.returned = functools.partial(pipe.send, "up")
        else:
            ledger.write(file, number)
            number += 1
    store.close()


class _Followed:
    """A store; what is set as `returned` is called when the next of its calls has returned, once."""

    def __init__(self, store: Any, whole: _Followed | None = None) -> None:
        self._store = store
        self._whole = whole or self
        self.returned: Callable[[], None] | None = None

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if callable(found):
            return functools.partial(self._followed, found)
        # What a store has its calls on.
        return _Followed(found, self._whole) if name.endswith("_controller") else found

    def _followed(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        answer = call(*arguments, **options)
        whole = self._whole
        returned, whole.returned = whole.returned, None
        if returned:
            returned()
        return answer


def write_traced(kind: str, url: str, seed: int, count: int) -> None:
    """Do so many operations, in several sessions of a file, and tell each beside it."""
    told = Acknowledgements(pathlib.Path(urllib.parse.urlsplit(url).path[1:]).with_name(ACKNOWLEDGED))
    file = told.open()
    for first in range(0, count, _SESSION):
        store = undercroft.connect(kind, url)
        for number in range(first, min(first + _SESSION, count)):
            WORKLOADS[kind].operation(seed, number).run(store)
            told.write(file, number)
        store.close()


if __name__ == "__main__":
    write_traced(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))

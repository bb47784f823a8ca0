"""Writers that are killed, and the same writers with a protection taken away: those the audit must catch."""

from __future__ import annotations

import itertools
import multiprocessing.connection
import pathlib
import sys
import threading
import urllib.parse
from collections.abc import Callable
from typing import Any

import undercroft
from tests.chaos.operations import Operation, operation
from tests.chaos.processes import Acknowledgements
from undercroft.core.errors import UndercroftError
from undercroft.rating import BaseStorage, DataFrame

# As long as a busy engine may take between two commits.
_MOMENT = 0.01
# The name of the file of acknowledgements of a traced writer.
ACKNOWLEDGED = "acknowledged"
# Operations after which a traced writer closes its store and opens it again.
_SESSION = 40


def write(
    pipe: multiprocessing.connection.Connection,
    url: str,
    options: dict[str, Any],
    seed: int,
    first: int,
    last: int | None,
    ledger: Acknowledgements,
    twin: str | None,
) -> None:
    """Do the operations from `first` on, acknowledging each, until killed or done with `last`."""
    store = undercroft.connect("rating", url, **options)
    run: Callable[[Operation], None] = lambda done: done.run(store)  # noqa: E731
    if twin == "in parts":
        run = lambda done: in_parts(store, done)  # noqa: E731
    elif twin == "sums apart":
        sums_apart(store)
    file = ledger.open()
    pipe.send("ready")
    for number in itertools.count(first) if last is None else range(first, last + 1):
        if twin == "acknowledged first":
            ledger.write(file, number)
            run(operation(seed, number))
        else:
            run(operation(seed, number))
            ledger.write(file, number)
    store.close()


def write_on(
    pipe: multiprocessing.connection.Connection, url: str, options: dict[str, Any], seed: int, ledger: Acknowledgements
) -> None:
    """Do operations, acknowledging each, with one store all the time.

    When a call fails as one that may be repeated, say so, wait to be told how far to go now (None: on and on), and repeat it.
    """
    store = undercroft.connect("rating", url, **options)
    file = ledger.open()
    pipe.send("ready")
    number, last = 0, None
    while last is None or number <= last:
        try:
            operation(seed, number).run(store)
        except UndercroftError as error:
            if not error.retryable:
                raise
            pipe.send("down")
            last = pipe.recv()
        else:
            ledger.write(file, number)
            number += 1
    store.close()


def push_again(
    pipe: multiprocessing.connection.Connection,
    url: str,
    options: dict[str, Any],
    calls: list[list[DataFrame]],
    ledger: Acknowledgements,
) -> None:
    """Push the same usage again and again, each time in another of the given orders."""
    store = undercroft.connect("rating", url, **options)
    file = ledger.open()
    pipe.send("ready")
    for number in itertools.count():
        store.push(calls[number % len(calls)])
        ledger.write(file, number)


# -- protections off -------------------------------------------------------------------------------------------------


def in_parts(store: BaseStorage, done: Operation) -> None:
    """A call that is many transactions: what a driver without transactions would do."""
    if done.kind in ("delete", "replace"):
        store.delete(done.begin, done.end, done.filters)
    for frame in done.frames:
        for type_, points in frame.itertypes():
            store.push([DataFrame(frame.start, frame.end, {type_: points})])


def sums_apart(store: Any) -> None:
    """A store that commits points first and the sums beside them afterwards."""
    writes, database = store._writer._writes, store._db
    add, add_sums, commit = writes.add, writes.add_sums, database.write
    late: list[Any] = []

    def postpone(_connection: Any, sums: Any) -> None:
        late.append(sums)

    def add_points(connection: Any, points: Any, sums: Any) -> None:
        add(connection, points, [])
        late.append(sums)

    def write_twice(work: Callable[[Any], Any]) -> Any:
        result = commit(work)
        threading.Event().wait(_MOMENT)
        for sums in late:
            commit(lambda connection, sums=sums: add_sums(connection, sums))
        late.clear()
        return result

    writes.add = add_points
    writes.add_sums = postpone
    database.write = write_twice


def write_traced(url: str, seed: int, count: int) -> None:
    """Do so many operations, in several sessions of a file, and tell each beside it."""
    told = Acknowledgements(pathlib.Path(urllib.parse.urlsplit(url).path[1:]).with_name(ACKNOWLEDGED))
    file = told.open()
    for first in range(0, count, _SESSION):
        store = undercroft.connect("rating", url)
        for number in range(first, min(first + _SESSION, count)):
            operation(seed, number).run(store)
            told.write(file, number)
        store.close()


if __name__ == "__main__":
    write_traced(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

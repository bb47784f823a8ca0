"""Writers of rated usage with a protection taken away: those the audit must catch."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

from tests.chaos.rating.operations import Operation
from tests.chaos.workloads import COMMIT_SECONDS, Run, Sabotage
from undercroft.rating import BaseStorage, DataFrame


def in_parts(store: BaseStorage, done: Operation) -> None:
    """A call that is many transactions: what a driver without transactions would do."""
    if done.kind in ("delete", "replace"):
        store.delete(done.begin, done.end, done.filters)
    for frame in done.frames:
        for type_, points in frame.itertypes():
            store.push([DataFrame(frame.start, frame.end, {type_: points})])


def sums_apart(store: Any) -> Run:
    """A store that commits points first and the sums beside them afterwards."""
    writes, database = store._dialect, store._db
    add, add_sums, commit = writes.add, writes.add_sums, database.write
    late: list[Any] = []

    def postpone(_connection: Any, sums: Any) -> None:
        late.append(sums)

    def add_points(connection: Any, points: Any, sums: Any) -> None:
        add(connection, points, [])
        late.append(sums)

    def write_twice(work: Callable[[Any], Any]) -> Any:
        result = commit(work)
        threading.Event().wait(COMMIT_SECONDS)
        for sums in late:
            commit(lambda connection, sums=sums: add_sums(connection, sums))
        late.clear()
        return result

    writes.add = add_points
    writes.add_sums = postpone
    database.write = write_twice
    return lambda done: done.run(store)


SABOTAGED: dict[str, Sabotage] = {"in parts": lambda store: functools.partial(in_parts, store), "sums apart": sums_apart}

"""Writers of samples with a protection taken away: those the audit must catch."""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from typing import Any

from tests.chaos.metering.operations import Operation
from tests.chaos.workloads import COMMIT_SECONDS, Run, Sabotage
from undercroft.metering import Store
from undercroft.metering.record import Record


def one_by_one(store: Store, done: Operation) -> None:
    """A call that is a transaction for each of its samples."""
    if done.kind in ("expire", "maintain"):
        done.run(store)
    for data in done.samples:
        store.record_metering_data(data)


def reopened_apart(store: Any) -> Run:
    """A store that keeps late samples first, and has their hours added up anew a moment later."""
    whole, reopen = store._record, store._dialect.reopen
    late: list[int] = []

    def record(records: Sequence[Record]) -> list[str]:
        store._dialect.reopen = lambda _, slots: late.extend(slots)
        try:
            known: list[str] = whole(records)
        finally:
            store._dialect.reopen = reopen
        if late:
            threading.Event().wait(COMMIT_SECONDS)
            store._db.write(lambda connection: reopen(connection, sorted(set(late))))
            late.clear()
        return known

    store._record = record
    return lambda done: done.run(store)


SABOTAGED: dict[str, Sabotage] = {
    "one by one": lambda store: functools.partial(one_by_one, store),
    "reopened apart": reopened_apart,
}

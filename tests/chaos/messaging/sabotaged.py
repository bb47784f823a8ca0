"""Workers of a queue with a protection taken away: those the audit must catch."""

from __future__ import annotations

import dataclasses
import functools
import threading
from typing import Any

from tests.chaos.messaging import scripted
from tests.chaos.messaging.operations import CLIENT, PROJECT, QUEUE, Operation, at
from tests.chaos.workloads import COMMIT_SECONDS, Run, Sabotage
from undercroft.messaging import DataDriverBase
from undercroft.messaging.drivers.sql.dialects.steps import Steps


def one_by_one(store: DataDriverBase, done: Operation) -> None:
    """A post that is a transaction for each of its messages."""
    if not done.messages:
        done.run(store)
    with at(done.at):
        for message in done.messages:
            named = {**message, "dedup_id": message["body"]["name"]}
            store.message_controller.post(QUEUE, [named], CLIENT, PROJECT)


def without_ids(store: DataDriverBase, done: Operation) -> None:
    """A client that repeats a post as if it were a new one."""
    plain = [{name: value for name, value in each.items() if name != "dedup_id"} for each in done.messages]
    dataclasses.replace(done, messages=plain, has_receipt=False).run(store)


def counted_apart(store: Any) -> Run:
    """A store that stores messages first, and counts them a moment later."""
    if not hasattr(store, "plane"):
        # What is counted there is what is free.
        scripted.freed_apart(store)
        return lambda done: done.run(store)
    plane = store.plane
    add, post = plane._add, plane.post
    late: list[tuple[int, int, int]] = []

    # One statement stores and counts where the engine can.
    plane._store = functools.partial(Steps._store, plane)

    def posted(*arguments: Any, **named: Any) -> list[int]:
        plane._add = lambda _, *given: late.append(given)
        try:
            found: list[int] = post(*arguments, **named)
        finally:
            plane._add = add
        threading.Event().wait(COMMIT_SECONDS)
        store.db.write(lambda connection: [add(connection, *given) for given in late])
        late.clear()
        return found

    plane.post = posted
    return lambda done: done.run(store)


SABOTAGED: dict[str, Sabotage] = {
    "one by one": lambda store: functools.partial(one_by_one, store),
    "without ids": lambda store: functools.partial(without_ids, store),
    "counted apart": counted_apart,
}

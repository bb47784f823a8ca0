"""Workers of a queue with a protection taken away: those the audit must catch."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

from tests.chaos.messaging import means
from tests.chaos.messaging.operations import CLIENT, PROJECT, QUEUE, Operation, at
from tests.chaos.workloads import Run, Sabotage
from undercroft.messaging import DataDriverBase


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
    means.of(store).counted_apart(store)
    return lambda done: done.run(store)


def harmless(driver: type) -> list[str]:
    """The names of those that harm no such store."""
    return [] if means.known(driver) else ["counted apart"]


SABOTAGED: dict[str, Sabotage] = {
    "one by one": lambda store: functools.partial(one_by_one, store),
    "without ids": lambda store: functools.partial(without_ids, store),
    "counted apart": counted_apart,
}

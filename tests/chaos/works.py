"""The kinds of stores that are put to the test: what a writer does to each, and how that is judged."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from tests.chaos import audit, event_audit, event_operations, operations, twins
from tests.chaos.faults import Faults
from undercroft.conformance.plugin import Target
from undercroft.core import registry

# A twin of every kind: it tells of a call before it makes it.
ACKNOWLEDGED_FIRST = "acknowledged first"


@dataclasses.dataclass(frozen=True)
class Work:
    """What is done to one kind of store.

    Attributes:
        items: what its ledger counts.
        calls: the kinds of operations.
        operation: the n-th of a seed.
        ledger: makes an empty one: `enter`, `copy`, `left_by` for a call that nobody was told of.
        audit: compares a store with a ledger, and asks so many of the questions.
        twins: writers with a protection taken away.
    """

    items: str
    calls: Sequence[str]
    operation: Callable[[int, int], Any]
    ledger: Callable[[], Any]
    audit: Callable[[Any, Any, Sequence[Any]], Faults]
    questions: Sequence[Any]
    twins: dict[str, twins.Twin]


WORKS = {
    "rating": Work(
        "points", operations.KINDS, operations.operation, operations.Ledger, audit.audit, audit.QUESTIONS, twins.RATING
    ),
    "events": Work(
        "events", event_operations.KINDS, event_operations.operation, event_operations.Ledger,
        event_audit.audit, event_audit.QUESTIONS, twins.EVENTS,
    ),
}  # fmt: skip


def harmful(target: Target) -> list[str]:
    """The twins that break a promise of this store."""
    found = [ACKNOWLEDGED_FIRST, *WORKS[target.kind].twins]
    driver = registry.load(target.kind, target.driver.partition("#")[0])
    if target.kind == "events" and event_operations.in_parts(driver):
        found.remove("one by one")
    return found

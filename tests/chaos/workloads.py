"""What is done to the stores of a kind, and how they are checked.

Each kind has one value, `WORKLOAD` of `tests/chaos/<kind>/workload.py`; a kind without that folder is not put to these tests.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import importlib
import importlib.util
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from tests.chaos.faults import Faults
from undercroft.conformance.plugin import Target
from undercroft.core import kinds, registry

# Gets a store, and gives what runs an operation on it.
Run = Callable[[Any], None]
Sabotage = Callable[[Any], Run]
# Sabotage of every kind: the writer acknowledges a call before it makes it.
ACKNOWLEDGED_FIRST = "acknowledged first"
# As long as a busy engine may take between two commits.
COMMIT_SECONDS = 0.01


def nothing(_: Any) -> None:
    """Do nothing."""


@dataclasses.dataclass(frozen=True)
class Expiring:
    """How a kind's items go when they are old.

    Attributes:
        machine: a random walk in which they do.
        newest: the items of a store until a moment, the newest first.
        again: stores such items again.
        steps: of the walks, in the gate.
    """

    machine: Any
    newest: Callable[[Any, dt.datetime], list[Any]]
    again: Callable[[Any, list[Any]], None]
    steps: int = 150


@dataclasses.dataclass(frozen=True)
class Workload:
    """What is done to the stores of one kind.

    Attributes:
        items: what its ledger counts.
        calls: the names of the kinds of operations.
        operation: the n-th of a seed.
        ledger: makes an empty one: `enter`, `copy`, `left_by` for a call that nobody was told of.
        audit: compares a store with a ledger, and asks so many of the questions.
        questions: all that an audit can ask.
        sabotaged: writers with a protection taken away.
        harmless: the names of those that break no promise of a driver.
        expiring: how items go when they are old; None where they do not, by themselves.
        written_late: makes a server acknowledge before it writes, where that is a setting of the store and not of the server.
    """

    items: str
    calls: Sequence[str]
    operation: Callable[[int, int], Any]
    ledger: Callable[[], Any]
    audit: Callable[[Any, Any, Sequence[Any]], Faults]
    questions: Sequence[Any]
    sabotaged: Mapping[str, Sabotage]
    harmless: Callable[[type], Collection[str]] = lambda _: ()
    expiring: Expiring | None = None
    written_late: Callable[[Any], None] = nothing


def workload(items: str, operations: Any, audit: Any, sabotaged: Any, **more: Any) -> Workload:
    """A workload of a kind's modules of those names; what else there is of one is in `more`."""
    return Workload(
        items, operations.KINDS, operations.operation, operations.Ledger, audit.audit, audit.QUESTIONS, sabotaged.SABOTAGED, **more
    )


def _workloads() -> dict[str, Workload]:
    """Those of the installed kinds that have one."""
    found: dict[str, Workload] = {}
    for kind in kinds.installed():
        # A kind that is only read has tests here, and no workload.
        folder = f"tests.chaos.{kind}"
        if importlib.util.find_spec(folder) and importlib.util.find_spec(f"{folder}.workload"):
            found[kind] = importlib.import_module(f"tests.chaos.{kind}.workload").WORKLOAD
    return found


def harmful(target: Target) -> list[str]:
    """The sabotage that breaks a promise of this store."""
    workload = WORKLOADS[target.kind]
    harmless = workload.harmless(registry.load(target.kind, target.driver.partition("#")[0]))
    return [ACKNOWLEDGED_FIRST, *(name for name in workload.sabotaged if name not in harmless)]


WORKLOADS = _workloads()

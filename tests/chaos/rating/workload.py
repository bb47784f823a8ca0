"""What is done to stores of rated usage."""

from __future__ import annotations

from tests.chaos.rating import audit, operations, sabotaged
from tests.chaos.workloads import Workload

WORKLOAD = Workload(
    items="points",
    calls=operations.KINDS,
    operation=operations.operation,
    ledger=operations.Ledger,
    audit=audit.audit,
    questions=audit.QUESTIONS,
    sabotaged=sabotaged.SABOTAGED,
)

"""What is done to stores of events."""

from __future__ import annotations

from tests.chaos.events import audit, operations, sabotaged
from tests.chaos.workloads import Workload

WORKLOAD = Workload(
    items="events",
    calls=operations.KINDS,
    operation=operations.operation,
    ledger=operations.Ledger,
    audit=audit.audit,
    questions=audit.QUESTIONS,
    sabotaged=sabotaged.SABOTAGED,
    harmless=lambda driver: ["one by one"] if operations.in_parts(driver) else [],
    written_late=sabotaged.written_late,
)

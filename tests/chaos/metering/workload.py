"""What is done to stores of samples."""

from __future__ import annotations

from tests.chaos.metering import audit, operations, sabotaged
from tests.chaos.workloads import Workload

WORKLOAD = Workload(
    items="samples",
    calls=operations.KINDS,
    operation=operations.operation,
    ledger=operations.Ledger,
    audit=audit.audit,
    questions=audit.QUESTIONS,
    sabotaged=sabotaged.SABOTAGED,
)

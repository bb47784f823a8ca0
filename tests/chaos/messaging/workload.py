"""What is done to stores of messages."""

from __future__ import annotations

from tests.chaos.messaging import audit, operations, sabotaged
from tests.chaos.workloads import workload

WORKLOAD = workload("messages", operations, audit, sabotaged, harmless=sabotaged.harmless)

"""What is done to stores of rated usage."""

from __future__ import annotations

from tests.chaos.rating import audit, operations, sabotaged
from tests.chaos.workloads import workload

WORKLOAD = workload("points", operations, audit, sabotaged)

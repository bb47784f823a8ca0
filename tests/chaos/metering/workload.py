"""What is done to stores of samples."""

from __future__ import annotations

from tests.chaos.metering import audit, operations, sabotaged
from tests.chaos.workloads import Expiring, Workload
from undercroft.conformance.metering.state_machine import MeteringMachine
from undercroft.metering import SampleFilter

WORKLOAD = Workload(
    items="samples",
    calls=operations.KINDS,
    operation=operations.operation,
    ledger=operations.Ledger,
    audit=audit.audit,
    questions=audit.QUESTIONS,
    sabotaged=sabotaged.SABOTAGED,
    expiring=Expiring(
        MeteringMachine,
        lambda store, until: list(store.get_samples(SampleFilter(end_timestamp=until, end_timestamp_op="le"))),
        lambda store, samples: store.record_metering_data_batch([each.as_dict() for each in samples]),
        steps=150,
    ),
)

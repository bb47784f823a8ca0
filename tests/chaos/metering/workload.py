"""What is done to stores of samples."""

from __future__ import annotations

from tests.chaos.metering import audit, operations, sabotaged
from tests.chaos.workloads import Expiring, workload
from undercroft.conformance.metering.state_machine import MeteringMachine
from undercroft.metering import SampleFilter

WORKLOAD = workload(
    "samples",
    operations,
    audit,
    sabotaged,
    expiring=Expiring(
        MeteringMachine,
        lambda store, until: list(store.get_samples(SampleFilter(end_timestamp=until, end_timestamp_op="le"))),
        lambda store, samples: store.record_metering_data_batch([each.as_dict() for each in samples]),
        steps=150,
    ),
)

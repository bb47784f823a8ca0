"""What is done to stores of events."""

from __future__ import annotations

from tests.chaos.events import audit, operations, sabotaged
from tests.chaos.workloads import Expiring, workload
from undercroft.conformance.events.state_machine import EventsMachine
from undercroft.events import EventFilter

WORKLOAD = workload(
    "events",
    operations,
    audit,
    sabotaged,
    harmless=lambda driver: ["one by one"] if operations.in_parts(driver) else [],
    expiring=Expiring(
        EventsMachine,
        lambda store, until: list(store.get_events(EventFilter(end_timestamp=until), {"sort": [("generated", "desc")]})),
        lambda store, events: store.record_events(events),
    ),
    written_late=sabotaged.written_late,
)

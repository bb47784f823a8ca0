"""Random walks of writes and reads: each store against the oracle, and all stores side by side."""

from __future__ import annotations

from undercroft.conformance.events.state_machine import EventsMachine
from undercroft.conformance.markers import assumes, clause, essential, needs, promise
from undercroft.conformance.plugin import Opener
from undercroft.conformance.stateful import SIDE_BY_SIDE, TIMEOUT, walk

pytestmark = [essential, TIMEOUT]


@clause("E5", "E6", "E7", "E8", "E9", "E11", "E12", "E13", "E14", "E15", "E18", "E19", "E20", "E21", "E22")
@promise("C5", "C7")
@needs("read")
def test_a_random_walk(open_store: Opener) -> None:
    walk(lambda: EventsMachine([open_store]))


@clause("E11", "E12", "E14", "E17")
@promise("C7", "S3")
@assumes("read")
def test_all_stores_walk_side_by_side(side_by_side: list[Opener]) -> None:
    walk(lambda: EventsMachine(side_by_side), SIDE_BY_SIDE)

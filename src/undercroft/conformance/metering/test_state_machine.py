"""Random walks of writes and reads: each store against the oracle, and all stores side by side."""

from __future__ import annotations

from undercroft.conformance.markers import clause, essential, promise
from undercroft.conformance.metering.state_machine import MeteringMachine
from undercroft.conformance.plugin import Opener
from undercroft.conformance.stateful import SIDE_BY_SIDE, TIMEOUT, walk

pytestmark = [essential, TIMEOUT]


@clause("M5", "M6", "M7", "M8", "M10", "M11", "M12", "M13", "M14", "M15", "M16", "M17", "M18", "M19", "M20", "M21", "M23", "M25")
@promise("C5", "C7", "C9")
def test_a_random_walk(open_store: Opener) -> None:
    walk(lambda: MeteringMachine([open_store]))


@clause("M10", "M11", "M15", "M17")
@promise("C7", "S3")
def test_all_stores_walk_side_by_side(side_by_side: list[Opener]) -> None:
    walk(lambda: MeteringMachine(side_by_side), SIDE_BY_SIDE)

"""Random walks of writes and reads: each store against the oracle, and all stores side by side."""

from __future__ import annotations

import pytest

from undercroft.conformance.events_machine import EventsMachine
from undercroft.conformance.marks import clause, needs, promise
from undercroft.conformance.plugin import Opener
from undercroft.conformance.walks import SIDE_BY_SIDE, TIMEOUT, walk

pytestmark = TIMEOUT


@clause("E5", "E6", "E7", "E8", "E9", "E11", "E12", "E13", "E14", "E15", "E18", "E19", "E20", "E21", "E22")
@promise("C5", "C7")
@needs("read")
def test_a_random_walk(open_store: Opener) -> None:
    reopens = bool(open_store().capabilities.survives_restart)
    walk(lambda: EventsMachine([open_store], reopens))


@clause("E11", "E12", "E14", "E17")
@promise("C7", "S3")
def test_all_stores_walk_side_by_side(side_by_side: list[Opener]) -> None:
    openers = [opener for opener in side_by_side if opener().capabilities.read]
    if not openers:
        pytest.skip("gap: no store of this run is read again")
    reopens = all(bool(opener().capabilities.survives_restart) for opener in openers)
    walk(lambda: EventsMachine(openers, reopens), SIDE_BY_SIDE)

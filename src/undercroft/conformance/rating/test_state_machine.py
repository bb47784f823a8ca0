"""Random walks of writes and reads: each store against the oracle, and all stores side by side."""

from __future__ import annotations

from typing import Any

from undercroft.conformance.markers import clause, essential, promise
from undercroft.conformance.plugin import Opener
from undercroft.conformance.rating.state_machine import RatingMachine
from undercroft.conformance.stateful import SIDE_BY_SIDE, TIMEOUT, walk

pytestmark = [essential, TIMEOUT]


@clause("R4", "R6", "R7", "R10", "R11", "R12", "R14", "R15", "R18", "R19", "R21", "R22", "R23", "R31")
@promise("C9", "M1", "M2")
def test_a_random_walk(open_store: Opener) -> None:
    walk(lambda: RatingMachine([open_store]))


@clause("R4", "R8", "R17", "R18", "R21")
@promise("C7", "M2", "T3")
def test_all_stores_walk_side_by_side(side_by_side: list[Opener]) -> None:
    """In a zone whose clock changes by half an hour."""
    options: dict[str, Any] = {"timezone": "Australia/Lord_Howe"}
    walk(lambda: RatingMachine(side_by_side, options), SIDE_BY_SIDE)

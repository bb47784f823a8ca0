"""Random walks of writes and reads: each store against the oracle, and all stores side by side."""

from __future__ import annotations

from undercroft.conformance.markers import assumes, clause, essential, promise
from undercroft.conformance.messaging.state_machine import MessagingMachine
from undercroft.conformance.plugin import Opener
from undercroft.conformance.stateful import SIDE_BY_SIDE, TIMEOUT, walk

pytestmark = [essential, TIMEOUT]


@clause("Q9", "Q12", "Q14", "Q15", "Q18", "Q22", "Q24", "Q25", "Q26", "Q27", "Q28", "Q29", "Q30", "Q31", "Q32", "Q33", "Q34")
@clause("Q35", "Q36", "Q37", "Q38", "Q42", "Q47")
@promise("C5", "C7")
@assumes("deduplication")
def test_a_random_walk(open_store: Opener) -> None:
    walk(lambda: MessagingMachine([open_store]))


@clause("Q9", "Q14", "Q24", "Q25", "Q29", "Q30", "Q31")
@promise("C7")
@assumes("deduplication")
def test_all_stores_walk_side_by_side(side_by_side: list[Opener]) -> None:
    walk(lambda: MessagingMachine(side_by_side), SIDE_BY_SIDE)

"""Random walks of writes and reads: each store against the oracle, and all stores side by side."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from undercroft.conformance.events_machine import EventsMachine
from undercroft.conformance.marks import clause, needs, promise
from undercroft.conformance.plugin import Opener

PROFILE = os.environ.get("UNDERCROFT_CONFORMANCE", "ci")
# Walks, and steps of each.
PROFILES = {"quick": (5, 15), "ci": (20, 20), "thorough": (300, 50)}
# Seconds; 0 for as long as it takes.
pytestmark = pytest.mark.timeout(0 if PROFILE == "thorough" else 600)


def _walk(machine: Callable[[], EventsMachine]) -> None:
    walks, steps = PROFILES[PROFILE]
    run_state_machine_as_test(
        machine,  # type: ignore[arg-type]  # any maker of a machine will do
        settings=settings(
            max_examples=walks,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate] if PROFILE == "quick" else [Phase.generate, Phase.shrink],
        ),
    )


@clause("E5", "E6", "E7", "E8", "E9", "E11", "E12", "E13", "E14", "E15", "E18", "E19", "E20", "E21", "E22")
@promise("C5", "C7")
@needs("read")
def test_a_random_walk(open_store: Opener) -> None:
    reopens = bool(open_store().capabilities.survives_restart)
    _walk(lambda: EventsMachine([open_store], reopens))


@clause("E11", "E12", "E14", "E17")
@promise("C7", "S3")
def test_all_stores_walk_side_by_side(side_by_side: list[Opener]) -> None:
    openers = [opener for opener in side_by_side if opener().capabilities.read]
    reopens = all(bool(opener().capabilities.survives_restart) for opener in openers)
    _walk(lambda: EventsMachine(openers, reopens))

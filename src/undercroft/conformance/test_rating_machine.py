"""Random walks of writes and reads: each store against the oracle, and all stores side by side."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from undercroft.conformance.marks import clause, promise
from undercroft.conformance.plugin import Opener
from undercroft.conformance.rating_machine import RatingMachine

PROFILE = os.environ.get("UNDERCROFT_CONFORMANCE", "ci")
# Walks, and steps of each.
PROFILES = {"quick": (5, 15), "ci": (20, 20), "thorough": (300, 50)}
# Seconds; 0 for as long as it takes.
pytestmark = pytest.mark.timeout(0 if PROFILE == "thorough" else 600)


def _walk(machine: Callable[[], RatingMachine]) -> None:
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


@clause("R4", "R6", "R7", "R10", "R11", "R12", "R14", "R15", "R18", "R19", "R21", "R22", "R23", "R31")
@promise("C9", "M1", "M2")
def test_a_random_walk(open_store: Opener) -> None:
    reopens = bool(open_store().capabilities.survives_restart)
    _walk(lambda: RatingMachine([open_store], {}, reopens))


@clause("R4", "R8", "R17", "R18", "R21")
@promise("C7", "M2", "T3")
def test_all_stores_walk_side_by_side(side_by_side: list[Opener]) -> None:
    """In a zone whose clock changes by half an hour."""
    options: dict[str, Any] = {"timezone": "Australia/Lord_Howe"}
    reopens = all(bool(opener(**options).capabilities.survives_restart) for opener in side_by_side)
    _walk(lambda: RatingMachine(side_by_side, options, reopens))

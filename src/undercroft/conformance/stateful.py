"""How long random walks are: UCTEST_CONFORMANCE is quick, ci or thorough."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

PROFILE = os.environ.get("UCTEST_CONFORMANCE", "ci")
# Walks, and steps of each.
PROFILES = {"quick": (5, 15), "ci": (20, 25), "thorough": (300, 50)}
# Where all stores walk together, each has its own walks beside.
SIDE_BY_SIDE = PROFILES[PROFILE][0] // 2
# Seconds; 0 for as long as it takes.
TIMEOUT = pytest.mark.timeout(0 if PROFILE == "thorough" else 600)


def change_all(
    change: Callable[[Any], None],
    oracle: object,
    stores: Iterable[object],
    refused: type[Exception],
    refusal: type[Exception],
) -> None:
    """Make one change to the oracle and to every store; what the oracle refuses, every store must refuse.

    Args:
        change: makes it.
        oracle: is changed first.
        stores: are changed next, in order.
        refused: what the oracle raises when it refuses the change.
        refusal: what the stores must raise then.
    """
    try:
        change(oracle)
    except refused:
        for store in stores:
            with pytest.raises(refusal):
                change(store)
    else:
        for store in stores:
            change(store)


def walk(
    machine: Callable[[], RuleBasedStateMachine], walks: int = 0, steps: int = 0, *, shrink: bool = PROFILE != "quick"
) -> None:
    """Walk through a contract; without numbers, as far as the profile says.

    Args:
        machine: makes a walker.
        walks: how many walks.
        steps: of each, at most.
        shrink: look for the shortest walk that fails.
    """
    run_state_machine_as_test(
        machine,  # type: ignore[arg-type]  # any maker of a machine will do
        settings=settings(
            max_examples=walks or PROFILES[PROFILE][0],
            stateful_step_count=steps or PROFILES[PROFILE][1],
            deadline=None,
            database=None,
            print_blob=True,
            report_multiple_bugs=shrink,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
        ),
    )

"""Random walks through a contract. How long they are: UCTEST_CONFORMANCE is quick, ci or thorough."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from undercroft.conformance.examination import problems
from undercroft.conformance.plugin import Opener

PROFILE = os.environ.get("UCTEST_CONFORMANCE", "ci")
# Walks, and steps of each.
PROFILES = {"quick": (5, 15), "ci": (8, 30), "thorough": (300, 50)}
# Where all stores walk together, each has its own walks beside.
SIDE_BY_SIDE = PROFILES[PROFILE][0] // 2
# Seconds; 0 for as long as it takes.
TIMEOUT = pytest.mark.timeout(0 if PROFILE == "thorough" else 600)


class Walker(RuleBasedStateMachine):
    """Stores that take the same steps as an oracle. A kind adds the steps of its contract, and how content is compared.

    Args:
        openers: one for each store.
        oracle: what the stores must agree with.
        options: options of every store.
    """

    # What the oracle raises when it refuses a change, and what the stores must raise then.
    refused: type[Exception]
    refusal: type[Exception]

    def __init__(self, openers: Sequence[Opener], oracle: Any, options: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.openers = openers
        self.oracle = oracle
        self.options = options or {}
        self.stores: list[Any] = self._open()
        # The stores' data outlive their objects.
        self.reopens = self.can("survives_restart")

    def can(self, *capabilities: str) -> bool:
        """True when every store has the capabilities."""
        return all(bool(getattr(store.capabilities, name)) for store in self.stores for name in capabilities)

    @precondition(lambda self: self.reopens)
    @rule()
    def reopen(self) -> None:
        """Close the objects and open others."""
        self._close()
        self.stores = self._open()
        self._compare()

    def teardown(self) -> None:
        """Examine the stores, then close the objects."""
        found = [problems(store) for store in self.stores]
        self._close()
        assert not any(found), found

    def _open(self, **more: Any) -> list[Any]:
        return [opener(**self.options, **more) for opener in self.openers]

    def _close(self) -> None:
        for opener, store in zip(self.openers, self.stores, strict=True):
            opener.close(store)

    def _write(self, change: Callable[[Any], None]) -> None:
        """Make one change to the oracle and to every store; what the oracle refuses, every store must refuse."""
        try:
            change(self.oracle)
        except self.refused:
            for store in self.stores:
                with pytest.raises(self.refusal):
                    change(store)
        else:
            for store in self.stores:
                change(store)
        self._compare()

    def _compare(self) -> None:
        """The whole content of every store is the oracle's."""
        raise NotImplementedError


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

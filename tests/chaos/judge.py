"""Keeps the ledger of one writer through all that happens to it and its store, and compares."""

from __future__ import annotations

import dataclasses
import pathlib
import random
from typing import Any

from tests.chaos.audit import QUESTIONS, Faults, audit
from tests.chaos.operations import Ledger, operation
from tests.chaos.processes import Acknowledgements
from undercroft.conformance.plugin import Opener


@dataclasses.dataclass
class Judge:
    """Knows what a writer was told is stored, and whether it is.

    Attributes:
        faults: what the last comparison found.
        unanswered: how often a call that was not acknowledged was stored all the same.
    """

    opener: Opener
    folder: pathlib.Path
    seed: int

    def __post_init__(self) -> None:
        self.store = self.opener()
        self.store.close()
        self.rng = random.Random(self.seed)
        self.acknowledgements = Acknowledgements(self.folder / "acknowledged")
        self.ledger = Ledger()
        self.done = 0
        self.unanswered = 0
        self.faults: Faults | None = None

    def judge(self, *, settled: bool = False) -> None:
        """Compare the store with the ledger. The call that was not acknowledged may have happened as a whole, or not at all."""
        acknowledged = self.acknowledgements.read()
        assert acknowledged == sorted(set(acknowledged))
        for number in range(self.done, len(acknowledged)):
            self.ledger.enter(operation(self.seed, number))
        self.done = len(acknowledged)
        self.store = self.opener(init=False)
        questions = QUESTIONS if settled else self.rng.sample(QUESTIONS, 6)
        try:
            self.faults = audit(self.store, self.ledger, questions)
            if self.faults and not settled:
                after = self.ledger.copy()
                after.enter(operation(self.seed, self.done))
                if not audit(self.store, after, questions):
                    self.faults = None
                    self.unanswered += 1
        finally:
            self.opener.opened.remove(self.store)
            self.store.close()

    def figures(self) -> dict[str, Any]:
        """For the record."""
        return {
            "calls_acknowledged": self.done,
            "stored_without_an_answer": self.unanswered,
            "points": len(self.ledger.points()),
            "lost": self.faults.lost if self.faults else 0,
            "doubled": self.faults.doubled if self.faults else 0,
            "wrong_sums": len(self.faults.sums) if self.faults else 0,
        }

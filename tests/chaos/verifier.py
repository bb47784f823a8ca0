"""Keeps the ledger of one writer through all that happens to it and its store, and compares."""

from __future__ import annotations

import dataclasses
import pathlib
import random
from typing import Any

from tests.chaos.faults import Faults
from tests.chaos.processes import Acknowledgements
from tests.chaos.workloads import WORKLOADS
from undercroft.conformance.plugin import Opener


@dataclasses.dataclass
class Verifier:
    """Knows what a writer was told is stored, and whether it is.

    Attributes:
        work: what the writer does, by the kind of the store.
        faults: what the last comparison found.
        unanswered: how often a call that was not acknowledged was stored all the same.
    """

    opener: Opener
    folder: pathlib.Path
    seed: int

    def __post_init__(self) -> None:
        self.work = WORKLOADS[self.opener.target.kind]
        self.store = self.opener()
        self.store.close()
        self.rng = random.Random(self.seed)
        self.acknowledgements = Acknowledgements(self.folder / "acknowledged")
        self.ledger = self.work.ledger()
        self.done = 0
        self.unanswered = 0
        self.faults: Faults | None = None

    def verify(self, *, settled: bool = False) -> None:
        """Compare the store with the ledger. The call that was not acknowledged may have happened, or not."""
        acknowledged = self.acknowledgements.read()
        assert acknowledged == sorted(set(acknowledged))
        for number in range(self.done, len(acknowledged)):
            self.ledger.enter(self.work.operation(self.seed, number))
        self.done = len(acknowledged)
        self.store = self.opener(init=False)
        questions = self.work.questions if settled else self.rng.sample(self.work.questions, 6)
        try:
            self.faults = self.work.audit(self.store, self.ledger, questions)
            if self.faults and not settled:
                after = self.ledger.left_by(self.work.operation(self.seed, self.done), self.store)
                if not self.work.audit(self.store, after, questions):
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
            self.work.items: len(self.ledger),
            "lost": self.faults.lost if self.faults else 0,
            "doubled": self.faults.doubled if self.faults else 0,
            "wrong_answers": len(self.faults.answers) if self.faults else 0,
        }

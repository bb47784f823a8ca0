"""Runs a unittest suite and tells, as JSON on the last line of stdout, which tests passed and what became of the others."""

from __future__ import annotations

import json
import unittest
from typing import Any


class Outcomes(unittest.TestResult):
    """The names of the tests that passed, and the text of every other outcome."""

    def __init__(self) -> None:
        super().__init__()
        self.passed: list[str] = []

    def addSuccess(self, test: unittest.TestCase, details: Any = None) -> None:  # noqa: N802 - unittest's name
        self.passed.append(test.id())

    def others(self) -> dict[str, str]:
        unexpected = [(test, "passed, but was expected to fail") for test in self.unexpectedSuccesses]
        return {
            test.id(): text for test, text in [*self.failures, *self.errors, *self.skipped, *self.expectedFailures, *unexpected]
        }


def run(suite: Any) -> None:
    outcomes = Outcomes()
    suite.run(outcomes)
    print(json.dumps({"passed": outcomes.passed, "others": outcomes.others()}))

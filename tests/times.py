"""Where the time of a run went: sums by file, by store, and by set-up, call and tear-down. `tests/conftest.py` loads it."""

from __future__ import annotations

from typing import Any

import pytest

from undercroft.conformance.plugin import Target

_STORE = "store"
_PHASES = ("setup", "call", "teardown")
# Files that took less share a line.
_SHOWN_SECONDS = 2.0


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remember which store a test runs on."""
    callspec = getattr(item, "callspec", None)
    for value in callspec.params.values() if callspec else ():
        if isinstance(value, Target):
            item.user_properties.append((_STORE, repr(value)))


class Sums:
    """Seconds by name and phase."""

    def __init__(self) -> None:
        self.rows: dict[str, list[float]] = {}

    def add(self, name: str, report: pytest.TestReport) -> None:
        """Add a phase of a test."""
        row = self.rows.setdefault(name, [0.0] * (1 + len(_PHASES)))
        row[0] += report.when == "setup"
        row[1 + _PHASES.index(report.when or "")] += report.duration

    def lines(self) -> list[str]:
        """A line for each name, the longest first; those below the limit together."""
        shown = sorted(
            ((name, row) for name, row in self.rows.items() if sum(row[1:]) >= _SHOWN_SECONDS), key=lambda one: -sum(one[1][1:])
        )
        short = [row for row in self.rows.values() if sum(row[1:]) < _SHOWN_SECONDS]
        rest = [(f"{len(short)} below {_SHOWN_SECONDS:g} s", _added(short))] if short else []
        return [
            f"{name:<64.64} {tests:>6.0f} " + " ".join(f"{seconds:>9.1f}" for seconds in (*phases, sum(phases)))
            for name, (tests, *phases) in (*shown, *rest, ("together", _added(list(self.rows.values()))))
        ]


def _added(rows: list[list[float]]) -> list[float]:
    return [sum(column) for column in zip(*rows, strict=True)]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print both tables. Seconds of all workers are added up: divide by their number."""
    by_file, by_store = Sums(), Sums()
    for report in (report for reports in terminalreporter.stats.values() for report in reports):
        if not isinstance(report, pytest.TestReport) or report.when not in _PHASES:
            continue
        by_file.add(report.nodeid.partition("::")[0], report)
        by_store.add(next((str(value) for name, value in report.user_properties if name == _STORE), "no store"), report)
    if not by_file.rows:
        return
    for name, sums in (("file", by_file), ("store", by_store)):
        terminalreporter.section(f"seconds by {name}")
        terminalreporter.line(f"{name:<64} {'tests':>6} {'set-up':>9} {'call':>9} {'tear-down':>9} {'sum':>9}")
        for line in sums.lines():
            terminalreporter.line(line)

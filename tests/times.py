"""Where the time of a run went: sums by file, by store, and by set-up, call and tear-down. A pytest plugin; `tests/conftest.py` loads it."""

from __future__ import annotations

import collections
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
        self.seconds: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)

    def add(self, name: str, report: pytest.TestReport) -> None:
        """Add a phase of a test."""
        self.seconds[name][report.when] += report.duration
        self.seconds[name]["tests"] += report.when == "setup"

    def lines(self) -> list[str]:
        """A line for each name, the longest first; those below the limit together."""
        total = {name: sum(row[phase] for phase in _PHASES) for name, row in self.seconds.items()}
        shown = sorted((name for name in total if total[name] >= _SHOWN_SECONDS), key=lambda name: -total[name])
        rest = [self.seconds[name] for name in total if total[name] < _SHOWN_SECONDS]
        rows = [(name, self.seconds[name]) for name in shown]
        rows += [(f"{len(rest)} below {_SHOWN_SECONDS:g} s", sum(rest, collections.Counter()))] if rest else []
        rows += [("together", sum(self.seconds.values(), collections.Counter()))]
        return [
            f"{name:<64.64} {row['tests']:>6} "
            + " ".join(f"{seconds:>9.1f}" for seconds in (*(row[phase] for phase in _PHASES), sum(row[phase] for phase in _PHASES)))
            for name, row in rows
        ]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print both tables. Seconds of all workers are added up: divide by their number."""
    by_file, by_store = Sums(), Sums()
    for report in (report for reports in terminalreporter.stats.values() for report in reports):
        if not isinstance(report, pytest.TestReport) or report.when not in _PHASES:
            continue
        by_file.add(report.nodeid.partition("::")[0], report)
        stores = [value for name, value in report.user_properties if name == _STORE]
        by_store.add(stores[0] if stores else "no store", report)
    if not by_file.seconds:
        return
    for name, sums in (("file", by_file), ("store", by_store)):
        terminalreporter.section(f"seconds by {name}")
        terminalreporter.line(f"{name:<64} {'tests':>6} {'set-up':>9} {'call':>9} {'tear-down':>9} {'sum':>9}")
        for line in sums.lines():
            terminalreporter.line(line)

"""The sums at the end of a run: of every phase of every test, by name, the longest first."""

from __future__ import annotations

import pytest

from tests.times import Sums


def report(when: str, seconds: float) -> pytest.TestReport:
    return pytest.TestReport("test_it.py::test_it", ("test_it.py", 1, "test_it"), {}, "passed", None, when, duration=seconds)  # type: ignore[arg-type]


def test_phases_are_added_up_by_name():
    sums = Sums()
    for name, seconds in (("short", 0.5), ("brief", 0.25), ("long", 4.0), ("longest", 40.0)):
        for when in ("setup", "call", "teardown"):
            sums.add(name, report(when, seconds))
    sums.add("long", report("setup", 1.0))
    rows = [line.split() for line in sums.lines()]
    assert rows == [
        ["longest", "1", "40.0", "40.0", "40.0", "120.0"],
        ["long", "2", "5.0", "4.0", "4.0", "13.0"],
        ["2", "below", "2", "s", "2", "0.8", "0.8", "0.8", "2.2"],
        ["together", "5", "45.8", "44.8", "44.8", "135.2"],
    ]

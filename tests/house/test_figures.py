"""The figures of promises: those of a test that failed are not kept, and those that were kept before are struck out."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

TOP = pathlib.Path(__file__).parent.parent.parent
OURS = """
import pathlib
import tests.conftest as ours
from tests.conftest import pytest_terminal_summary, record, seed

ours.FULL, ours.FIGURES = True, pathlib.Path(__file__).parent / "figures.json"
"""
TESTS = """
import pytest

@pytest.mark.promise("D9")
@pytest.mark.parametrize("place", ["good", "bad", "before"])
def test_it(record, place):
    record(kills=3)
    assert place == "good"
    record(lost=0)

@pytest.fixture
def broken(record):
    record(kills=4)
    raise OSError

@pytest.mark.promise("D9")
def test_setup(broken):
    pass
"""


def test_figures_of_what_failed_are_struck_out(tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = promise\n")
    (tmp_path / "conftest.py").write_text(OURS)
    (tmp_path / "test_it.py").write_text(TESTS)
    figures = tmp_path / "figures.json"
    figures.write_text(json.dumps({"test_it.py::test_it[before]": "kills 25", "elsewhere": "kills 7"}))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")} | {"PYTHONPATH": str(TOP)}
    for workers in ("0", "1"):
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", workers, "--rootdir", tmp_path, tmp_path]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert "1 passed" in done.stdout, done.stdout
        assert "test_it[bad]: seed" in done.stdout
        assert done.stdout.count(" FAILED\n") == 3
        kept = json.loads(figures.read_text())
        assert kept.keys() == {"elsewhere", "test_it.py::test_it[good]"}
        assert "kills 3, lost 0" in kept["test_it.py::test_it[good]"]

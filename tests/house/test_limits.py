"""`make test` runs a test again only if it exceeded a time limit."""

from __future__ import annotations

import pathlib
import subprocess
import sys

TOP = pathlib.Path(__file__).parent.parent.parent
CASES = """
from undercroft.conformance.limits import TooSlow
calls = []

def test_slow_once():
    calls.append(1)
    if len(calls) == 1:
        raise TooSlow

def test_always_slow():
    raise TooSlow

def test_wrong_once():
    calls.append(2)
    assert calls.count(2) > 1
"""


def test_only_a_missed_limit_is_tried_again(tmp_path):
    """Use the options that the Makefile passes to pytest."""
    (words,) = [line for line in (TOP / "Makefile").read_text().splitlines() if line.startswith("PYTEST :=")]
    (tmp_path / "test_it.py").write_text(CASES)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    options = "-q -p no:randomly -p no:cacheprovider -c pytest.ini ."
    command = [sys.executable, *words.partition("$(PY)")[2].split(), *options.split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "2 failed, 1 passed, 3 rerun" in done.stdout, done.stdout
    assert "test_wrong_once - assert" in done.stdout
    assert "test_always_slow - undercroft.conformance.limits.TooSlow" in done.stdout

"""Peak memory does not grow with what is stored: ten times the points, hardly more memory. Each job is a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.counted import memory
from undercroft.conformance.plugin import Opener

pytestmark = [pytest.mark.timeout(7200), pytest.mark.any_engine]
FULL = os.environ.get("UCTEST_CHAOS") == "full"
POINTS = 500_000 if FULL else 12_000
TIMES = 10
GROWTH = 1.2
# What is kept of any store's data up to a fixed size, pages and dictionary entries. Fewer points do not fill it yet.
CACHES_MIB = 0 if FULL else 64
# A file is a day, and the fewer points' days have less than is held at once.
DAYS_MIB = {"export": 64}


def peak(job: Callable[..., None], points: int, opener: Opener) -> float:
    """Peak memory of a process that does one job, in MiB."""
    command = [sys.executable, "-m", memory.__name__, job.__name__, str(points), opener.url, opener.namespace]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1]) / 1024


def test_peak_memory_does_not_grow_with_the_store(opener: Opener, record):
    opener()
    few, many = (Opener(opener.target, opener.url, f"{opener.namespace}_{name}", opener.opened) for name in ("few", "many"))
    figures = {}
    grown = {}
    try:
        few()
        many()
        for job in memory.JOBS.values():
            less, more = peak(job, POINTS, few), peak(job, POINTS * TIMES, many)
            figures[job.__name__] = f"{less:.0f} and {more:.0f} MiB"
            grown[job.__name__] = more > less * GROWTH + max(CACHES_MIB, DAYS_MIB.get(job.__name__, 0))
    finally:
        for store in opener.opened[1:]:
            store.drop()
    record(points=f"{POINTS} and {POINTS * TIMES}", **figures)
    # The twin: a job that holds what it reads must be seen to.
    assert grown.pop("keep")
    assert not any(grown.values()), figures

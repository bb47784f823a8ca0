"""Several threads at once, for the suites' tests of concurrency."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from typing import Any


def together(*works: Callable[[], Any]) -> None:
    """Run all at once; what one raises is raised."""
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> None:
        barrier.wait(60)
        work()

    with concurrent.futures.ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(run, work) for work in works]:
            done.result()

"""Several threads at once, for the suites' tests of concurrency."""

from __future__ import annotations

import concurrent.futures
import functools
import threading
from collections.abc import Callable
from typing import Any


def together(*works: Callable[[], Any]) -> list[Any]:
    """Run all at once and return their results, in order; what one raises is raised."""
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        barrier.wait(60)
        return work()

    with concurrent.futures.ThreadPoolExecutor(len(works)) as pool:
        return [done.result() for done in [pool.submit(run, work) for work in works]]


def numbered(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Run one work in several threads at once, each with its number from 0 on, and return their results in order."""
    return together(*(functools.partial(work, number) for number in range(count)))

"""Several fresh processes at once, for the suites' tests of concurrency."""

from __future__ import annotations

import multiprocessing
import multiprocessing.context
from collections.abc import Callable
from typing import Any

PROCESSES = 4


def run(work: Callable[..., None], *arguments: Any) -> None:
    """Run `work(number, barrier, *arguments)` in several fresh processes at once; all must end well."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(PROCESSES)
    workers = [context.Process(target=work, args=(number, barrier, *arguments)) for number in range(PROCESSES)]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(90)
        assert [worker.exitcode for worker in workers] == [0] * PROCESSES
    finally:
        for worker in workers:
            if worker.is_alive():
                worker.kill()

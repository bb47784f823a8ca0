"""Periodic work: named jobs that any number of processes may offer to do, and one at a time does."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import datetime as dt
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Job:
    """Work to be done again and again.

    Attributes:
        name: the same in every process; the lock's name.
        every: the period.
        run: does the work. It must bear being run twice: a holder that is taken for dead may still be alive.
    """

    name: str
    every: dt.timedelta
    run: Callable[[], object]


class Locks(Protocol):
    """Where runners agree who does a job."""

    def acquire(self, name: str, ttl: dt.timedelta) -> contextlib.AbstractContextManager[object] | None:
        """Take the lock `name`; None when it is taken.

        It stays taken until `ttl` has passed since it was taken, also when the block ends sooner, so that no other runner does
        the same work again in the same period. A holder that died, or whose block takes longer, may lose it then.
        """
        ...


class LocalLocks:
    """Locks for the threads of one process."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._busy: set[str] = set()
        self._until: dict[str, float] = {}

    def acquire(self, name: str, ttl: dt.timedelta) -> contextlib.AbstractContextManager[object] | None:
        """See `Locks`."""
        with self._guard:
            if name in self._busy or time.monotonic() < self._until.get(name, 0.0):
                return None
            self._busy.add(name)
            self._until[name] = time.monotonic() + ttl.total_seconds()
        return self._held(name)

    @contextlib.contextmanager
    def _held(self, name: str) -> Iterator[None]:
        try:
            yield
        finally:
            with self._guard:
                self._busy.discard(name)


class Runner:
    """Does the jobs at their times, each in a thread of its own.

    A job that fails is logged, and done again at its next time; the others do not notice.

    Args:
        jobs: what to do.
        locks: shared with every other runner of these jobs.
        jitter: part of the period by which a run may start late, so that runners do not all come at once; below 0.5.
    """

    def __init__(self, jobs: Sequence[Job], locks: Locks, jitter: float = 0.1) -> None:
        self.jobs = jobs
        self.locks = locks
        self.jitter = jitter

    def run(self, stop: threading.Event) -> None:
        """Do the jobs until `stop` is set; returns when those under way are done."""
        with concurrent.futures.ThreadPoolExecutor(max(1, len(self.jobs)), thread_name_prefix="job") as pool:
            for job in self.jobs:
                pool.submit(self._repeat, job, stop)

    def _repeat(self, job: Job, stop: threading.Event) -> None:
        period = job.every.total_seconds()
        due = time.monotonic()
        while not stop.wait(max(0.0, due + self._late(period) - time.monotonic())):
            self.run_once(job)
            # Periods that a long run has swallowed are not made up for.
            due = max(due + period, time.monotonic())

    def _late(self, period: float) -> float:
        return random.uniform(0.0, self.jitter) * period  # noqa: S311 - spreads load, keeps no secret

    def run_once(self, job: Job) -> bool:
        """Do one job now, unless another runner has done it in this period; True when it was done without failure."""
        # Shorter than the time between two runs of one runner, which the jitter may bring closer together.
        ttl = job.every * (1 - 2 * self.jitter)
        try:
            lock = self.locks.acquire(job.name, ttl)
            if lock is None:
                return False
            with lock:
                job.run()
        except Exception:
            LOG.exception("job %s failed; next try in %s", job.name, job.every)
            return False
        return True

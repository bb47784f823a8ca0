"""Retries within a bounded time, and a breaker that answers at once while the backend is known to be away."""

from __future__ import annotations

import logging
import threading
import time as clock
from collections.abc import Callable
from typing import Any

from undercroft.core import deadline
from undercroft.core.errors import ConfigInvalid, InvalidInput, NotPermitted, UndercroftError

LOG = logging.getLogger(__name__)

# Seconds that one query may take, retries included; and for which nothing is asked after a query that failed for good.
BUDGET, PAUSE = 14.0, 60.0
# Nothing that time mends.
_LASTING = (ConfigInvalid, InvalidInput, NotPermitted)


class Retrier:
    """Calls the backend for one datasource. Shared by threads.

    Args:
        name: of the datasource, for the log.
        attempts: how often a query is tried.
        interval: seconds between two attempts.
        reset: called with the exception of a failed attempt.
    """

    def __init__(self, name: str, attempts: int, interval: float, reset: Callable[[BaseException], object]) -> None:
        self._name, self._attempts, self._interval, self._reset = name, max(1, attempts), max(0.0, interval), reset
        self._lock = threading.Lock()
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the breaker answers in the backend's place."""
        return clock.monotonic() < self._open_until

    def call(self, ask: Callable[[], Any], ignored: tuple[type[BaseException], ...] | type[BaseException] = ()) -> Any:
        """What `ask` gives; None where it fails for good, which the log tells, or raises an `ignored` exception.

        A question that the backend does not take (InvalidInput) is not asked again, and leaves the breaker closed.
        """
        if self.is_open:
            LOG.debug("%s: not asked, it failed less than %g s ago", self._name, PAUSE)
            return None
        with deadline.within(BUDGET):
            for attempt in range(1, self._attempts + 1):
                try:
                    return ask()
                except ignored as error:
                    LOG.debug("%s: ignored: %s", self._name, error)
                    return None
                except Exception as error:  # noqa: BLE001 - the contract: nothing is raised, whatever the backend does
                    self._reset(error)
                    if self._ends(error, attempt):
                        return None
        return None

    def _ends(self, error: Exception, attempt: int) -> bool:
        """Log a failed attempt and wait; True if it was the last one."""
        if isinstance(error, InvalidInput):
            LOG.error("%s: the query is refused: %s", self._name, error)
            return True
        left = deadline.remaining() or 0.0
        if isinstance(error, _LASTING) or attempt == self._attempts or left <= self._interval:
            with self._lock:
                self._open_until = clock.monotonic() + PAUSE
            LOG.error(
                "%s: no answer after %d of %d attempts; it is not asked for the next %g s: %s",
                self._name, attempt, self._attempts, PAUSE, error, exc_info=not isinstance(error, UndercroftError),
            )  # fmt: skip
            return True
        LOG.warning(
            "%s: attempt %d of %d failed, the next one in %g s: %s", self._name, attempt, self._attempts, self._interval, error
        )
        # Not a sleep: the interval is within the deadline, and the next attempt closes nothing.
        threading.Event().wait(self._interval)
        return False

"""Items of a spool are sent to a receiver that may be away, from a thread of its own.

Several processes may share a spool: one of them sends, and another takes over when that one ends.
"""

from __future__ import annotations

import fcntl
import logging
import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import IO

import tenacity

from undercroft.core.errors import Unavailable
from undercroft.core.spool import Spool

LOG = logging.getLogger(__name__)

# Seconds: how often the sender looks for items of other processes, and the other processes whether there is a sender.
_LOOK = 0.5
# Seconds between two attempts while the receiver is away, at most.
_LONGEST_WAIT = 10


class Forwarder:
    """Sends the items of a spool, from a thread of its own.

    Args:
        spool: where they are kept.
        send: gets items in order; when it returns, they are removed. When it raises, they are kept, and sent again later.
        what: a word for the items, for the log.
    """

    def __init__(self, spool: Spool, send: Callable[[list[bytes]], object], what: str) -> None:
        self.spool = spool
        self._send = send
        self._what = what
        self._stopping = threading.Event()
        self._fresh = threading.Event()
        self._refusals = self._dropped = 0
        self._thread = threading.Thread(target=self._run, name=f"spool-{spool.path.name}", daemon=True)
        self._thread.start()

    def put(self, items: Sequence[bytes]) -> None:
        """See `Spool.put`; what is dropped is logged, too: the first, tenth, hundredth ... time."""
        try:
            self.spool.put(items)
        except Unavailable as error:
            self._refusals += 1
            self._dropped += len(items)
            if _told(self._refusals):
                LOG.warning("%s: %s; this process has dropped %s so far", self._what, error, f"{self._dropped:,}")
            raise
        self._fresh.set()

    def close(self) -> None:
        """Stop sending, after what is under way. What waits stays on disk."""
        self._stopping.set()
        self._fresh.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._lead()
            except Exception:
                LOG.exception("%s: sending from %s failed; it is tried again", self._what, self.spool.path)
                self._stopping.wait(_LONGEST_WAIT)

    def _lead(self) -> None:
        """Send while no other process does; the lock ends with its process."""
        with self.spool.path.with_suffix(".lock").open("w") as file:
            while not self._stopping.is_set():
                if _locked(file):
                    self._forward()
                else:
                    self._stopping.wait(_LOOK)

    def _forward(self) -> None:
        sent = failures = 0
        while not self._stopping.is_set():
            self._fresh.clear()
            try:
                last, items = self.spool.take(sent)
                if items:
                    self._deliver(items)
                    sent = last
                if sent:
                    self.spool.remove(sent)
                    sent = 0
                else:
                    self._fresh.wait(_LOOK)
            except tenacity.RetryError:
                # It is to stop.
                return
            except sqlite3.Error as error:
                # The disk may be full: what was sent is not sent again by this process, and is removed later.
                failures += 1
                if _told(failures):
                    LOG.warning(
                        "%s: the spool %s cannot be read or written; it is tried again: %s", self._what, self.spool.path, error
                    )
                self._stopping.wait(_LOOK)

    def _deliver(self, items: list[bytes]) -> None:
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Exception),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=_LONGEST_WAIT),
            stop=self._is_over,
            sleep=self._sleep,
            before_sleep=self._failed,
        )
        attempts(self._send, items)
        if attempts.statistics["attempt_number"] > 1:
            total = self.spool.total()
            waiting = total.items - len(items)
            LOG.warning("%s are sent again; %s wait, %s dropped in all", self._what, f"{waiting:,}", f"{total.dropped:,}")

    def _sleep(self, seconds: float) -> None:
        self._stopping.wait(seconds)

    # The oldest versions of the library give this by name.
    def _is_over(self, retry_state: tenacity.RetryCallState) -> bool:
        return self._stopping.is_set()

    def _failed(self, retry_state: tenacity.RetryCallState) -> None:
        if _told(retry_state.attempt_number):
            error = retry_state.outcome.exception() if retry_state.outcome else None
            message = "%s cannot be sent and wait in %s; attempt %s failed: %s"
            LOG.warning(message, self._what, self.spool.path, retry_state.attempt_number, error, exc_info=error)


def _told(count: int) -> bool:
    """Whether this is the first, tenth, hundredth ..."""
    return str(count).strip("0") == "1"


def _locked(file: IO[str]) -> bool:
    """Take a lock that ends with this process."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True

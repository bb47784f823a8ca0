"""Waves: some messages of one subscription that are sent at the same time, within bounds."""

from __future__ import annotations

import collections
import concurrent.futures
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from undercroft.messaging.delivery.notification import Kind, Notification, Outcome, Sender

LOG = logging.getLogger(__name__)

# Messages of one subscription that are on their way at once.
WIDTH = 8
# Seconds after which no further message of a wave is sent: claims are longer, by more than a sender's deadline.
LONGEST = 5.0
# Seconds. A receiver that takes so long for one message is slow.
SLOW = 1.0


class Wave(NamedTuple):
    """What became of a wave.

    Attributes:
        found: messages that the lane gave.
        delivered: those that the receiver took.
        failed: those that it did not, and that are tried again or were given up.
        rest: seconds until those are tried again.
        wish: seconds that the receiver asks to wait.
        seconds: how long the wave took.
        slowest: how long one message took, at most.
        is_full: whether the lane may have more.
    """

    found: int
    delivered: int = 0
    failed: int = 0
    rest: int = 0
    wish: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    is_full: bool = False


class Sending:
    """The messages of one wave under way.

    Attributes:
        outcomes: what became of each, in their order; None of one that was not sent.
        slowest: how long one took, at most.

    Args:
        sender: sends them.
        notifications: what is sent.
        ends: whether nothing more is to be sent; what is under way is finished.
    """

    def __init__(self, sender: Sender, notifications: Sequence[Notification], ends: Callable[[], bool]) -> None:
        self._sender = sender
        self._left = collections.deque(enumerate(notifications))
        self._ends = ends
        self._until = time.monotonic() + LONGEST
        self._lock = threading.Lock()
        self._is_cut = False
        self.outcomes: list[Outcome | None] = [None] * len(notifications)
        self.slowest = 0.0

    def run(self, helpers: concurrent.futures.Executor) -> None:
        """Send all, in this thread and in some of the helpers; comes back when nothing is under way."""
        others = [helpers.submit(self._pull) for _ in range(min(WIDTH, len(self.outcomes)) - 1)]
        self._pull()
        for each in others:
            each.result()

    def _pull(self) -> None:
        while not (self._is_cut or self._ends() or time.monotonic() >= self._until):
            try:
                place, notification = self._left.popleft()
            except IndexError:
                return
            began = time.monotonic()
            outcome = self.outcomes[place] = self._sent(notification)
            took = time.monotonic() - began
            with self._lock:
                self.slowest = max(self.slowest, took)
                # The others would most likely take as long, one behind the other.
                self._is_cut |= outcome.kind is Kind.RETRY and took >= SLOW

    def _sent(self, notification: Notification) -> Outcome:
        try:
            return self._sender.send(notification)
        except Exception as error:  # noqa: BLE001 - its traceback may have the subscriber's URI, with its secrets
            LOG.warning("a sender failed", extra={"subscription": notification.subscription, "error": type(error).__name__})
            return Outcome(Kind.RETRY, "it could not be sent")

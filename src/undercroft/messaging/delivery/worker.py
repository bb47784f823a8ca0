"""The worker: hands out what was posted, and serves the subscriptions that are due, in bounded threads.

One thread coordinates. A receiver that was slow, or took nothing of its last wave, is served in the slow lane, which has at most
half of the threads, so that the others are there for those that answer. What a process knows of receivers is not stored: another
one learns it with one wave each.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import functools
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from undercroft.core.errors import ConfigInvalid, UndercroftError, Unsupported
from undercroft.messaging import settings
from undercroft.messaging.contract import DataDriverBase
from undercroft.messaging.delivery import spans
from undercroft.messaging.delivery.counts import Counts, Tally
from undercroft.messaging.delivery.handing import Handing
from undercroft.messaging.delivery.notification import Sender
from undercroft.messaging.delivery.receivers import Receiver, Receivers
from undercroft.messaging.delivery.serving import Serving
from undercroft.messaging.delivery.waves import WIDTH
from undercroft.messaging.models import Due, Subscribed
from undercroft.messaging.sealing import Sealer

LOG = logging.getLogger(__name__)

# Seconds between two looks when there was nothing to do: each is twice as long as the one before.
_FIRST_PAUSE, _LAST_PAUSE = 0.05, 0.8
# Seconds after an error of the store, each time twice as long, and between two lines of what was done.
_FIRST_REST, _LAST_REST, _TOLD = 1.0, 16.0, 60.0
# Subscriptions that wait in a process for each thread of the slow lane; for how long, and when the others are due again.
_PARKED, _PARKED_FOR, _LATER = 4, spans.LEASE / 2, 2


class Options(NamedTuple):
    """What the settings say.

    Attributes:
        parallel: subscribers that are served at once.
        requires_confirmation: whether only confirmed subscriptions get messages.
        encryption_key: opens messages.
    """

    parallel: int = 16
    requires_confirmation: bool = False
    encryption_key: str | None = None

    @classmethod
    def of(cls, get: Callable[[str], Any]) -> Options:
        """Those that `get` gives by the names of the group [messaging]."""
        return cls(get("notify_parallel"), get("require_confirmation"), get("encryption_key"))


def worker_of(driver: DataDriverBase, sender: Sender, conf: Any, receivers: Receivers | None = None) -> Worker:
    """A worker on a store, as the settings say."""
    return Worker(driver, sender, Options.of(functools.partial(settings.value, conf)), receivers)


class _Parked(NamedTuple):
    due: Due
    since: float


class Worker:
    """Delivers until told to stop. Any number may run on one store.

    Attributes:
        tally: what was done.

    Args:
        driver: the store.
        sender: sends notifications.
        options: what the settings say.
        receivers: what is known of receivers from before.
    """

    def __init__(self, driver: DataDriverBase, sender: Sender, options: Options, receivers: Receivers | None = None) -> None:
        self.tally = Tally()
        self._driver = driver
        self._sender = sender
        self._options = options
        self._handing = Handing(driver, requires_confirmation=options.requires_confirmation)
        self._most_slow = max(1, options.parallel // 2)
        self._receivers = receivers or Receivers()
        # Subscriptions being served, with True in the slow lane; those due again since; those that wait for the slow lane.
        self._busy: dict[Subscribed, bool] = {}
        self._again: dict[Subscribed, Due] = {}
        self._parked: collections.deque[_Parked] = collections.deque()
        self._finished: queue.SimpleQueue[Subscribed] = queue.SimpleQueue()
        self._stirred = threading.Event()
        self._ending = threading.Event()
        self._told = Counts()
        self._has_worked = False

    def run(self, stop: threading.Event, *, seconds: float | None = None, until_idle: bool = False) -> Counts:
        """Deliver until `stop` is set; what is under way is finished then.

        Args:
            stop: see there.
            seconds: end after so long.
            until_idle: end when there is nothing to hand out, and nothing due. Errors of the store end it, too.

        Raises:
            UndercroftError: the store failed; without `until_idle` only where it is not set up.
        """
        with self._threads() as (servers, serving):
            until = None if seconds is None else time.monotonic() + seconds
            pause, rest, tells_at = _FIRST_PAUSE, _FIRST_REST, time.monotonic() + _TOLD
            while not stop.is_set() and (until is None or time.monotonic() < until):
                self._stirred.clear()
                found = self._try_step(servers, serving, fails=until_idle)
                if found is None:
                    stop.wait(rest)
                    rest = min(2 * rest, _LAST_REST)
                    continue
                rest = _FIRST_REST
                if found:
                    pause = _FIRST_PAUSE
                elif until_idle and not self._busy:
                    break
                else:
                    self._stirred.wait(pause)
                    pause = min(2 * pause, _LAST_PAUSE)
                if time.monotonic() >= tells_at:
                    self.tell()
                    tells_at = time.monotonic() + _TOLD
        self.tell()
        return self.tally.now

    def tell(self) -> None:
        """Log what was done since the last time, if anything was."""
        done, self._told = self.tally.now.since(self._told), self.tally.now
        if any(done):
            LOG.info("notifications", extra=done._asdict())

    @property
    def parallel(self) -> int:
        """Subscribers that are served at once."""
        return self._options.parallel

    @contextlib.contextmanager
    def _threads(self) -> Iterator[tuple[concurrent.futures.Executor, Serving]]:
        many = self._options.parallel
        self._ending.clear()
        pool = concurrent.futures.ThreadPoolExecutor
        with pool(many * (WIDTH - 1), "notify-helper") as helpers, pool(many, "notify") as servers:
            serving = Serving(
                self._driver,
                self._sender,
                Sealer(self._options.encryption_key),
                helpers,
                self.tally,
                requires_confirmation=self._options.requires_confirmation,
            )
            try:
                yield servers, serving
            finally:
                self._ending.set()
                self._give_back()

    def _give_back(self) -> None:
        """Let others serve what waits here."""
        for due in (*(each.due for each in self._parked), *self._again.values()):
            self._put_off(due, 0)
        self._parked.clear()
        self._again.clear()

    # -- a step ----------------------------------------------------------------------------------------------------

    def _try_step(self, servers: concurrent.futures.Executor, serving: Serving, *, fails: bool) -> bool | None:
        """Whether there was something to do; None where the store failed."""
        try:
            found = self._step(servers, serving)
        except UndercroftError as error:
            # What never worked has to be mended; what did may come back.
            if fails or (not self._has_worked and isinstance(error, (ConfigInvalid, Unsupported))):
                raise
            LOG.warning("notifications wait: %s", error)
            return None
        self._has_worked = True
        return found

    def _step(self, servers: concurrent.futures.Executor, serving: Serving) -> bool:
        self._collect(servers, serving)
        entries, handed = self._handing.step()
        self.tally.add(Counts(handed=handed))
        free = self._options.parallel - len(self._busy)
        found = self._driver.outbox.due(free, spans.LEASE) if free > 0 else ()
        for due in found:
            self._start(due, servers, serving)
        return bool(entries or found)

    def _collect(self, servers: concurrent.futures.Executor, serving: Serving) -> None:
        """Note who was served, and begin what waited for that."""
        with contextlib.suppress(queue.Empty):
            while True:
                subscribed = self._finished.get_nowait()
                del self._busy[subscribed]
                if (due := self._again.pop(subscribed, None)) is not None:
                    self._start(due, servers, serving)
        while self._parked and self._has_room_for_slow:
            due, since = self._parked.popleft()
            if time.monotonic() - since < _PARKED_FOR:
                self._start(due, servers, serving)
            else:
                self._put_off(due, 0)

    @property
    def _has_room_for_slow(self) -> bool:
        return sum(self._busy.values()) < self._most_slow and len(self._busy) < self._options.parallel

    def _start(self, due: Due, servers: concurrent.futures.Executor, serving: Serving) -> None:
        """Serve a subscription, now or later."""
        subscribed = due.subscribed
        receiver = self._receivers.of(subscribed)
        if subscribed in self._busy:
            # It was woken since it is served.
            self._again[subscribed] = due
        elif receiver.rests:
            self._put_off(due, receiver.rests)
        elif receiver.is_slow and not self._has_room_for_slow:
            if len(self._parked) < _PARKED * self._most_slow:
                self._parked.append(_Parked(due, time.monotonic()))
            else:
                self._put_off(due, _LATER)
        else:
            self._busy[subscribed] = receiver.is_slow
            servers.submit(self._serve, due, receiver, serving)

    def _put_off(self, due: Due, seconds: float) -> None:
        # Its lease ends by itself.
        with contextlib.suppress(UndercroftError):
            self._driver.outbox.settle(due, self._driver.now() + round(1000 * seconds))

    def _serve(self, due: Due, receiver: Receiver, serving: Serving) -> None:
        try:
            serving.serve(due, receiver, self._ending.is_set)
        except UndercroftError as error:
            # Its lease ends by itself.
            LOG.warning("notifications wait: %s", error, extra={"subscription": due.subscribed.subscription})
        except Exception:
            LOG.exception("serving a subscription failed", extra={"subscription": due.subscribed.subscription})
        finally:
            self._finished.put(due.subscribed)
            self._stirred.set()

"""The thread that wakes those who wait for the queues of a store."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence

from undercroft.core import deadline
from undercroft.core.errors import UndercroftError
from undercroft.messaging.waiting.lanes import FIRST_PAUSE, NEVER, Key, Lane, Plan, Timetable, Waiter
from undercroft.messaging.waiting.signals import Outlook, Quiet, Signals

LOG = logging.getLogger(__name__)

# A signal is lost when its sender is killed before it is sent: a queue of which nothing was heard for so long is looked at.
_SAFETY = 10.0
# For so long a queue stays watched when nobody waits for it any more: most come again at once.
_LINGER = 2.0
# The thread and its connection end when nobody has waited for so long.
_IDLE = 30.0
# How long the engine may take for an answer to the thread, and when another connection is tried when one could not be made.
_ANSWERS, _AGAIN = 5.0, 5.0


class Keeper:
    """The queues that somebody waits for, and one thread for all of them, which ends when they have none for a while.

    Args:
        connect: opens what the engine wakes us with; None where it tells nothing.
        outlooks: what queues have, in one statement.

    Attributes:
        lanes: the queues.
        is_closed: whether nobody is to wait any longer.
    """

    def __init__(self, connect: Callable[[], Signals] | None, outlooks: Callable[[Sequence[Key]], Sequence[Outlook]]) -> None:
        self._connect = connect
        self._outlooks = outlooks
        self._lock = threading.Lock()
        self.lanes: dict[Key, Lane] = {}
        self._fresh: list[Lane] = []
        self._timetable = Timetable()
        self._sleeps_until = NEVER
        self._signals: Signals = Quiet()
        self._connects_at = 0.0 if self._connect else NEVER
        self._lost_at = -NEVER
        self._thread: threading.Thread | None = None
        self._is_idle = self.is_closed = False

    # -- those that wait -------------------------------------------------------------------------------------------

    def enter(self, key: Key, waiter: Waiter, *, reads: bool) -> tuple[Lane, bool]:
        """A call begins to wait for a queue; whether others do already that take messages away, as it does."""
        with self._lock:
            lane = self.lanes.get(key)
            if lane is None:
                lane = self.lanes[key] = Lane(key, is_ready=self._connect is None)
                if self._connect is not None:
                    self._fresh.append(lane)
                self._stir()
            if lane.is_empty:
                lane.pause = FIRST_PAUSE
                lane.looks_at = NEVER
                if lane.is_ready and not lane.is_heard:
                    lane.pace()
            is_behind = lane.has_claimers and not reads
            lane.add(waiter, reads=reads)
            self._schedule(lane)
            if self.is_closed:
                # Since the caller saw that it is not.
                waiter.end()
            elif self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="undercroft-waiting", daemon=True)
                self._thread.start()
        return lane, is_behind

    def rest(self, waiter: Waiter) -> None:
        """A call is about to look: what wakes it from now on is for its next look."""
        with self._lock:
            waiter.rest()

    def settle(self, lane: Lane, outlook: Outlook | None, *, reads: bool) -> None:
        """A call has looked: when to look again, whatever is heard."""
        if outlook is None:
            return
        with self._lock:
            if outlook.seconds is not None:
                lane.expect(outlook.seconds)
            if outlook.is_free and not reads:
                # Somebody else has it locked, and takes it or does not.
                lane.pace()
            else:
                lane.pause = FIRST_PAUSE
                lane.looks_at = min(lane.looks_at, time.monotonic() + _SAFETY)
            self._schedule(lane)

    def leave(self, lane: Lane, waiter: Waiter, *, hands_on: bool) -> None:
        """A call waits no longer; one that was woken and did not look, or left something, hands that on."""
        with self._lock:
            lane.remove(waiter)
            if hands_on or waiter.is_woken:
                lane.wake_claimers(1)
            if lane.is_empty:
                lane.leaves_at = time.monotonic() + _LINGER
                self._schedule(lane)

    # -- what wakes them -------------------------------------------------------------------------------------------

    def signal(self, key: Key, count: int) -> None:
        """This process has put so many messages more into a queue, or freed them."""
        with self._lock:
            lane = self.lanes.get(key)
            if lane is not None and not (lane.is_heard and self._signals.hears_itself):
                self._wake(key, count)

    def expect(self, key: Key, seconds: float) -> None:
        """A queue has more that may be claimed by then."""
        with self._lock:
            lane = self.lanes.get(key)
            if lane is not None:
                lane.expect(seconds)
                lane.wake_readers()
                self._schedule(lane)

    def _wake(self, key: Key, count: int) -> None:
        lane = self.lanes.get(key)
        if lane is not None:
            lane.pause = FIRST_PAUSE
            # One looks in any case: there may be something else to wait for.
            lane.wake(max(1, count))

    def close(self) -> None:
        """Let nobody wait any longer, and give the connection back."""
        with self._lock:
            self.is_closed = True
            for lane in self.lanes.values():
                lane.end()
            thread = self._thread
            self._stir()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_ANSWERS)

    # -- the thread ------------------------------------------------------------------------------------------------

    def _schedule(self, lane: Lane) -> None:
        if self._timetable.add(lane) < self._sleeps_until:
            self._stir()

    def _stir(self) -> None:
        self._sleeps_until = 0.0
        self._signals.interrupt()

    def _run(self) -> None:
        while True:
            try:
                if self._step():
                    return
            except UndercroftError as error:
                LOG.warning("waiting for messages: %s", error)
                self._lose()
            except Exception:
                LOG.exception("waiting for messages failed")
                self._lose()

    def _step(self) -> bool:
        """Do what is due, then wait for signals; True when there is nothing more to do."""
        with self._lock:
            plan, signals = self._plan(), self._signals
            if plan is None:
                # Another thread begins anew.
                self._thread, self._signals = None, Quiet()
                self._connects_at = 0.0 if self._connect else NEVER
                self.lanes.clear()
        if plan is None:
            signals.close()
            return True
        if plan.connects:
            self._open()
        with deadline.within(_ANSWERS):
            self._do(plan)
        with self._lock:
            until = min(self._timetable.first, self._connects_at) if self.lanes else NEVER
            if self._fresh or self.is_closed:
                until = 0.0
            self._sleeps_until = until
            signals, had_none = self._signals, not self.lanes
        heard = signals.read(min(_IDLE, max(0.0, until - time.monotonic())))
        with self._lock:
            for key, count in heard:
                self._wake(key, count)
            self._is_idle = had_none and not self.lanes and until == NEVER
        return False

    def _do(self, plan: Plan) -> None:
        if plan.gone:
            self._signals.unwatch(plan.gone)
        if asked := [*plan.fresh, *plan.polled] if self._connect else plan.fresh:
            self._watch(asked)
        if polled := [lane for lane in plan.polled if not lane.is_heard]:
            self._poll(polled)

    def _plan(self) -> Plan | None:
        """What is due now; None when the thread is to end."""
        is_idle, self._is_idle = self._is_idle and not self.lanes, False
        if self.is_closed or is_idle:
            return None
        now = time.monotonic()
        gone: list[Key] = []
        polled: list[Lane] = []
        while (lane := self._timetable.pop(now)) is not None:
            if self.lanes.get(lane.key) is not lane:
                continue
            if lane.leaves_at <= now:
                del self.lanes[lane.key]
                if lane.is_heard:
                    gone.append(lane.key)
                continue
            if lane.wakes_at <= now:
                lane.wakes_at = NEVER
                lane.wake(1)
            if lane.looks_at <= now:
                lane.looks_at = NEVER
                if lane.is_heard:
                    lane.wake(1)
                elif not lane.is_empty:
                    polled.append(lane)
            self._schedule(lane)
        fresh, self._fresh = self._fresh, []
        return Plan(fresh, polled, gone, self._connects_at <= now and bool(self.lanes))

    def _open(self) -> None:
        """Open what the engine wakes us with; until that succeeds, queues are looked at."""
        if self._connect is None:
            return
        self._connects_at = NEVER
        try:
            with deadline.within(_ANSWERS):
                signals = self._connect()
        except UndercroftError as error:
            LOG.warning("waiting for messages: no signals for now: %s", error)
            self._connects_at = time.monotonic() + _AGAIN
            return
        with self._lock:
            self._signals = signals
            known = set(self._fresh)
            self._fresh += [lane for lane in self.lanes.values() if lane.is_ready and lane not in known]

    def _lose(self) -> None:
        """The connection is broken: look at every queue until there is another one."""
        with self._lock:
            signals, self._signals = self._signals, Quiet()
            # At once, unless it was lost just before.
            now = time.monotonic()
            self._connects_at = NEVER if self._connect is None else now + (_AGAIN if now - self._lost_at < _AGAIN else 0.0)
            self._lost_at = now
            self._fresh.clear()
            for lane in self.lanes.values():
                if not lane.is_ready:
                    lane.wake(1)
                lane.is_ready, lane.is_heard = True, False
                lane.pace()
                self._schedule(lane)
        with contextlib.suppress(UndercroftError):
            signals.close()

    def _watch(self, lanes: Sequence[Lane]) -> None:
        heard = self._signals.watch([lane.key for lane in lanes])
        with self._lock:
            for lane, is_heard in zip(lanes, heard, strict=True):
                # What came before is found by a look.
                if is_heard or not lane.is_ready:
                    lane.wake(1)
                if not is_heard and not lane.is_ready:
                    lane.pace()
                    self._schedule(lane)
                lane.is_ready, lane.is_heard = True, is_heard

    def _poll(self, lanes: Sequence[Lane]) -> None:
        """See which of these have something."""
        asked = [lane for lane in lanes if lane.has_claimers]
        try:
            found = dict(zip(asked, self._outlooks([lane.key for lane in asked]), strict=True)) if asked else {}
        except UndercroftError as error:
            with self._lock:
                for lane in lanes:
                    lane.fail(error)
                    lane.pace()
                    self._schedule(lane)
            return
        with self._lock:
            for lane in lanes:
                outlook = found.get(lane)
                if outlook is not None and outlook.is_free:
                    lane.wake(1)
                else:
                    lane.wake_readers()
                if outlook is not None and outlook.seconds is not None:
                    lane.expect(outlook.seconds)
                lane.pace()
                self._schedule(lane)

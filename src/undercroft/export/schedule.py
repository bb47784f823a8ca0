"""When what is to be done next: rounds at their interval, and after a failure a wait that grows, with jitter."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Hashable, Iterable

import tenacity


@dataclasses.dataclass
class _Entry:
    due: float = 0.0
    failures: int = 0
    is_given_up: bool = False


class Schedule:
    """What is due, by monotonic time.

    A key is anything that is done once a round and fails by itself; what was never noted is due at once.

    Args:
        interval: seconds from the beginning of a round to the next.
        base, most: the first retry waits up to `base` seconds, each further one up to twice as long, none longer than `most`.
        retries: attempts after the first before a key waits for the next round; None for no limit.
        clock: monotonic seconds.
    """

    def __init__(
        self, interval: float, base: float, most: float, retries: int | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval, self._most, self._retries, self._clock = interval, most, retries, clock
        self._wait = tenacity.wait_random_exponential(multiplier=base, max=most)
        self._entries: dict[Hashable, _Entry] = {}
        self._next_round = 0.0

    def begin(self) -> None:
        """Look at the clock: from here the next round counts, when this one is due."""
        now = self._clock()
        if now >= self._next_round:
            self._next_round = now + self._interval

    def is_due(self, key: Hashable) -> bool:
        """Whether a key may be done now."""
        return self._entries.get(key, _Entry()).due <= self._clock()

    def done(self, key: Hashable) -> None:
        """A key succeeded: it is due in the next round."""
        self._entries[key] = _Entry(self._next_round)

    def recovered(self, key: Hashable) -> None:
        """A key that is not done once a round works again."""
        self._entries.pop(key, None)

    def failed(self, key: Hashable, *, longest: bool = False, at_least: float | None = None) -> float:
        """A key failed.

        Args:
            key: which.
            longest: wait as long as any retry does: it will hardly be better soon.
            at_least: seconds that the other side asks to wait, instead of our own choice.

        Returns:
            seconds until it is due again.
        """
        entry = self._entries.setdefault(key, _Entry())
        entry.failures += 1
        if self._retries is not None and entry.failures > self._retries:
            entry.failures, entry.is_given_up = 0, True
            wait = max(at_least or 0.0, self._next_round - self._clock())
        elif at_least is not None:
            wait = at_least
        else:
            wait = self._most if longest else self._jittered(entry.failures)
        entry.due = self._clock() + wait
        return wait

    def _jittered(self, failures: int) -> float:
        state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
        state.attempt_number = failures
        return self._wait(state)

    def is_given_up(self, key: Hashable) -> bool:
        """Whether a key failed as often as is allowed, and has not succeeded since."""
        return self._entries.get(key, _Entry()).is_given_up

    def is_settled(self, key: Hashable) -> bool:
        """Whether a key was done in this round, or given up."""
        entry = self._entries.get(key)
        return entry is not None and (entry.is_given_up or entry.failures == 0)

    def wait(self, keys: Iterable[Hashable]) -> float:
        """Seconds until the first of some keys is due."""
        return max(0.0, min((self._entries.get(key, _Entry()).due for key in keys), default=self._next_round) - self._clock())

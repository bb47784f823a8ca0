"""What a process knows of the receivers that it has served: how much to send at once, and whether to wait."""

from __future__ import annotations

import collections
import dataclasses
import time

from undercroft.messaging.delivery.waves import SLOW, WIDTH, Wave
from undercroft.messaging.models import Subscribed

# Messages of a wave, at most; receivers that are remembered.
LARGEST, REMEMBERED = 64, 10_000
# A wave that took longer is not followed by a larger one.
_QUICK = 1.0
# Seconds that a receiver rests, at most, which took nothing of a wave and asks for no more; its messages may have to wait longer.
LONGEST_REST = 5


@dataclasses.dataclass
class Receiver:
    """One subscription's receiver.

    Attributes:
        size: messages of its next wave.
        is_slow: whether it is served in the slow lane.
        rests_until: a moment of the monotonic clock.
    """

    size: int = WIDTH
    is_slow: bool = False
    rests_until: float = 0.0

    def note(self, wave: Wave) -> None:
        """Learn from a wave."""
        in_vain = wave.failed > 0 and not wave.delivered
        self.is_slow = in_vain or wave.slowest >= SLOW
        if self.is_slow:
            self.size = WIDTH
        elif wave.seconds < _QUICK and wave.is_full:
            self.size = min(2 * self.size, LARGEST)
        elif wave.seconds > 2 * _QUICK:
            self.size = max(self.size // 2, WIDTH)
        if in_vain:
            self.rests_until = time.monotonic() + max(min(wave.rest, LONGEST_REST), wave.wish)

    @property
    def rests(self) -> float:
        """Seconds that it is still to be left alone."""
        return max(0.0, self.rests_until - time.monotonic())


class Receivers:
    """Those that were served last. Used by one thread."""

    def __init__(self) -> None:
        self._known: collections.OrderedDict[Subscribed, Receiver] = collections.OrderedDict()

    def of(self, subscribed: Subscribed) -> Receiver:
        """The receiver of a subscription; a new one is taken for quick."""
        found = self._known.setdefault(subscribed, Receiver())
        self._known.move_to_end(subscribed)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found

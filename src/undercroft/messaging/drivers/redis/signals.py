"""Redis: notify processes that wait for messages.

A process that waits for a queue sets a key in the queue's slot, which goes by itself. The scripts that add or free messages
publish, where that key is, on the channel that it names: within the round trip of the post, and at no cost for queues that nothing
waits for. A cluster passes what is published on to every server, so that one connection hears of all queues.
"""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Sequence
from typing import Any

from undercroft.core.errors import Unavailable, UndercroftError
from undercroft.engines.redis import Call
from undercroft.messaging.drivers.redis.script import load
from undercroft.messaging.drivers.redis.store import Store
from undercroft.messaging.waiting import Key, Outlook, Signals
from undercroft.messaging.waiting.signals import UNKNOWN, Interrupt, outlook

OUTLOOK = load("outlook.lua", "coming.lua", reads=True)
# Milliseconds that a queue counts as waited for, and seconds after which that is said again.
_WAITS, _AGAIN = 30_000, 12.0
# Seconds for the answer to a subscription, and for a message that has been announced.
_ANSWERS, _PIECE = 5.0, 0.001
_NONE = Outlook(is_free=False, seconds=None)


def outlooks(store: Store, keys: Sequence[Key]) -> list[Outlook]:
    """What queues have and will have; one round trip a server."""
    try:
        now = store.now()
        found = store.redis.run_many([Call(OUTLOOK, store.base(*key), (now,)) for key in keys])
    except Unavailable:
        if len(store.redis.masters()) == 1:
            raise
        # The servers of other queues may answer: each of those that wait looks, and is told what holds for its own.
        return [UNKNOWN] * len(keys)
    return [_NONE if each is None else outlook(each[0], each[1], now) for each in found]


class Channel(Signals):
    """A subscription.

    Args:
        store: the store.
    """

    hears_itself = True

    def __init__(self, store: Store) -> None:
        self._store = store
        self._name = f"{store.options.namespace}:waits"
        self._keys: dict[bytes, Key] = {}
        self._renews_at = time.monotonic() + _AGAIN
        self._is_asked = False
        self._line = store.redis.dedicated()
        self._line.send("SUBSCRIBE", self._name)
        if self._line.read(_ANSWERS) is None:
            raise Unavailable(f"{store.redis.place}: no answer to a subscription")
        self._interrupt = Interrupt()
        self._poll = select.poll()
        for each in (self._line, self._interrupt):
            self._poll.register(each, select.POLLIN)

    def watch(self, keys: Sequence[Key]) -> Sequence[bool]:
        self._say({self._store.base(*key): key for key in keys})
        return [True] * len(keys)

    def _say(self, keys: dict[str, Key]) -> None:
        """Say that these queues are waited for."""
        names = [f"{base}:waits" for base in keys]
        self._store.redis.commands([(name, ("SET", name, self._name, "PX", _WAITS)) for name in names])
        self._keys |= {base.encode(): key for base, key in keys.items()}

    def unwatch(self, keys: Sequence[Key]) -> None:
        # Other processes may wait for them, too: the keys go by themselves.
        for key in keys:
            self._keys.pop(self._store.base(*key).encode(), None)

    def read(self, seconds: float | None) -> Sequence[tuple[Key, int]]:
        left = self._renews_at - time.monotonic()
        if left <= 0:
            self._renew()
            left = _AGAIN
        ready = dict(self._poll.poll(1000 * (left if seconds is None else min(left, seconds))))
        if self._interrupt.fileno() in ready:
            self._interrupt.clear()
        heard: list[tuple[Key, int]] = []
        while self._line.fileno() in ready and (message := self._line.read(_PIECE)) is not None:
            self._is_asked = False
            heard += self._parsed(message)
        return heard

    def _renew(self) -> None:
        if self._is_asked:
            raise Unavailable(f"{self._store.redis.place}: a subscription has no answer")
        self._line.send("PING")
        self._is_asked = True
        self._renews_at = time.monotonic() + _AGAIN
        if self._keys:
            self._say({base.decode(): key for base, key in self._keys.items()})

    def _parsed(self, message: Any) -> list[tuple[Key, int]]:
        if message[0] != b"message":
            return []
        base, _, count = message[2].rpartition(b" ")
        key = self._keys.get(base)
        return [] if key is None else [(key, int(count))]

    def interrupt(self) -> None:
        self._interrupt.fire()

    def close(self) -> None:
        self._interrupt.close()
        with contextlib.suppress(UndercroftError):
            self._line.close()

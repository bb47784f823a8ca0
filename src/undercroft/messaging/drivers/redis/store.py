"""What both planes have in common: the servers, how keys are named, the clock, and the life of a queue."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Iterator, Mapping
from typing import Any

from undercroft.core.errors import Unavailable
from undercroft.engines.redis import EngineOptions, Redis
from undercroft.messaging.contract.outbox import LANE
from undercroft.messaging.drivers.redis import rows
from undercroft.messaging.drivers.redis.moving import Mover
from undercroft.messaging.drivers.redis.register import Register
from undercroft.messaging.drivers.redis.script import load
from undercroft.messaging.models import Stats
from undercroft.messaging.settings import LOG

# Names of keys that are remembered.
_KNOWN = 10_000
# Scripts of a claim that let what is due happen, 250 messages each, before it takes what there is.
_PATIENCE = 20
STATS, FORGET = load("stats.lua", reads=True), load("forget.lua")


class Options(EngineOptions, kw_only=True, frozen=True):
    """Options of the store of messages: those of every driver of Redis."""


class Store:
    """One namespace of one server or cluster.

    Attributes:
        redis: the servers.
        options: the URL's.
        register: the names of all queues but lanes.
        lanes: the names of lanes.
        subscribed: the names of queues that have subscriptions, or messages that are still to be handed out to these.
        mover: brings messages from one queue to another.
        makes_queues: whether a message makes its queue for the control plane, too.

    Args:
        url: names it; options follow a question mark.
        options: the same options; they win over the URL's.
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self.redis, self.options = Redis.open(url, Options, options)
        namespace = self.options.namespace
        self.register, self.lanes = Register(self.redis, namespace), Register(self.redis, namespace, "lanes")
        self.subscribed = Register(self.redis, namespace, "notify")
        self.mover = Mover(self)
        self.now = self.redis.now
        self.makes_queues = False
        self._last = 0
        self._bases: dict[tuple[str, str], str] = {}
        # Of every queue, for `base`.
        self.root = f"{{{namespace}:q:"

    def init(self) -> None:
        """See whether the servers answer, and are what the scripts need: keys need no making."""
        self.redis.check()

    def is_same(self, other: object) -> bool:
        """Whether another store is this namespace of these servers."""
        if not isinstance(other, Store):
            return False
        return (self.redis.place, self.options.namespace) == (other.redis.place, other.options.namespace)

    # -- queues ----------------------------------------------------------------------------------------------------

    def base(self, project: str, name: str) -> str:
        """What the keys of a queue begin with: its hash tag, so that all are in one slot."""
        found = self._bases.get((project, name))
        if found is None:
            if len(self._bases) >= _KNOWN:
                self._bases.clear()
            found = self._bases[project, name] = f"{self.root}{digest(project, name)}}}"
        return found

    def register_of(self, name: str) -> Register:
        """Where the name of a queue is to be."""
        return self.lanes if name.startswith(LANE) else self.register

    def incarnation(self) -> str:
        """A new incarnation, which names the life of a queue: 16 digits; later ones sort later."""
        # The moment and a random number: within a millisecond, a process counts on.
        self._last = max(self._last + 1, self.now() << 20 | random.getrandbits(20))
        return f"{self._last:016x}"

    def announce(self, project: str, name: str) -> str:
        """Enter a queue that is about to be made, under a new incarnation, which is given back."""
        inc = self.incarnation()
        self.register_of(name).announce(project, name, inc)
        return inc

    def made(self, project: str, name: str) -> str:
        """What a script makes a queue of; to be asked for where there is none."""
        has_metadata = self.makes_queues and not name.startswith(LANE)
        return "\0".join((self.announce(project, name), project, name, "{}" if has_metadata else ""))

    def enter(self, project: str, name: str, inc: bytes) -> None:
        """Say in the register, and in the queue, that the queue is there. Whoever stores something the next time does it else."""
        try:
            self.register_of(name).add(project, name, inc, self.base(project, name))
        except Unavailable as error:
            # What was stored is stored: the caller must not take it for undone.
            LOG.warning("queue %r of project %r is not in the register yet: %s", name, project, error)

    def stats(self, project: str, name: str) -> Stats:
        """How full a queue is; zeros for one that there is not."""
        while True:
            now = self.now()
            found = self.redis.run(STATS, self.base(project, name), now)
            if found != 1:
                return rows.stats(found, now)

    def forget(self, project: str, name: str) -> None:
        """Remove a queue with its messages and claims."""
        while (found := self.redis.run(FORGET, self.base(project, name))) is not None:
            inc, is_busy = found
            if not is_busy:
                self.register_of(name).remove(project, name, inc, self.base(project, name))
                return
            # Finish moves to other queues first: those messages must not be deleted with this queue.
            self.mover.resend(name, project)


def digest(project: str, name: str) -> str:
    """What the keys of a queue have its name by: 32 digits."""
    return hashlib.blake2b(f"{project}\0{name}".encode(), digest_size=16).hexdigest()


def patience() -> Iterator[int]:
    """Whether a claim is to wait until all messages are free that are to be (1): the first times, so that it gets the first ones.

    Where still more became free at once, it takes of those that are.
    """
    return itertools.chain(itertools.repeat(1, _PATIENCE), itertools.repeat(0))

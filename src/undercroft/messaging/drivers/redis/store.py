"""What both planes have in common: the servers, how keys are named, the clock, and the life of a queue."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from typing import Any

from undercroft.engines.redis import EngineOptions, Redis

# Names of keys that are remembered.
_KNOWN = 10_000


class Options(EngineOptions, kw_only=True, frozen=True):
    """Options of the store of messages: those of every driver of Redis."""


class Store:
    """One namespace of one server or cluster.

    Attributes:
        redis: the servers.
        options: the URL's.
        register: what the keys of the register of queues begin with; they have a slot of their own.

    Args:
        url: names it; options follow a question mark.
        options: the same options; they win over the URL's.
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self.redis, self.options = Redis.open(url, Options, options)
        self.register = f"{{{self.options.namespace}:register}}"
        self.now = self.redis.now
        self._bases: dict[tuple[str, str], str] = {}

    def base(self, project: str, name: str) -> str:
        """What the keys of a queue begin with: its hash tag, so that all are in one slot."""
        found = self._bases.get((project, name))
        if found is None:
            digest = hashlib.blake2b(f"{project}\0{name}".encode(), digest_size=16).hexdigest()
            if len(self._bases) >= _KNOWN:
                self._bases.clear()
            found = self._bases[project, name] = f"{{{self.options.namespace}:q:{digest}}}"
        return found

    def incarnation(self) -> str:
        """A new name for a queue's life, 16 digits: a queue that is deleted and made again is another one. Later ones sort later."""
        return f"{self.now():011x}{random.getrandbits(20):05x}"

    def is_same(self, other: object) -> bool:
        """Whether another store is this namespace of these servers."""
        if not isinstance(other, Store):
            return False
        return (self.redis.place, self.options.namespace) == (other.redis.place, other.options.namespace)

"""Locks on periodic jobs that every process on one server sees: a key a job, which the server lets go."""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import Any, Protocol

from undercroft.core import time


class _Commands(Protocol):
    def command(self, key: str | None, *words: bytes | str | int, writes: bool = False) -> Any: ...


class Locks:
    """`undercroft.core.jobs.Locks` in Redis, by the server's clock.

    Args:
        redis: where.
        namespace: prefix of the keys.
    """

    def __init__(self, redis: _Commands, namespace: str) -> None:
        self._redis = redis
        self._namespace = namespace

    def acquire(self, name: str, ttl: dt.timedelta) -> contextlib.AbstractContextManager[object] | None:
        """Take the lock `name` until `ttl` has passed; None when it is taken.

        It is not given back early: the job is done once in a period, and a holder that died loses it by itself.
        """
        key = f"{{{self._namespace}:locks}}:{name}"
        milliseconds = max(1, ttl // dt.timedelta(milliseconds=1))
        taken = self._redis.command(key, "SET", key, time.to_micros(time.now()), "NX", "PX", milliseconds, writes=True)
        return contextlib.nullcontext() if taken == b"OK" else None

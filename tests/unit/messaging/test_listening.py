"""Calls that wait, on real engines: connections that are cut, more processes than the engine tells, and what stays."""

from __future__ import annotations

import concurrent.futures
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from undercroft.conformance.limits import within
from undercroft.conformance.plugin import Opener
from undercroft.messaging import DataDriverBase
from undercroft.messaging.drivers.sql.dialects.bell import SLOTS

pytestmark = pytest.mark.kind("messaging")
LEASE = {"ttl": 60, "grace": 60}
# In seconds; SLOW replaces SOON on a slow machine. A call that is not woken takes 10 s.
SOON, SLOW = 1.0, 3.0
# What cuts off all that listen, by the driver. Others know no such connection.
CUTS = {
    "postgresql": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_try_advisory_lock(-1,%' "
    "AND state = 'idle' AND pid <> pg_backend_pid()",
    "redis": ("CLIENT", "KILL", "TYPE", "pubsub"),
}


@pytest.fixture
def pool() -> Iterator[concurrent.futures.ThreadPoolExecutor]:
    with concurrent.futures.ThreadPoolExecutor(16) as found:
        yield found


def settle(seconds: float = 0.5) -> None:
    threading.Event().wait(seconds)


def post(store: DataDriverBase, *bodies: int) -> float:
    store.message_controller.post("q", [{"ttl": 600, "body": body} for body in bodies], None)
    return time.monotonic()


def claim(store: DataDriverBase, wait: int = 10) -> tuple[list[Any], float]:
    found = [each["body"] for each in store.claim_controller.create("q", LEASE, limit=1, wait=wait)[1]]
    return found, time.monotonic()


def cut(store: Any, driver: str) -> bool:
    """Cut off all connections that listen; whether there may be some."""
    how = CUTS.get(driver)
    if isinstance(how, str):
        store.db.alone(lambda c: c.exec_driver_sql(how.replace("%", "%%")).all())
    elif how is not None:
        store.store.redis.command(None, *how)
    return how is not None


def test_a_connection_that_is_cut(opener: Opener, engine: Any, pool: concurrent.futures.ThreadPoolExecutor) -> None:
    """What is posted at that moment is found by a look, and then there is another connection."""
    store, other = opener(), opener(init=False)
    for number in range(3):
        waiting = pool.submit(claim, store)
        settle()
        cut(other, engine.driver)
        began = post(other, number)
        found, ended = waiting.result()
        assert found == [number]
        within(ended - began, SOON, slow=SLOW)
    waiting = pool.submit(claim, store)
    settle()
    assert not waiting.done()
    began = post(other, 4)
    assert waiting.result()[0] == [4]
    within(waiting.result()[1] - began, SOON, slow=SLOW)


def test_more_processes_than_are_told(opener: Opener, pool: concurrent.futures.ThreadPoolExecutor) -> None:
    first, *others = (opener(init=not number) for number in range(SLOTS + 4))
    waiting = [pool.submit(claim, store) for store in others]
    settle(1)
    began = post(first, *range(len(others)))
    found = [each.result() for each in waiting]
    assert sorted(body for bodies, _ in found for body in bodies) == list(range(len(others)))
    within(max(ended for _, ended in found) - began, 2 * SOON, slow=SLOW)


def is_held(store: Any) -> bool:
    """Whether a session of PostgreSQL has the lock of one that waits."""
    number = store.plane._bell.number(("", "q")) & 0xFFFFFFFF
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND objid::int8 = %s"
    return bool(store.db.alone(lambda c: c.exec_driver_sql(held, (number,)).scalar()))


def test_nothing_stays(opener: Opener, engine: Any, pool: concurrent.futures.ThreadPoolExecutor) -> None:
    """Of a process that waited, once it is closed: no lock, and no key for longer than its life."""
    store, other = opener(), opener(init=False)
    waiting = pool.submit(claim, store, 1)
    settle()
    if engine.driver == "postgresql" and store.signals:
        assert is_held(other)
    waiting.result()
    opener.close(store)
    if engine.driver == "postgresql":
        until = time.monotonic() + 5
        while is_held(other):
            assert time.monotonic() < until
            settle(0.05)
    elif engine.driver == "redis":
        base = other.store.base("", "q")
        assert 0 < other.store.redis.command(base, "PTTL", f"{base}:waits") <= 30_000
        assert list(other.store.redis.scan(f"{base}*")) == [f"{base}:waits".encode()]

"""A master of a cluster is killed under load, and comes back with its slots: nothing is lost, and clients go on (D3)."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chaos import servers
from tests.chaos.servers import Server, opener_on
from undercroft.conformance.limits import within
from undercroft.core.errors import Unavailable

pytestmark = [pytest.mark.promise("D3"), pytest.mark.timeout(3600)]
CLUSTER = "redis-cluster"
# The node-timeout of the cluster, after which the others know that a master is away, and more.
AWAY = 3.0
LIVE_AGAIN, PATIENCE = 15, 120
WORKERS, QUEUES = 4, 12
LEASE = {"ttl": 600, "grace": 60}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    has_one = CLUSTER in os.environ.get("UCTEST_ENGINES", "").split(",")
    nothing = pytest.param("", marks=pytest.mark.skip(reason="NOT RUN: no cluster is among the engines of this run; make test-all"))
    metafunc.parametrize("cluster", [CLUSTER if has_one else nothing])


@dataclasses.dataclass
class Worker:
    """Posts to its queues, claims and deletes; knows what it was told. What failed it does again.

    Attributes:
        posted: numbers that were acknowledged, by queue.
        deleted: those that are gone, or may be.
        done: calls that returned.
        failed: calls that did not.
    """

    store: Any
    queues: list[str]
    rng: random.Random
    posted: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    deleted: set[tuple[str, int]] = dataclasses.field(default_factory=set)
    done: Counter[str] = dataclasses.field(default_factory=Counter)
    failed: int = 0

    def work(self, over: threading.Event) -> None:
        number = 0
        while not over.is_set():
            queue = self.rng.choice(self.queues)
            message = {"ttl": 86_400, "body": number, "dedup_id": f"m{number}"}
            while not over.is_set():
                if self._call(queue, lambda m=message, q=queue: self.store.message_controller.post(q, [m], None)):
                    self.posted.setdefault(queue, []).append(number)
                    break
            number += 1
            if number % 4 == 0:
                self._delete(queue)

    def _delete(self, queue: str) -> None:
        found: list[Any] = []
        self._call(queue, lambda: found.append(self.store.claim_controller.create(queue, LEASE, None, 1)))
        for claim, messages in found:
            for each in messages:
                self.deleted.add((queue, each["body"]))
                self._call(queue, lambda m=each["id"], c=claim: self.store.message_controller.delete(queue, m, None, c))

    def _call(self, queue: str, call: Any) -> bool:
        try:
            call()
        except Unavailable:
            self.failed += 1
            threading.Event().wait(0.02)
            return False
        self.done[queue] += 1
        return True


def kill(server: Server, number: int) -> None:
    """kill -9 of one master."""
    file = server.folder / str(number) / "server.pid"
    pid = int(file.read_text())
    os.kill(pid, signal.SIGKILL)
    file.unlink()
    end = time.monotonic() + PATIENCE
    while servers._stat(pid)[:1] not in ([], ["Z"]):
        assert time.monotonic() < end, "the master does not die"
        threading.Event().wait(0.01)


@contextlib.contextmanager
def working(store: Any, seed: int) -> Iterator[list[Worker]]:
    """Workers, each on queues of its own, until the block ends."""
    over = threading.Event()
    part = QUEUES // WORKERS
    workers = [
        Worker(store, [f"q{n}" for n in range(first, first + part)], random.Random(f"{seed}/{first}"))
        for first in range(0, QUEUES, part)
    ]
    threads = [threading.Thread(target=each.work, args=(over,)) for each in workers]
    for each in threads:
        each.start()
    try:
        yield workers
    finally:
        over.set()
        for each in threads:
            each.join()


def served(workers: list[Worker]) -> float:
    """Seconds until a call on every queue has returned."""
    began = time.monotonic()
    before = [each.done.copy() for each in workers]
    while any(each.done[queue] == old[queue] for each, old in zip(workers, before, strict=True) for queue in each.queues):
        within(time.monotonic() - began, PATIENCE, "the client's recovery")
        threading.Event().wait(0.01)
    return time.monotonic() - began


def everything(store: Any, queue: str) -> Iterator[int]:
    """The numbers of all messages."""
    marker = None
    while True:
        pages = store.message_controller.list(queue, None, marker, 10_000, echo=True, include_claimed=True)
        page, marker = list(next(pages)), next(pages)
        if not page:
            return
        yield from (each["body"] for each in page)


def killed(server: Server, seed: int, kills: int) -> dict[str, Any]:
    """Kill masters one after the other; what came of what was acknowledged."""
    opener = opener_on(server, "messaging")
    store, rng, slowest = opener(), random.Random(seed), 0.0
    with working(store, seed) as workers:
        served(workers)
        for _ in range(kills):
            threading.Event().wait(rng.uniform(0.3, 0.8))
            kill(server, rng.randint(1, 3))
            threading.Event().wait(rng.uniform(0.1, AWAY))
            server.start()
            slowest = max(slowest, served(workers))
    lost = doubled = 0
    for each in workers:
        for queue in each.queues:
            there = Counter(everything(store, queue))
            lost += sum(not there[number] and (queue, number) not in each.deleted for number in each.posted.get(queue, ()))
            doubled += sum(count > 1 for count in there.values())
    opener.clear()
    return {
        "kills": kills, "acknowledged": sum(len(each) for worker in workers for each in worker.posted.values()),
        "refused": sum(each.failed for each in workers), "lost": lost, "doubled": doubled, "slowest_recovery": f"{slowest:.1f} s",
    }  # fmt: skip


def test_nothing_acknowledged_is_lost_with_a_master(cluster: str, seed: int, record, figure):
    with servers.own(cluster, durable=True) as server:
        found = killed(server, seed, figure(2, 10))
    record(**found)
    assert found["refused"] > 0
    assert (found["lost"], found["doubled"]) == (0, 0)
    within(float(found["slowest_recovery"].split()[0]), LIVE_AGAIN, "the slowest recovery")


def test_twin_a_master_that_acknowledges_before_it_writes_loses(cluster: str, seed: int, record):
    with servers.own(cluster, durable=False) as server:
        found = killed(server, seed, 2)
    record(**found)
    assert found["lost"] > 0

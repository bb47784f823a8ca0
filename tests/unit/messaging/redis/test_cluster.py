"""A cluster one of whose masters is away: what the others have is used as if nothing were."""

from __future__ import annotations

import concurrent.futures
import threading

import pytest

from tests.unit.engines.redis.conftest import Started
from undercroft.conformance.messaging.data import post
from undercroft.core.errors import Unavailable
from undercroft.messaging.drivers.redis import DataDriver

LEASE = {"ttl": 60, "grace": 60}


def test_queues_of_the_others(started: Started) -> None:
    """Also when the clock is read again that is the lost one's, and for those who wait."""
    store = DataDriver.open(started(script="start-redis-cluster.sh"))
    redis = store.store.redis
    nodes = redis.masters()
    for node in nodes:
        redis.ask_node(node, "CONFIG", "SET", "cluster-require-full-coverage", "no")
    by_node = {redis._servers.find_once().pool(store.store.base("", name)).node: name for name in map("q{}".format, range(60))}
    for queue in by_node.values():
        store.queue_controller.create(queue)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        waits = {node: pool.submit(store.claim_controller.create, queue, LEASE, wait=20) for node, queue in by_node.items()}
        while len(store.waiting._keeper.lanes) < 3 or not all(lane.is_heard for lane in store.waiting._keeper.lanes.values()):
            threading.Event().wait(0.01)
        with pytest.raises(Unavailable):
            redis.ask_node(nodes[0], "SHUTDOWN", "NOSAVE")
        redis._clock._asks_at = 0
        with pytest.raises(Unavailable):
            waits[nodes[0]].result(15)
        for node in nodes[1:]:
            assert not waits[node].done()
            (name,) = post(store, "a", queue=by_node[node])
            assert [each["id"] for each in waits[node].result(2)[1]] == [name]
    store.close()

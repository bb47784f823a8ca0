"""A cluster one of whose masters is away: what the others have is used as if nothing were."""

from __future__ import annotations

import concurrent.futures
import threading

import pytest

from tests.unit.engines.redis.conftest import Started
from undercroft.conformance.messaging.data import post
from undercroft.core.errors import Unavailable
from undercroft.messaging.drivers.redis import DataDriver
from undercroft.messaging.models import Subscribed

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


def test_outbox_of_the_others(started: Started) -> None:
    """What the others have is handed out, and what is not known to be gone is woken."""
    store = DataDriver.open(started(script="start-redis-cluster.sh"))
    redis = store.store.redis
    nodes = redis.masters()
    for node in nodes:
        redis.ask_node(node, "CONFIG", "SET", "cluster-require-full-coverage", "no")
    pool = redis._servers.find_once().pool
    used = {pool(store.store.subscribed.base).node, nodes[0]}
    lost = next(node for node in nodes if node not in used)
    subscribed = []
    for name in map("q{}".format, range(30)):
        made = store.subscription_controller.create(name, "http://a", 3_600, {})
        assert made is not None
        subscribed.append(Subscribed("", name, made))
        post(store, "a", queue=name)
    away = [each for each in subscribed if pool(store.store.base("", each.queue)).node == lost]
    assert 0 < len(away) < 30
    with pytest.raises(Unavailable):
        redis.ask_node(lost, "SHUTDOWN", "NOSAVE")
    assert len(store.outbox.take(100, 60)) == 30 - len(away)
    store.outbox.wake(subscribed)
    assert {each.subscribed for each in store.outbox.due(100, 60)} == set(subscribed)
    assert store.outbox.take(100, 60) == []
    store.close()

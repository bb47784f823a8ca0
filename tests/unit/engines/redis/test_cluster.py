"""A real cluster of three masters."""

from __future__ import annotations

import os
import pathlib
import signal
import threading
import time

import pytest

from undercroft.conformance.limits import within
from undercroft.core.errors import OutcomeUnknown, Unavailable
from undercroft.core.findings import Level
from undercroft.engines.redis import Call, Script
from undercroft.engines.redis.topology import slot

PUSH = Script.from_text("push.lua", b"redis.call('INCR', KEYS[1] .. ':a'); return redis.call('INCR', KEYS[1] .. ':b')")
KEYS = [f"{{queue {number}}}" for number in range(60)]


@pytest.fixture(scope="module")
def url(started) -> str:
    found: str = started(script="start-redis-cluster.sh")
    return found


@pytest.fixture
def redis(url, connect):
    found = connect(url, connect_timeout=2.0)
    yield found
    for node in found.masters():
        found.ask_node(node, "FLUSHALL")


def test_slots_are_the_servers(redis):
    for key in ("", "é", "{a", "a}", "{}", "{}{x}", "x{y}z", "{{a}}", *KEYS[:5]):
        assert slot(key) == redis.command("k", "CLUSTER", "KEYSLOT", key)


def test_keys_are_everywhere(redis):
    assert [redis.run(PUSH, key) for key in KEYS] == [1] * 60
    assert redis.run_many([Call(PUSH, key) for key in KEYS]) == [2] * 60
    assert redis.commands([(key, ("GET", f"{key}:a")) for key in KEYS]) == [b"2"] * 60
    assert len(redis.masters()) == 3
    assert all(redis.ask_node(node, "DBSIZE") > 10 for node in redis.masters())
    assert len(set(redis.scan("*"))) == 120
    assert redis.unlink(f"{key}:{part}" for key in KEYS for part in "abc") == 120
    assert list(redis.scan("*")) == []


def test_every_process_goes_by_the_same_clock(redis, connect, url):
    own = url.rpartition(":")[2]
    others = [node for node in redis.masters() if str(node.port) != own]
    assert connect(f"redis://{others[0]}").masters() == connect(f"redis://{others[1]}").masters() == redis.masters()


def test_an_examination(redis):
    found = list(redis.diagnose())
    assert {each.level for each in found if not each.check.startswith("durability")} == {Level.OK}
    assert "a cluster of 3 masters" in [each.found for each in found]
    assert redis.is_durable() is False


def test_a_queue_whose_slot_is_on_its_way_waits_and_is_whole_afterwards(redis):
    """A script never runs on the half of its keys that has arrived."""
    key = KEYS[0]
    number = slot(key)
    redis.run(PUSH, key)
    source = redis._servers.topology.pool(key).node
    target = next(node for node in redis.masters() if node != source)
    ids = {node: redis.ask_node(node, "CLUSTER", "MYID") for node in redis.masters()}
    redis.ask_node(target, "CLUSTER", "SETSLOT", number, "IMPORTING", ids[source])
    redis.ask_node(source, "CLUSTER", "SETSLOT", number, "MIGRATING", ids[target])
    for name in (None, f"{key}:a", f"{key}:b"):
        if name is not None:
            redis.ask_node(source, "MIGRATE", target.host, target.port, name, 0, 5000)
        begin = time.monotonic()
        with pytest.raises(Unavailable, match=r"TRYAGAIN|ASK") as caught:
            redis.run(PUSH, key)
        assert not isinstance(caught.value, OutcomeUnknown)
        within(time.monotonic() - begin, 5)
        assert redis.commands([(key, ("GET", f"{key}:{part}")) for part in "ab"]) == [b"1", b"1"]
    for node in (target, source, *redis.masters()):
        redis.ask_node(node, "CLUSTER", "SETSLOT", number, "NODE", ids[target])
    assert redis.run(PUSH, key) == 2
    assert redis.run_many([Call(PUSH, each) for each in KEYS[:3]]) == [3, 1, 1]


def test_a_master_that_is_killed_and_comes_back(redis, url, started):
    for key in KEYS:
        redis.run(PUSH, key)
    victim = redis.masters()[1]
    mine = [key for key in KEYS if redis._servers.topology.pool(key).node == victim]
    told = redis.ask_node(victim, "INFO", "server")
    pid = int(told.partition(b"process_id:")[2].split()[0])
    os.kill(pid, signal.SIGKILL)
    while pathlib.Path(f"/proc/{pid}").exists():
        threading.Event().wait(0.01)
    begin = time.monotonic()
    for key in mine[:3]:
        with pytest.raises(Unavailable):
            redis.run(PUSH, key)
    within(time.monotonic() - begin, 10)
    started.again(url)
    assert redis.run_many([Call(PUSH, key) for key in KEYS if key not in mine]) == [2] * (60 - len(mine))
    assert redis.run_many([Call(PUSH, key) for key in mine]) == [1] * len(mine), "these servers keep nothing on disk"
    assert len(redis.masters()) == 3

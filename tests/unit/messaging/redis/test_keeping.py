"""What goes over all queues does a bounded part of them a call."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.messaging.redis.conftest import commands
from undercroft.conformance.messaging.data import at, claimed, make, post, queues
from undercroft.messaging.drivers.redis import DataDriver, keeping


def test_a_call_looks_at_some_queues_and_the_next_at_others(store: DataDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "_LOOKED", 4)
    monkeypatch.setattr(keeping, "_AT_ONCE", 3)
    with at(0):
        for number in range(10):
            post(store, "gone", ttl=5, queue=f"q{number}")
    with at(10):
        assert [store.clean() for _ in range(4)] == [4, 4, 2, 0]
        assert queues(store) == [f"q{number}" for number in range(10)]


def test_the_collector_sees_every_queue(store: DataDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when many in front of one have nothing to remove."""
    monkeypatch.setattr(keeping, "_LOOKED", 3)
    with at(0):
        make(store, *(f"q{number}" for number in range(10)))
        post(store, "gone", ttl=5, queue="z")
    with at(10):
        assert store.clean() == 0
        store.gc()
        assert list(store.store.redis.scan("*:all")) == []


def test_processes_go_on_where_another_one_ended(
    store: DataDriver, connect: Callable[[], DataDriver], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "_LOOKED", 2)
    with at(0):
        for number in range(4):
            post(store, "gone", ttl=5, queue=f"q{number}")
    with at(10):
        assert [store.clean(), connect().clean(), store.clean()] == [2, 2, 0]


def test_a_look_at_idle_queues_is_a_script_each(store: DataDriver) -> None:
    make(store, *(f"q{number}" for number in range(50)))
    store.clean()
    store.store.redis.command(None, "CONFIG", "RESETSTAT", writes=True)
    assert store.clean() == 0
    assert commands(store, "evalsha") <= 50 + 2


def test_the_fullest_queues_are_known_where_a_call_looks_at_some(store: DataDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(12):
        post(store, *range(number), queue=f"q{number:02}") if number else make(store, "q00")
    monkeypatch.setattr(keeping, "_LOOKED", 4)
    monkeypatch.setattr(keeping, "_AT_ONCE", 2)
    monkeypatch.setattr(keeping, "_CANDIDATES", 3)
    found = [store.depths(2) for _ in range(3)][-1]
    assert [one.queue for one in found.queues] == ["q11", "q10"]
    assert found.left_out == 10
    assert store.depths(0) == ([], 0)


def test_depths_beside_claims_that_are_over(store: DataDriver) -> None:
    with at(0):
        post(store, *range(600), ttl=5)
        post(store, *range(600), queue="r")
        claimed(store, limit=600, ttl=5, queue="r")
    with at(10):
        assert [tuple(one) for one in store.depths(5).queues] == [("", "r", 600, 0, 10), ("", "q", 0, 0, 0)]


def test_nothing_of_a_namespace_stays(store: DataDriver, connect: Callable[[], DataDriver]) -> None:
    post(store, *range(5), delay=5)
    store.subscription_controller.create("q", "http://a", 60, {})
    store.clean()
    store.store.redis.command("other", "SET", "{undercroft2:register}:names", 1, writes=True)
    store.drop()
    assert list(store.store.redis.scan("*")) == [b"{undercroft2:register}:names"]

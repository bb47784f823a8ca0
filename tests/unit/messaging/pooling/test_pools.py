"""Queues over pools: dead letters and subscriptions across them, pools that are away, queues from before."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import time
from typing import Any

import pytest

import undercroft
from tests.unit.messaging.pooling.conftest import Open, begin, finish, go, go_on, in_pool, state
from tests.unit.messaging.pooling.test_moving import LEASE, claim, listed, post, total
from undercroft.conformance.limits import within
from undercroft.core import registry
from undercroft.core.errors import ConfigInvalid, Unavailable
from undercroft.core.findings import Level
from undercroft.messaging import NoPoolFound
from undercroft.messaging.contract.outbox import lane
from undercroft.messaging.pooling import placement, pools
from undercroft.messaging.pooling.pools import OWN

DEAD = {"_max_claim_count": 1, "_dead_letter_queue": "dead"}


def wear_out(store: Any) -> None:
    """Let what is in the queue become dead letters."""
    made, _ = claim(store, 100)
    store.claim_controller.delete("q", made)
    assert claim(store) == (None, [])


@pytest.fixture
def apart(store: Any) -> Any:
    """The store, with the queue of dead letters in the other pool."""
    store.queue_controller.create("dead", {"_flavor": "b"})
    store.queue_controller.set_metadata("q", {"_flavor": "a", **DEAD})
    return store


# -- dead letters ------------------------------------------------------------------------------------------------------


def test_dead_letters_go_to_another_pool_and_back(apart: Any, open_store: Open) -> None:
    ids = post(apart, *range(3))
    for _ in range(3):
        wear_out(apart)
        for one in (apart, open_store()):
            assert [each["id"] for each in next(one.message_controller.list("dead", echo=True))] == ids
            assert total(one, "dead") == 3
            assert total(one) == 0
        assert in_pool(apart, "b", "dead") == 3
        assert apart.message_controller.redrive("dead", "q") == 3
        assert [each["id"] for each in next(open_store().message_controller.list("q", echo=True))] == ids
        assert in_pool(apart, "a") == 3
    made, found = claim(open_store())
    assert [one["id"] for one in found] == ids
    for one in found:
        apart.message_controller.delete("q", one["id"], claim=made)
    assert total(apart) == total(apart, "dead") == 0


def test_dead_letters_make_their_queue(store: Any, open_store: Open) -> None:
    store.queue_controller.set_metadata("q", {"_flavor": "a", **DEAD})
    other = open_store()
    assert other.queue_controller.exists("dead") is False
    post(other, 1)
    wear_out(other)
    assert store.queue_controller.exists("dead") is True
    assert listed(store, "dead") == [1]


def test_the_rule_goes_with_the_queue(apart: Any) -> None:
    post(apart, 1)
    go(apart, "b")
    assert "_max_claim_count" not in apart.queue_controller.get("q")
    apart.queue_controller.set_metadata("q", {"_flavor": "b", **DEAD})
    wear_out(apart)
    assert listed(apart, "dead") == [1]
    apart.queue_controller.set_metadata("q", {"_flavor": "a", **DEAD})
    finish(apart, "a")
    post(apart, 2)
    wear_out(apart)
    assert listed(apart, "dead") == [1, 2]


def test_the_queue_of_dead_letters_moves_too(apart: Any) -> None:
    post(apart, 1)
    wear_out(apart)
    go(apart, "a", "dead")
    post(apart, 2)
    wear_out(apart)
    assert listed(apart, "dead") == [1, 2]


# -- subscriptions -----------------------------------------------------------------------------------------------------


def subscribers(store: Any) -> list[str]:
    return [one["subscriber"] for one in next(store.subscription_controller.list("q"))]


@pytest.mark.parametrize("phase", ["reads", "posts", "after"])
def test_subscriptions_move(store: Any, open_store: Open, phase: str) -> None:
    subscriptions = store.subscription_controller
    name = subscriptions.create("q", "http://a", 3_600, {"k": 1})
    subscriptions.confirm("q", name)
    begin(store, "b")
    if phase != "reads":
        go_on(store)
    if phase == "after":
        finish(store, "b")
    other = open_store()
    (found,) = next(other.subscription_controller.list("q"))
    assert (found["subscriber"], found["options"], found["confirmed"]) == ("http://a", {"k": 1}, True)
    assert other.subscription_controller.create("q", "http://a", 60, {}) is None
    assert other.subscription_controller.create("q", "http://b", 60, {}) is not None
    other.subscription_controller.delete("q", found["id"])
    if phase != "after":
        finish(store, "b")
    assert subscribers(store) == ["http://b"]


@pytest.mark.parametrize("phase", ["before", "reads", "posts", "after"])
def test_every_post_is_handed_out_once(store: Any, phase: str) -> None:
    store.subscription_controller.create("q", "http://a", 3_600, {})
    (first,) = post(store, 1)
    if phase != "before":
        begin(store, "b")
    if phase in {"posts", "after"}:
        go_on(store)
    if phase == "after":
        finish(store, "b")
    (second,) = post(store, 2)
    taken = store.outbox.take(10, 60)
    assert sorted(one.id for one in taken) == sorted([first, second])
    assert {one.queue for one in taken} == {"q"}
    (subscription,) = [one["id"] for one in next(store.subscription_controller.list("q"))]
    post(store, "m", queue=lane(subscription))
    assert store.outbox.backlog(10).queues[0].queue == lane(subscription)
    store.outbox.remove(taken)
    assert store.outbox.waiting() == 0


def test_a_queue_that_has_subscribers_only_is_none(store: Any) -> None:
    name = store.subscription_controller.create("new", "http://a", 3_600, {})
    assert store.queue_controller.exists("new") is False
    post(store, 1, queue="new")
    assert store.queue_controller.exists("new") is True
    assert [one.id for one in store.outbox.take(10, 60)] == [
        each["id"] for each in next(store.message_controller.list("new", echo=True))
    ]
    assert store.subscription_controller.exists("new", name)


# -- pools that are away -----------------------------------------------------------------------------------------------


@pytest.fixture
def silent() -> Any:
    """A server that takes connections and says nothing."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}?connect_timeout=2&statement_timeout=2"


def test_a_pool_that_is_away_hurts_its_queues_only(store: Any, open_store: Open, silent: str) -> None:
    store.control_driver.pools_controller.create("c", 100, silent, "c")
    store.control_driver.flavors_controller.create("c")
    store.control_driver.catalogue_controller.insert(None, "gone", "c")
    other = open_store()
    post(other, 1)
    for _ in range(2):
        with pytest.raises(Unavailable):
            post(other, 1, queue="gone")
    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(Unavailable):
            claim(other, queue="gone")
        assert listed(other) == [1]
    # Nobody waits for it any more.
    within(time.monotonic() - began, 2)
    assert other.pools_up() == {"a": True, "b": True, "c": False}
    assert [one.queue for one in other.depths(10).queues] == ["q"]
    assert other.clean() == 0
    health = other.health()
    assert health["catalog_reachable"] is True
    assert health["c"]["storage_reachable"] is False
    assert health["a"]["storage_reachable"] is True
    assert {one.check: one.level for one in other.diagnose()}["pool c"] is Level.ERROR
    other.control_driver.pools_controller.update("c", weight=0)


def test_a_pool_that_is_away_is_a_line_in_the_log_once_a_minute(
    store: Any, open_store: Open, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    store.control_driver.pools_controller.create("c", 100, f"redis://127.0.0.1:{port}", "c")
    other = open_store()

    def ask() -> list[str]:
        caplog.clear()
        for _ in range(5):
            other.outbox.take(1, 1)
            other.outbox.due(1, 1)
            other.depths(1)
        return [one.getMessage() for one in caplog.records if "is passed over" in one.msg]

    # However slow this machine is.
    monkeypatch.setattr(pools, "_QUIET", float("inf"))
    (line,) = ask()
    assert line.startswith(f"the pool 'c' is passed over: redis://127.0.0.1:{port}")
    assert ask() == []
    monkeypatch.setattr(pools, "_QUIET", 0)
    assert len(ask()) > 1


def test_a_pool_that_is_not_registered_is_named(store: Any) -> None:
    store.control_driver.catalogue_controller.insert(None, "lost", "none")
    with pytest.raises(Unavailable, match="'none' is not registered"):
        post(store, 1, queue="lost")
    assert [one.check for one in store.diagnose() if one.level is Level.ERROR] == ["pools of queues"]


def test_messages_that_nobody_is_sent_to_are_found(store: Any) -> None:
    post(store, 1)
    store.control_driver.catalogue_controller.update(None, "q", "b")
    found = {one.check: one for one in store.diagnose(verify=True)}["messages that nobody is sent to"]
    assert found.level is Level.ERROR
    assert "q (1 in a)" in found.found


# -- where queues come from --------------------------------------------------------------------------------------------


def test_queues_from_before_stay_where_they_are(tmp_path: pathlib.Path) -> None:
    with contextlib.closing(undercroft.connect("messaging", f"sqlite:///{tmp_path}/m.db")) as plain:
        plain.init()
        (old,) = post(plain, "old")
        plain.queue_controller.create("made", {"k": 1})
    with contextlib.closing(undercroft.connect("messaging", f"pooled+sqlite:///{tmp_path}/m.db")) as store:
        store.init()
        with pytest.raises(NoPoolFound):
            post(store, 1, queue="new")
        store.control_driver.pools_controller.create("a", 1, f"sqlite:///{tmp_path}/a.db", "a")
        store.control_driver.flavors_controller.create("a")
        assert listed(store) == ["old"]
        assert post(store, "new")[0].startswith(old[:8])
        assert store.queue_controller.get("made") == {"k": 1}
        go(store, "a")
        assert listed(store) == ["old", "new"]
        assert in_pool(store, "a") == 2
        assert [one.check for one in store.diagnose(verify=True) if one.level is Level.ERROR] == []


def test_without_pools_the_store_itself_takes_queues_where_it_may(tmp_path: pathlib.Path) -> None:
    url = f"pooled+sqlite:///{tmp_path}/m.db?virtual_pool=true"
    with contextlib.closing(undercroft.connect("messaging", url)) as store:
        store.init()
        post(store, 1)
        store.control_driver.pools_controller.create("a", 1, f"sqlite:///{tmp_path}/a.db")
        post(store, 2)
        assert listed(store) == [1, 2]
    with contextlib.closing(undercroft.connect("messaging", url)) as store:
        post(store, 3, queue="other")
        assert state(store, "other").pool == "a"


def test_one_look_up_is_enough(store: Any, open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    post(store, *range(3))
    for name in ("LEASE", "SKEW"):
        monkeypatch.setattr(placement, name, 60_000)
    other = open_store()
    catalogue = type(other.control_driver.catalogue_controller)
    asked: list[str] = []
    find = catalogue._find

    def noted(*given: Any) -> Any:
        asked.append(given[-1])
        return find(*given)

    monkeypatch.setattr(catalogue, "_find", noted)
    other.message_controller.get("q", post(other, 1)[0])
    made, found = claim(other)
    other.message_controller.delete("q", found[0]["id"], claim=made)
    assert asked == ["q"]


def test_a_uri_that_changes_is_believed_in_time(store: Any, open_store: Open, tmp_path: pathlib.Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("undercroft.messaging.pooling.pools._LEASE", 0.0)
    post(store, 1)
    store.control_driver.pools_controller.update("a", uri=f"sqlite:///{tmp_path}/a.db?busy_timeout=7")
    assert listed(open_store()) == listed(store) == [1]
    assert store.claim_controller.create("q", LEASE)[0] is not None


def test_a_store_that_has_pools_is_no_pool(store: Any, tmp_path: pathlib.Path) -> None:
    control = store.control_driver
    control.flavors_controller.create("c")
    control.pools_controller.create("c", 100, f"pooled+sqlite:///{tmp_path}/c.db", "c")
    with pytest.raises(ConfigInvalid, match="a pool is one store"):
        store.queue_controller.create("deep", {"_flavor": "c"})


def test_queues_are_not_apart_from_their_pools(store: Any) -> None:
    driver = registry.load("messaging", "pooled")
    with pytest.raises(ConfigInvalid, match="the same URL for messages and for queues"):
        driver(store.conf, None, store.control_driver, url="pooled+sqlite:///:memory:")


def test_options_of_the_store_hold_for_pools_that_say_nothing(tmp_path: pathlib.Path) -> None:
    pools = f"sqlite:///{tmp_path}/a.db,sqlite:///{tmp_path}/b.db%3Fbusy_timeout=3%26namespace=other"
    url = f"pooled+sqlite:///{tmp_path}/control.db?pools={pools}&namespace=mine&busy_timeout=7s"
    with contextlib.closing(undercroft.connect("messaging", url)) as store:
        store.init()
        found = {one.name: one.driver.store.options for one in store.pools.all()}
    assert {name: (one.namespace, one.busy_timeout) for name, one in found.items()} == {
        OWN: ("mine", 7), "pool1": ("mine", 7), "pool2": ("other", 3)
    }  # fmt: skip

"""`undercroft pool` and `undercroft flavor`."""

from __future__ import annotations

import contextlib
import json

import pytest

import undercroft
from undercroft.messaging.pooling import placement

pytestmark = pytest.mark.kind("messaging")


@pytest.fixture
def uri(tmp_path):
    """Makes URIs of stores that there are not yet."""
    return lambda name: f"sqlite:///{tmp_path}/{name}.db"


@pytest.fixture
def control(place):
    """The control driver of the store."""
    with contextlib.closing(undercroft.connect("messaging", place)) as store:
        yield store.control_driver


def told(done):
    return json.loads(done.stdout)


def test_a_pool_is_registered_and_shown(pool, uri):
    assert pool("create", "a", uri("a"), "--option", "k=[1]", "--option", "l=x").stdout == "a: created\n"
    pool("create", "b", uri("b"), "--weight", "7", "--flavor", "gold")
    assert told(pool("list", "--format", "json")) == [
        {"name": "a", "uri": uri("a"), "weight": 100, "flavor": None, "options": {"k": [1], "l": "x"}, "queues": 0},
        {"name": "b", "uri": uri("b"), "weight": 7, "flavor": "gold", "options": {}, "queues": 0},
    ]
    assert [each["name"] for each in told(pool("list", "--flavor", "gold", "--format", "json"))] == ["b"]
    found = told(pool("show", "b", "--format", "json"))
    assert found == {
        "name": "b", "uri": uri("b"), "weight": 7, "flavor": "gold", "options": {}, "queues": 0,
        "capabilities": ["FIFO", "CLAIMS", "DURABILITY", "AOD", "HIGH_THROUGHPUT"],
    }  # fmt: skip
    for shown in (pool("list").stdout, pool("show", "b").stdout):
        assert uri("b") in shown
        assert "gold" in shown
    # The store behind it is ready.
    with contextlib.closing(undercroft.connect("messaging", uri("a"))) as store:
        assert store.queue_controller.create("q")


def test_no_pools(pool, flavor):
    assert "no pools found" in pool("list").stderr
    assert told(pool("list", "--format", "json")) == []
    assert "no flavors found" in flavor("list").stderr
    assert told(flavor("list", "--format", "json")) == []


def test_a_pool_is_created_once(pool, uri):
    pool("create", "a", uri("a"))
    again = pool("create", "a", uri("b"), code=1)
    assert "the pool 'a' exists; undercroft pool update changes it" in again.stderr
    pool("create", "c", uri("c"))
    for command in (("create", "b", uri("a")), ("update", "c", "--uri", uri("a"))):
        refused = pool(*command, code=1).stderr
        assert "in use by another pool" in refused
        assert "it is that of the pool 'a'" in refused
    assert [each["uri"] for each in told(pool("list", "--format", "json"))] == [uri("a"), uri("c")]


@pytest.mark.promise("S7")
def test_passwords_are_masked(pool):
    secret = "postgresql://u:hunter2@127.0.0.1:1/db?sslpassword=hunter3"
    away = pool("create", "a", secret, code=75)
    assert "hunter" not in away.stdout + away.stderr
    assert "no pools found" in pool("list").stderr
    pool("create", "a", secret, "--unchecked")
    for command in (("list",), ("show", "a"), ("list", "--format", "json"), ("show", "a", "--format", "json")):
        shown = pool(*command)
        assert "hunter" not in shown.stdout + shown.stderr
        assert "127.0.0.1" in shown.stdout
    assert told(pool("list", "--secrets", "--format", "json"))[0]["uri"] == secret
    assert told(pool("show", "a", "--secrets", "--format", "json"))["uri"] == secret


def test_a_uri_comes_from_standard_input(pool, uri):
    pool("create", "a", "-", stdin=f"{uri('a')}\n")
    assert told(pool("show", "a", "--format", "json"))["uri"] == uri("a")
    pool("update", "a", "--uri", "-", stdin=uri("b"))
    assert told(pool("show", "a", "--format", "json"))["uri"] == uri("b")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("a", "nothing://host"), "nothing"), (("a", "x"), "is not a store URL"),
        (("a", "pooled+sqlite:///x.db"), "a pool is one store"),
        (("a b", "sqlite:///x.db"), "'a b' is not 1 to 64"),
        (("a", "sqlite:///x.db", "--flavor", "a b"), "--flavor: 'a b'"), (("a", "sqlite:///x.db", "--weight", "-1"), "-1"),
        (("a", "sqlite:///x.db", "--option", "k"), "KEY=VALUE"),
    ],
)  # fmt: skip
def test_what_is_no_pool(pool, given, says):
    assert says in pool("create", *given, code=2).stderr
    assert "no pools found" in pool("list").stderr


def test_a_pool_is_changed(pool, uri):
    pool("create", "a", uri("a"), "--flavor", "gold", "--option", "k=1")

    def shown():
        found = told(pool("show", "a", "--format", "json"))
        return found["uri"], found["weight"], found["flavor"], found["options"]

    assert pool("update", "a", "--weight", "0").stdout == "a: changed\n"
    assert shown() == (uri("a"), 0, "gold", {"k": 1})
    pool("update", "a", "--uri", uri("b"), "--option", "l=2")
    assert shown() == (uri("b"), 0, "gold", {"l": 2})
    pool("update", "a", "--no-flavor")
    assert shown() == (uri("b"), 0, None, {"l": 2})
    pool("update", "a", "--flavor", "silver")
    assert shown()[2] == "silver"
    assert "nothing to change" in pool("update", "a", code=2).stderr
    assert "contradict" in pool("update", "a", "--flavor", "f", "--no-flavor", code=2).stderr
    assert "Pool b does not exist" in pool("update", "b", "--weight", "1", code=1).stderr
    assert "Pool b does not exist" in pool("show", "b", code=1).stderr


def test_a_pool_with_queues_is_not_deleted(pool, uri, control):
    pool("create", "a", uri("a"))
    pool("create", "b", uri("b"))
    for queue in ("q", "r"):
        control.catalogue_controller.insert("p", queue, "a")
    assert [each["queues"] for each in told(pool("list", "--format", "json"))] == [2, 0]
    refused = pool("delete", "a", code=1)
    assert "the pool 'a' has 2 queues" in refused.stderr
    assert "--force" in refused.stderr
    assert pool("delete", "b").stdout == "b: deleted\n"
    assert pool("delete", "a", "--force").stdout == "a: deleted\n"
    assert "Pool a does not exist" in pool("delete", "a", code=1).stderr
    # It is found again under the same name.
    assert control.catalogue_controller.get("p", "q")["pool"] == "a"


def test_a_pool_that_a_queue_is_leaving_is_not_deleted(pool, uri, control):
    for name in ("a", "b"):
        pool("create", name, uri(name))
    leaving = placement.Placement("a", to="b")
    control.catalogue_controller._put("p", "q", "a", placement.encoded(leaving), None)
    for name in ("a", "b"):
        assert "has 1 queue:" in pool("delete", name, code=1).stderr
    entry = control.catalogue_controller._find("p", "q")
    gone = placement.deleted(placement.Placement("a"), control.now())
    control.catalogue_controller._put("p", "q", "a", placement.encoded(gone), entry.version)
    for name in ("a", "b"):
        pool("delete", name)


def test_the_last_pool_of_a_flavor_is_not_deleted(pool, flavor, uri):
    pool("create", "a", uri("a"))
    flavor("create", "gold", "a")
    for more in ((), ("--force",)):
        refused = pool("delete", "a", *more, code=1).stderr
        assert "Pool a is in use by flavor gold" in refused
        assert "undercroft flavor update gives it others" in refused
    flavor("delete", "gold")
    pool("delete", "a")


def test_a_flavor_is_made_of_pools(pool, flavor, uri):
    for name in ("a", "b", "c"):
        pool("create", name, uri(name))
    assert flavor("create", "gold", "b", "a", "a", "--project", "p").stdout == "gold: created\n"
    flavor("create", "silver", "c", "--project", "p")
    assert told(flavor("list", "--project", "p", "--format", "json")) == [
        {"name": "gold", "pools": ["a", "b"]},
        {"name": "silver", "pools": ["c"]},
    ]
    assert told(flavor("show", "gold", "--project", "p", "--format", "json")) == {
        "name": "gold",
        "pools": ["a", "b"],
        "capabilities": ["FIFO", "CLAIMS", "DURABILITY", "AOD", "HIGH_THROUGHPUT"],
    }
    assert "a b" in flavor("list", "--project", "p").stdout
    assert "FIFO" in flavor("show", "gold", "--project", "p").stdout
    assert "no flavors found" in flavor("list").stderr
    assert flavor("update", "gold", "c", "b", "--project", "p").stdout == "gold: changed\n"
    assert [each["flavor"] for each in told(pool("list", "--format", "json"))] == [None, "gold", "gold"]
    assert flavor("delete", "gold", "--project", "p").stdout == "gold: deleted\n"
    assert [each["flavor"] for each in told(pool("list", "--format", "json"))] == [None, None, None]


def test_a_flavor_that_loses_its_last_pool_is_named(pool, flavor, uri):
    for name in "ab":
        pool("create", name, uri(name))
    assert flavor("create", "gold", "a", "b").stderr == ""
    assert flavor("create", "silver", "b").stderr == ""
    note = "the flavor 'gold' has no pools any more"
    assert note in flavor("update", "silver", "a", "b").stderr
    assert "the flavor 'silver' has no pools any more" in flavor("create", "iron", "b", "a").stderr
    assert flavor("update", "iron", "a").stderr == ""


def test_a_queue_without_a_pool_says_what_gives_it_one(run, place, pool, flavor, uri, monkeypatch):
    monkeypatch.setenv("UNDERCROFT_MESSAGING__POOLING", "true")
    queue = ("queue", "create", "q", "--store", place)
    assert "undercroft pool create registers one" in run(*queue, code=75).stderr
    pool("create", "a", uri("a"), "--weight", "0")
    flavor("create", "gold", "a")
    assert "no pool of the flavor 'gold' takes queues" in run(*queue, "_flavor=gold", code=75).stderr


def test_what_is_no_flavor(pool, flavor, uri):
    pool("create", "a", uri("a"))
    assert "Pool unknown does not exist" in flavor("create", "gold", "a", "unknown", code=1).stderr
    assert "'a b' is not 1 to 64" in flavor("create", "a b", "a", code=2).stderr
    assert flavor("create", "gold", code=2)
    assert "no flavors found" in flavor("list").stderr
    flavor("create", "gold", "a")
    assert "the flavor 'gold' exists" in flavor("create", "gold", "a", code=1).stderr
    for command in (("update", "silver", "a"), ("delete", "silver"), ("show", "silver"), ("show", "gold", "--project", "p")):
        assert "does not exist" in flavor(*command, code=1).stderr

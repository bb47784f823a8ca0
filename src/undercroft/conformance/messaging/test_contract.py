"""The object itself: signatures, construction, controllers, options, health, capabilities, an engine that does not answer."""

from __future__ import annotations

import hashlib
import inspect
from typing import Any

import dogpile.cache
import pytest
from oslo_config import cfg

from undercroft.conformance.absent import write_is_unavailable
from undercroft.conformance.markers import assumes, clause, essential, needs
from undercroft.conformance.messaging.data import (
    CLIENT,
    OpenStore,
    at,
    bodies,
    claim,
    claimed,
    counts,
    everything,
    items,
    listed,
    make,
    message,
    post,
    queues,
)
from undercroft.conformance.plugin import Target
from undercroft.conformance.rows import rows
from undercroft.core.capabilities import Gap
from undercroft.core.errors import ConfigInvalid
from undercroft.core.findings import Level
from undercroft.messaging import (
    Capabilities,
    Claim,
    ControlDriverBase,
    DataDriverBase,
    Features,
    Message,
    Queue,
    QueueDoesNotExist,
    Subscription,
    Topic,
)

pytestmark = essential

# Names and defaults as the host's storage interface has them. What has no default is a name alone.
PROJECT = ("project", None)
QUEUES: dict[str, list[Any]] = {
    "list": [PROJECT, ("marker", None), ("limit", 10), ("detailed", False)],
    "get": ["name", PROJECT],
    "get_metadata": ["name", PROJECT],
    "set_metadata": ["name", "metadata", PROJECT],
    "create": ["name", ("metadata", None), PROJECT],
    "exists": ["name", PROJECT],
    "delete": ["name", PROJECT],
    "stats": ["name", PROJECT],
    "calculate_resource_count": [PROJECT],
}
SIGNATURES: dict[str, dict[str, list[Any]]] = {
    "queue": QUEUES,
    "topic": QUEUES,
    "message": {
        "list": [
            "queue", PROJECT, ("marker", None), ("limit", 10), ("echo", False), ("client_uuid", None), ("include_claimed", False)
        ],
        "first": ["queue", PROJECT, ("sort", 1)],
        "get": ["queue", "message_id", PROJECT],
        "bulk_get": ["queue", "message_ids", PROJECT],
        "post": ["queue", "messages", "client_uuid", PROJECT],
        "delete": ["queue", "message_id", PROJECT, ("claim", None)],
        "bulk_delete": ["queue", "message_ids", PROJECT],
        "pop": ["queue", "limit", PROJECT],
    },
    "claim": {
        "create": ["queue", "metadata", PROJECT, ("limit", 10)],
        "get": ["queue", "claim_id", PROJECT],
        "update": ["queue", "claim_id", "metadata", PROJECT],
        "delete": ["queue", "claim_id", PROJECT],
    },
    "subscription": {
        "list": ["queue", PROJECT, ("marker", None), ("limit", 10)],
        "get": ["queue", "subscription_id", PROJECT],
        "create": ["queue", "subscriber", "ttl", "options", PROJECT],
        "update": ["queue", "subscription_id", PROJECT, "kwargs"],
        "exists": ["queue", "subscription_id", PROJECT],
        "delete": ["queue", "subscription_id", PROJECT],
        "get_with_subscriber": ["queue", "subscriber", PROJECT],
        "confirm": ["queue", "subscription_id", PROJECT, ("confirmed", True)],
    },
}  # fmt: skip
BASES: dict[str, type[Any]] = {"queue": Queue, "topic": Topic, "message": Message, "claim": Claim, "subscription": Subscription}
OPERATIONS = [
    "create_queue", "post_messages", "claim_messages", "list_messages", "delete_messages", "delete_claim", "bulk_delete_messages",
    "delete_queue",
]  # fmt: skip


def controller(store: DataDriverBase, name: str) -> Any:
    """One of the store's controllers."""
    return getattr(store, f"{name}_controller")


def parameters(function: Any) -> list[Any]:
    """Names, with their defaults where they have any; without those that are given by keyword only."""
    found = [
        each
        for each in inspect.signature(function).parameters.values()
        if each.name != "self" and each.kind is not inspect.Parameter.KEYWORD_ONLY
    ]
    return [each.name if each.default is inspect.Parameter.empty else (each.name, each.default) for each in found]


@clause("Q1")
@rows("name", list(SIGNATURES))
def test_signatures_are_the_hosts(store: DataDriverBase, name: str) -> None:
    """Of the base class, too. What we add is given by keyword, and mostly has a default."""
    for method, wanted in SIGNATURES[name].items():
        for ours in (getattr(controller(store, name), method), getattr(BASES[name], method)):
            assert parameters(ours) == wanted, method


@clause("Q1")
@rows("name", [name for name in SIGNATURES if name != "topic"])
def test_the_base_class_checks_the_arguments(store: DataDriverBase, name: str) -> None:
    """What it refuses is tested with it, not with every driver; a driver writes the methods that begin with `_`."""
    own, base = type(controller(store, name)), BASES[name]
    assert issubclass(own, base)
    assert [method for method in SIGNATURES[name] if getattr(own, method) is not getattr(base, method)] == []


@clause("Q1")
@needs("claims")
def test_arguments_may_be_given_by_keyword_in_any_order(store: DataDriverBase) -> None:
    queue, messages, claims, subscriptions = (controller(store, name) for name in ("queue", "message", "claim", "subscription"))
    assert queue.create(project="p", metadata={"k": 1}, name="q") is True
    queue.set_metadata(metadata={"k": 2}, project="p", name="q")
    found = queue.list(detailed=True, limit=5, marker="", project="p", name="q", kfilter={"k": 2})
    assert items(found) == ([{"name": "q", "metadata": {"k": 2}}], "q")
    assert queue.exists(project="p", name="q") is True
    (name,) = messages.post(project="p", client_uuid=CLIENT, messages=[message("a")], queue="q")
    page = messages.list(
        include_claimed=True, client_uuid=CLIENT, echo=True, limit=1, marker=None, project="p", queue="q", include_delayed=False
    )
    assert bodies(items(page)[0]) == ["a"]
    assert messages.first(sort=-1, project="p", queue="q")["id"] == name
    assert messages.get(project="p", message_id=name, queue="q")["body"] == "a"
    assert bodies(messages.bulk_get(project="p", message_ids=[name], queue="q")) == ["a"]
    made, taken = claims.create(limit=1, project="p", metadata={"grace": 60, "ttl": 60}, queue="q")
    assert bodies(taken) == ["a"]
    claims.update(project="p", metadata={"grace": 60, "ttl": 90}, claim_id=made, queue="q")
    assert claims.get(project="p", claim_id=made, queue="q")[0]["ttl"] == 90
    messages.delete(claim=made, project="p", message_id=name, queue="q")
    claims.delete(project="p", claim_id=made, queue="q")
    messages.bulk_delete(claim_ids=None, project="p", message_ids=[name], queue="q")
    assert messages.pop(project="p", limit=1, queue="q") == []
    subscription = subscriptions.create(project="p", options={}, ttl=60, subscriber="http://a", queue="q")
    subscriptions.update(project="p", subscription_id=subscription, queue="q", ttl=90)
    subscriptions.confirm(confirmed=True, project="p", subscription_id=subscription, queue="q")
    assert subscriptions.get(project="p", subscription_id=subscription, queue="q")["confirmed"] is True
    queue.delete(project="p", name="q")
    assert queue.calculate_resource_count(project="p") == 0


@clause("Q1", "Q39")
@rows("name", list(SIGNATURES))
@needs("claims")
def test_a_controller_is_built_from_its_driver_alone(store: DataDriverBase, name: str) -> None:
    if not queues(store):
        make(store, "q")
        store.topic_controller.create("q")
        post(store, "a")
    own = controller(store, name)
    fresh = type(own)(own.driver)
    assert fresh.driver is own.driver
    fresh = type(own)(store)
    if name in {"queue", "topic"}:
        assert fresh.exists("q") is True
    elif name == "message":
        assert bodies(items(fresh.list("q"))[0]) == ["a"]
    elif name == "claim":
        assert bodies(fresh.create("q", {"ttl": 60, "grace": 60})[1]) == ["a"]
    else:
        assert fresh.create("q", "http://a", 60, {}) is not None


@clause("Q39")
def test_a_driver_has_two_planes(store: DataDriverBase) -> None:
    assert isinstance(store, DataDriverBase)
    assert isinstance(store.control_driver, ControlDriverBase)
    assert store.message_controller is store.message_controller
    assert store.claim_controller is store.claim_controller
    assert store.subscription_controller is store.subscription_controller
    make(store, "q")
    assert store.control_driver.queue_controller.exists("q") is True
    store.control_driver.topic_controller.create("t")
    assert store.topic_controller.exists("t") is True
    for planes in (store, store.control_driver):
        assert planes.conf is not None


@clause("Q39")
def test_the_host_may_bring_its_configuration(open_store: OpenStore) -> None:
    """An object that other drivers use, too, and that already has these options or others."""
    conf = cfg.ConfigOpts()
    conf(args=[], default_config_files=[], default_config_dirs=[])
    first, second = open_store(conf=conf), open_store(conf=conf)
    assert first.conf is first.control_driver.conf is second.conf is conf
    post(first, "a")
    assert listed(second) == ["a"]


@clause("Q19")
@needs("claims")
def test_messages_have_a_checksum_where_the_option_is_on(open_store: OpenStore) -> None:
    conf = cfg.ConfigOpts()
    conf.register_opt(cfg.BoolOpt("enable_checksum", default=True))
    conf(args=[], default_config_files=[], default_config_dirs=[])
    store = open_store(conf=conf)
    (name,) = post(store, {"k": 1})
    found = [store.message_controller.get("q", name), *everything(store), claimed(store)[1][0]]
    wanted = "MD5:" + hashlib.md5(b'{"k": 1}', usedforsecurity=False).hexdigest()
    assert {one["checksum"] for one in found} == {wanted}
    post(store, {"k": 1}, {"k": 2})
    assert [one["checksum"] == found[0]["checksum"] for one in everything(store)] == [True, True, False]


@clause("Q5", "Q6", "Q31", "Q39")
@needs("claims")
def test_a_cache_is_never_a_source_of_wrong_answers(store: DataDriverBase, open_store: OpenStore) -> None:
    """Each object has a cache of its own, which knows nothing of what the others do."""
    regions = [dogpile.cache.make_region().configure("dogpile.cache.memory") for _ in range(2)]
    first, second = (open_store(init=False, cache=region) for region in regions)
    assert first.cache is regions[0]
    for one, other in ((first, second), (second, first)):
        one.queue_controller.create("q", {"n": 1})
        assert other.queue_controller.get("q") == {"n": 1}
        assert one.queue_controller.get("q") == {"n": 1}
        other.queue_controller.set_metadata("q", {"_max_claim_count": 1, "_dead_letter_queue": "dead"})
        assert one.queue_controller.get("q") == other.queue_controller.get("q")
        post(one, "a")
        made, _ = claimed(one)
        one.claim_controller.delete("q", made)
        assert claim(one) == (None, [])
        assert bodies(other.message_controller.pop("dead", 5)) == ["a"]
        other.queue_controller.delete("q")
        with pytest.raises(QueueDoesNotExist):
            one.queue_controller.get("q")
        assert one.queue_controller.exists("q") is False
        other.queue_controller.create("q", {"n": 2})
        assert one.queue_controller.get("q") == {"n": 2}
        one.queue_controller.delete("q")


@clause("Q39")
def test_an_unknown_option_is_refused(target: Target, open_store: OpenStore) -> None:
    with pytest.raises(ConfigInvalid, match="no_such_option"):
        open_store(init=False, no_such_option=1)


@clause("Q39")
@assumes("survives_restart")
@needs("claims")
def test_init_twice_is_harmless(store: DataDriverBase, open_store: OpenStore) -> None:
    make(store, "q", k=1)
    post(store, "a")
    made, _ = claimed(store)
    store.init()
    other = open_store()
    assert other.queue_controller.get("q") == {"k": 1}
    assert counts(other) == (0, 1, 1)
    assert bodies(other.claim_controller.get("q", made)[1]) == ["a"]


@clause("Q40")
def test_capabilities_are_a_set_of_the_hosts(store: DataDriverBase) -> None:
    found: Any = store.capabilities
    assert isinstance(found, Features)
    assert set(found) <= set(Capabilities)
    assert len(found) == len(set(found))
    assert list(found) == sorted(found)
    assert found == set(found) == frozenset(found)
    assert {Capabilities.AOD, Capabilities.HIGH_THROUGHPUT} <= found
    for name, member in (("fifo", Capabilities.FIFO), ("claims", Capabilities.CLAIMS), ("durability", Capabilities.DURABILITY)):
        assert (member in found) == bool(getattr(found, name))
    assert (found & {Capabilities.FIFO}) == ({Capabilities.FIFO} if found.fifo else set())
    assert all(value is True or isinstance(value, Gap) for value in vars(found).values())
    # What an instance lacks beside its class, its server's settings do not allow.
    assert [each for each in type(store).BASE_CAPABILITIES if getattr(found, each.name.lower(), True)] == list(found)


@clause("Q41")
def test_health_is_a_self_test(store: DataDriverBase) -> None:
    make(store, "q")
    assert store.is_alive() is True
    health = store.health()
    # A store with pools tells of each of them.
    has_catalogue = health.pop("catalog_reachable", None)
    for found in health.values() if has_catalogue else [health]:
        assert found.keys() == {"storage_reachable", "operation_status"}
        assert found["storage_reachable"] is True
        assert list(found["operation_status"]) == OPERATIONS
        for operation in found["operation_status"].values():
            assert operation.keys() == {"succeeded", "seconds", "ref"}
            assert operation["succeeded"] is True
            assert operation["ref"] is None
            assert 0 <= operation["seconds"] < 60
    assert [(one.project, one.queue) for one in store.depths(100).queues] == [("", "q")]
    assert queues(store) == ["q"]


@clause("Q41", "Q39")
def test_an_engine_that_is_not_there_is_unavailable(target: Target) -> None:
    def ask(store: DataDriverBase) -> None:
        assert store.is_alive() is False
        found = store.health()
        assert found["storage_reachable"] is False
        assert list(found["operation_status"]) == OPERATIONS
        asked = [name for name, one in found["operation_status"].items() if not one["succeeded"]]
        assert {"create_queue", "post_messages", "claim_messages", "list_messages", "delete_queue"} <= set(asked)
        assert all(found["operation_status"][name]["ref"] for name in asked)
        post(store, "a")

    write_is_unavailable(target, ask)


@clause("Q42")
@needs("claims")
def test_an_examination_changes_nothing_and_finds_nothing_wrong(store: DataDriverBase) -> None:
    for n in range(3):
        with at(0):
            if n:
                make(store, f"q{n}")
                post(store, *range(20), queue=f"q{n}")
                made, taken = claimed(store, queue=f"q{n}", limit=5)
                store.message_controller.delete(f"q{n}", taken[0]["id"], claim=made)
                store.queue_controller.delete("q1") if n > 1 else None
        for verify in (False, True):
            before = everything(store, "q2"), store.depths(10)
            found = list(store.diagnose(verify=verify))
            assert [one for one in found if one.level is Level.ERROR] == []
            assert len({one.check for one in found}) == len(found)
            assert (everything(store, "q2"), store.depths(10)) == before


@clause("Q39")
def test_a_store_has_locks_for_its_jobs(store: DataDriverBase) -> None:
    assert store.locks() is not None


@clause("Q39")
def test_drop_removes_everything(store: DataDriverBase, open_store: Any) -> None:
    make(store, "q")
    post(store, "a")
    store.drop()
    store.init()
    assert queues(store) == []
    assert everything(store) == []
    make(store, "q")
    post(store, "b")
    assert listed(store) == ["b"]

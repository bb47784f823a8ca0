"""Subscriptions: made, found, changed, confirmed, and gone when they expire."""

from __future__ import annotations

from typing import Any

import pytest

from undercroft.conformance.markers import assumes, clause, promise
from undercroft.conformance.messaging.data import BEFORE, BEHIND, MALFORMED, OpenStore, at, items, make, subscribe, subscribers
from undercroft.conformance.rows import rows
from undercroft.conformance.threads import numbered
from undercroft.core.errors import InvalidInput
from undercroft.messaging import DataDriverBase, SubscriptionAlreadyExists, SubscriptionDoesNotExist

# Of each pair that an engine may take for the same, both.
URIS = [
    "http://a", "http://A", "http://a/", "http://a ", "mailto:a@b?subject=\u00e9", "mailto:a@b?subject=e\u0301", "http://\U0001f600",
    "%", "'",
    "http://" + "a" * 2_041, "http://" + "a" * 2_040 + "b", "trust+http://a",
]  # fmt: skip


@clause("Q37", "Q36")
def test_a_subscription_is_made_and_found(store: DataDriverBase) -> None:
    controller = store.subscription_controller
    with at(0):
        made = subscribe(store, options={"k": [1, "\U0001f600"]}, queue="never made")
    with at(30 + BEHIND):
        wanted = {
            "id": made, "source": "never made", "subscriber": "http://a", "ttl": 60, "age": 30, "options": {"k": [1, "\U0001f600"]},
            "confirmed": False,
        }  # fmt: skip
        assert controller.get("never made", made) == wanted
        assert controller.get_with_subscriber("never made", "http://a") == wanted
        assert items(controller.list("never made")) == ([wanted], made)
        assert controller.exists("never made", made) is True
        assert store.queue_controller.exists("never made") is False


@clause("Q37")
def test_a_subscriber_has_one_subscription_to_a_queue(store: DataDriverBase) -> None:
    controller = store.subscription_controller
    made = subscribe(store, options={"k": 1})
    assert controller.create("q", "http://a", 500, {"k": 2}) is None
    found = controller.get("q", made)
    assert (found["ttl"], found["options"]) == (60, {"k": 1})
    others = [subscribe(store, queue="r"), subscribe(store, project="p"), subscribe(store, "http://b")]
    assert len({made, *others}) == 4
    controller.delete("q", made)
    assert subscribe(store) != made


@clause("Q37")
@promise("C7", "S3")
def test_subscribers_are_compared_exactly(store: DataDriverBase) -> None:
    made = {uri: subscribe(store, uri) for uri in URIS}
    assert subscribers(store) == URIS
    for uri, name in made.items():
        assert store.subscription_controller.create("q", uri, 60, {}) is None
        found = store.subscription_controller.get_with_subscriber("q", uri)
        assert found is not None
        assert (found["id"], found["subscriber"]) == (name, uri)
    assert store.subscription_controller.get_with_subscriber("q", "http://") is None


@clause("Q35", "Q37")
def test_pages_are_in_the_order_of_making(store: DataDriverBase) -> None:
    uris = [f"http://{n * 7 % 25}" for n in range(25)]
    with at(0):
        for uri in uris:
            subscribe(store, uri)
        subscribe(store, "http://other", queue="r")
        subscribe(store, "http://other", project="p")
        for limit in (1, 2, 7, 24, 25, 100):
            assert subscribers(store, limit) == uris
        found, marker = items(store.subscription_controller.list("q"))
        assert [one["subscriber"] for one in found] == uris[:10]
        assert marker == found[-1]["id"]
        assert items(store.subscription_controller.list("unknown")) == ([], "")


@clause("Q35")
@rows("marker", MALFORMED)
def test_nothing_is_behind_a_malformed_marker(store: DataDriverBase, marker: str) -> None:
    if not subscribers(store):
        subscribe(store, ttl=3_600)
    assert items(store.subscription_controller.list("q", marker=marker)) == ([], "")


@clause("Q35", "Q37")
def test_a_subscriber_whose_subscription_expired_may_be_subscribed(store: DataDriverBase) -> None:
    with at(0):
        old = subscribe(store, ttl=60)
    with at(60 + BEHIND):
        new = subscribe(store, ttl=60, options={"k": 1})
        assert new != old
        assert subscribers(store) == ["http://a"]
        assert store.subscription_controller.get("q", new)["options"] == {"k": 1}


@clause("Q35")
@promise("C5")
def test_a_subscription_expires(store: DataDriverBase) -> None:
    """Then no call finds it, and its subscriber may be subscribed again."""
    controller = store.subscription_controller
    with at(0):
        made = subscribe(store, ttl=60)
        kept = subscribe(store, "http://b", ttl=600)
    with at(60 + BEFORE):
        assert controller.exists("q", made) is True
        assert controller.get("q", made)["age"] == 59
        assert controller.create("q", "http://a", 60, {}) is None
        assert subscribers(store) == subscribers(store, 1) == ["http://a", "http://b"]
    with at(60 + BEHIND):
        assert controller.exists("q", made) is False
        assert controller.get_with_subscriber("q", "http://a") is None
        assert subscribers(store) == subscribers(store, 1) == ["http://b"]
        for ask in (
            lambda: controller.get("q", made),
            lambda: controller.confirm("q", made),
            lambda: controller.update("q", made, ttl=60),
        ):
            with pytest.raises(SubscriptionDoesNotExist):
                ask()
        controller.update("q", kept, subscriber="http://a")
        controller.update("q", kept, subscriber="http://b")
        again = subscribe(store, ttl=60)
        assert again != made
        controller.delete("q", made)
        assert subscribers(store) == ["http://b", "http://a"]


@clause("Q36", "Q38")
@promise("S3")
@rows("name", [*MALFORMED, "", "123456789"])
def test_subscriptions_that_do_not_exist(store: DataDriverBase, name: str) -> None:
    controller = store.subscription_controller
    if not subscribers(store):
        subscribe(store, ttl=3_600)
    assert controller.exists("q", name) is False
    for ask in (
        lambda: controller.get("q", name), lambda: controller.confirm("q", name), lambda: controller.update("q", name, ttl=60),
        lambda: controller.update("q", name, subscriber="http://a"),
    ):  # fmt: skip
        with pytest.raises(SubscriptionDoesNotExist):
            ask()
    controller.delete("q", name)
    assert subscribers(store) == ["http://a"]


@clause("Q36")
@promise("C7")
def test_a_subscription_is_of_its_queue_and_project(store: DataDriverBase) -> None:
    controller = store.subscription_controller
    made = subscribe(store)
    for queue, project in (("r", None), ("q", "p"), ("Q", None)):
        assert controller.exists(queue, made, project) is False
        for ask in (
            lambda queue=queue, project=project: controller.get(queue, made, project),
            lambda queue=queue, project=project: controller.confirm(queue, made, project),
            lambda queue=queue, project=project: controller.update(queue, made, project, ttl=600),
        ):
            with pytest.raises(SubscriptionDoesNotExist):
                ask()
        controller.delete(queue, made, project)
        assert subscribers(store, queue=queue, project=project) == []
    assert controller.get("q", made)["confirmed"] is False


@clause("Q38")
def test_a_subscription_is_changed_in_part(store: DataDriverBase) -> None:
    controller = store.subscription_controller
    with at(0):
        made = subscribe(store, ttl=100, options={"a": 1})
        controller.confirm("q", made)
    with at(50):
        controller.update("q", made, options={"b": [2]})
        found = controller.get("q", made)
        assert (found["options"], found["ttl"], found["age"], found["confirmed"]) == ({"b": [2]}, 100, 50, True)
        controller.update("q", made, subscriber="http://b")
        assert controller.get_with_subscriber("q", "http://a") is None
        assert controller.get("q", made)["subscriber"] == "http://b"
        controller.update("q", made, None, subscriber="http://c", options={}, ttl=100)
        found = controller.get("q", made)
        assert (found["subscriber"], found["options"], found["ttl"], found["age"]) == ("http://c", {}, 100, 0)
    with at(150 + BEFORE):
        assert controller.exists("q", made) is True
    with at(150 + BEHIND):
        assert controller.exists("q", made) is False


@clause("Q38")
def test_no_two_have_one_subscriber(store: DataDriverBase) -> None:
    controller = store.subscription_controller
    first, second = subscribe(store), subscribe(store, "http://b")
    with pytest.raises(SubscriptionAlreadyExists):
        controller.update("q", second, subscriber="http://a", ttl=500)
    assert controller.get("q", second)["ttl"] == 60
    controller.update("q", first, subscriber="http://a")
    subscribe(store, "http://b", queue="r")
    controller.update("q", second, subscriber="http://c")
    controller.update("q", first, subscriber="http://b")
    assert subscribers(store) == ["http://b", "http://c"]


@clause("Q38")
def test_nothing_to_change(store: DataDriverBase) -> None:
    controller = store.subscription_controller
    made = subscribe(store)
    for changes in ({}, {"other": 1}, {"confirmed": True}):
        with pytest.raises(AssertionError, match="nothing to change"):
            controller.update("q", made, **changes)
    with pytest.raises(InvalidInput, match="age"):
        controller.update("q", made, ttl=5, age=1)
    assert controller.get("q", made)["ttl"] == 60


@clause("Q36", "Q37")
def test_a_subscription_is_confirmed(store: DataDriverBase) -> None:
    controller = store.subscription_controller
    made, other = subscribe(store), subscribe(store, "http://b")
    for confirmed in (True, False, True):
        controller.confirm("q", made, confirmed=confirmed)
        assert controller.get("q", made)["confirmed"] is confirmed
        assert [one["confirmed"] for one in items(controller.list("q"))[0]] == [confirmed, False]
    controller.confirm("q", other)
    assert controller.get("q", other)["confirmed"] is True


@clause("Q36")
def test_a_subscription_is_deleted(store: DataDriverBase) -> None:
    made = subscribe(store)
    subscribe(store, "http://b")
    for _ in range(2):
        store.subscription_controller.delete("q", made)
        assert subscribers(store) == ["http://b"]
    with pytest.raises(SubscriptionDoesNotExist, match=f"Subscription {made} does not exist"):
        store.subscription_controller.get("q", made)


@clause("Q37")
@promise("C7")
@rows("options", [{}, None, {"k": None}, {"a.b": {"$c": [1.5, True]}}, {"\u00e9": "\U0001f600\x00"}, {"n": 2**53 + 1}, {"": []}])
def test_options_are_any_object(store: DataDriverBase, options: Any) -> None:
    made = subscribe(store, f"http://{options}", options=options)
    assert repr(store.subscription_controller.get("q", made)["options"]) == repr(options or {})


@clause("Q37")
@promise("C10")
@assumes("concurrent_writers")
def test_of_sixteen_equal_calls_one_makes_it(store: DataDriverBase, open_store: OpenStore) -> None:
    stores = [store, open_store(init=False)]
    make(store, "q")
    for n in range(5):

        def work(number: int, uri: str = f"http://{n}") -> str | None:
            return stores[number % 2].subscription_controller.create("q", uri, 60, {"by": number})

        made = numbered(16, work)
        (only,) = (name for name in made if name is not None)
        assert store.subscription_controller.get("q", only)["options"] == {"by": made.index(only)}
    assert subscribers(store) == [f"http://{n}" for n in range(5)]


@clause("Q38")
@promise("C10")
@assumes("concurrent_writers")
def test_of_eight_that_take_a_subscriber_one_does(store: DataDriverBase, open_store: OpenStore) -> None:
    stores = [store, open_store(init=False)]
    made = [subscribe(store, f"http://{n}") for n in range(8)]

    def take(number: int) -> bool:
        try:
            stores[number % 2].subscription_controller.update("q", made[number], subscriber="http://taken")
        except SubscriptionAlreadyExists:
            return False
        return True

    taken = numbered(8, take)
    assert taken.count(True) == 1
    found = store.subscription_controller.get_with_subscriber("q", "http://taken")
    assert found is not None
    assert found["id"] == made[taken.index(True)]
    assert len(subscribers(store)) == 8

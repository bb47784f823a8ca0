"""Subscriptions outlive their queue, and go by themselves."""

from __future__ import annotations

from undercroft.conformance.messaging.data import at, subscribers
from undercroft.messaging.drivers.redis import DataDriver


def keys(store: DataDriver) -> list[str]:
    return [key.decode() for key in store.store.redis.scan("*:subs*")]


def test_keys_go_with_the_last_subscription(store: DataDriver) -> None:
    """A queue that is never asked for again keeps nothing for ever."""
    store.subscription_controller.create("q", "http://a", 60, {})
    store.subscription_controller.create("q", "http://b", 3_600, {})
    assert len(keys(store)) == 4
    for key in keys(store):
        assert 3_600 < store.store.redis.command(key, "TTL", key) <= 3_600 + 86_400
    for one in list(next(store.subscription_controller.list("q"))):
        store.subscription_controller.delete("q", one["id"])
    assert keys(store) == []


def test_expired_ones_are_removed_by_a_list(store: DataDriver) -> None:
    with at(0):
        for number in range(30):
            store.subscription_controller.create("q", f"http://{number}", 5 if number % 3 else 500, {})
    with at(10):
        assert subscribers(store, 4) == [f"http://{number}" for number in range(0, 30, 3)]
        base = store.store.base("", "q")
        assert store.store.redis.command(base, "ZCARD", f"{base}:subs_ends") == 10


def test_ids_of_one_millisecond_are_in_order(store: DataDriver) -> None:
    with at(0):
        made = [store.subscription_controller.create("q", f"http://{number}", 60, {}) for number in range(50)]
    assert made == sorted({one for one in made if one is not None})

"""Pools, flavors and the catalogue: what is kept of them."""

from __future__ import annotations

from undercroft.conformance.messaging.data import at
from undercroft.messaging.drivers.redis import DataDriver


def keys(store: DataDriver) -> set[str]:
    return {key.decode() for key in store.store.redis.scan("*")}


def test_nothing_stays_of_what_was_removed(store: DataDriver) -> None:
    pools, flavors = store.control_driver.pools_controller, store.control_driver.flavors_controller
    catalogue = store.control_driver.catalogue_controller
    for _ in range(2):
        pools.create("a", 1, "redis://a", "f", {"x": 1})
        pools.create("a", 1, "redis://b", "g")
        pools.update("a", uri="redis://c", flavor="f")
        pools.create("b", 1, "redis://a", "f")
        flavors.create("f", "p")
        flavors.create("f", "p", {"x": 1})
        catalogue.insert("p", "q", "a")
        assert len(keys(store)) == 10
        flavors.delete("f", "p")
        pools.delete("a")
        pools.delete("b")
        catalogue.delete("p", "q")
        assert keys(store) == {"{undercroft:catalogue}:last"}


def test_versions_after_a_server_has_lost_the_last_ones(store: DataDriver) -> None:
    catalogue = store.control_driver.catalogue_controller
    with at(0):
        for _ in range(3):
            catalogue.insert("p", "q", "a")
        lost = catalogue._find("p", "q")
        store.store.redis.command(None, "FLUSHALL", writes=True)
    with at(1):
        catalogue.insert("p", "q", "b")
        assert not catalogue._put("p", "q", "c", b"", lost.version)
        assert not catalogue._remove("p", "q", lost.version)
        assert catalogue.get("p", "q")["pool"] == "b"
        assert catalogue._find("p", "q").version > lost.version

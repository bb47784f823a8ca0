"""Pools: how they are registered, found, changed and removed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from undercroft.conformance.markers import assumes, clause, promise
from undercroft.conformance.messaging.data import OpenStore, items
from undercroft.conformance.rows import rows
from undercroft.conformance.threads import numbered, together
from undercroft.core import registry
from undercroft.core.errors import InvalidInput, WrongType
from undercroft.messaging import (
    Capabilities,
    DataDriverBase,
    PoolAlreadyExists,
    PoolCapabilitiesMismatch,
    PoolDoesNotExist,
    PoolInUseByFlavor,
    PoolsBase,
)

OURS = tuple(Capabilities)
# Of a driver that every installation has; nothing is opened.
SCHEME = registry.schemes("messaging")[-1]
GIVEN: dict[str, Any] = {"name": "a", "weight": 1, "uri": f"{SCHEME}:///a.db"}
Works = list[Callable[[], Any]]
# Those that sort by code point in another order than by letters, and those that an engine may take for the same.
NAMES = ["a", "B", "b", "b ", "b.", "b%", "\u00e9", "e\u0301", "\uffff", "\U0001f600", "z" * 255]


@pytest.fixture
def pools(store: DataDriverBase) -> Iterator[PoolsBase]:
    found: PoolsBase = store.control_driver.pools_controller
    # A store with pools has some from the start, and would open those of the test.
    found.drop_all()
    yield found
    found.drop_all()


def names(pools: PoolsBase, limit: int) -> list[str]:
    """The names of all pages."""
    seen: list[str] = []
    while True:
        found, marker = items(pools.list(seen[-1] if seen else None, limit))
        assert marker == (found[-1]["name"] if found else "")
        if not found:
            return seen
        assert len(found) <= limit
        seen += [each["name"] for each in found]


@clause("P1", "P4")
def test_a_pool_is_registered_and_found(pools: PoolsBase) -> None:
    assert pools.exists("a") is False
    pools.create("a", 100, f"{SCHEME}:///a.db", options={"k": [1, {"\u00e9": None}]})
    pools.create("b", 0, f"{SCHEME}:///b.db", flavor="gold")
    assert pools.exists("a") is True
    plain = {"name": "a", "uri": f"{SCHEME}:///a.db", "weight": 100, "flavor": None}
    assert pools.get("a") == plain
    assert pools.get("a", detailed=True) == plain | {"options": {"k": [1, {"\u00e9": None}]}}
    other = {"name": "b", "uri": f"{SCHEME}:///b.db", "weight": 0, "flavor": "gold", "options": {}}
    assert pools.get("b", True) == other
    with pytest.raises(PoolDoesNotExist, match="Pool c does not exist"):
        pools.get("c")


@clause("P4")
def test_a_pool_that_is_registered_anew_is_replaced(pools: PoolsBase) -> None:
    pools.create("a", 1, f"{SCHEME}:///a.db", "gold", {"k": 1})
    pools.create(options=None, uri=f"{SCHEME}:///other.db", weight=2**32 - 1, name="a")
    assert pools.get("a", True) == {
        "name": "a",
        "uri": f"{SCHEME}:///other.db",
        "weight": 2**32 - 1,
        "flavor": None,
        "options": {},
    }
    # Its URI is free again.
    pools.create("b", 1, f"{SCHEME}:///a.db")
    assert pools.get_pools_by_flavor({"name": "gold"}) == []


@clause("P4", "P7")
def test_no_two_pools_have_one_uri(pools: PoolsBase) -> None:
    uri = f"{SCHEME}:///" + "x" * 2_000
    pools.create("a", 1, uri)
    pools.create("b", 1, uri + "x", "gold")
    before = pools.list(limit=0, detailed=True)
    works: Works = [
        lambda: pools.create("c", 1, uri),
        lambda: pools.create("b", 2, uri),
        lambda: pools.update("b", uri=uri, weight=2),
    ]
    for work in works:
        with pytest.raises(PoolAlreadyExists):
            work()
    assert items(pools.list(limit=0, detailed=True)) == items(before)
    pools.create("a", 2, uri)
    pools.update("a", uri=uri, weight=3)
    assert pools.get("a")["weight"] == 3


@clause("P3")
@promise("C7", "S3")
def test_pools_are_listed_in_the_order_of_their_names(pools: PoolsBase) -> None:
    assert items(pools.list()) == ([], "")
    for name in NAMES:
        pools.create(name, 1, f"{SCHEME}:///{name}.db")
    for limit in (1, 3, 10, 100):
        assert names(pools, limit) == sorted(NAMES)
    found, marker = items(pools.list(limit=0))
    assert [each["name"] for each in found] == sorted(NAMES)
    assert marker == "\U0001f600"
    assert all(each.keys() == {"name", "uri", "weight", "flavor"} for each in found)
    assert len(items(pools.list())[0]) == 10
    # A marker is a place, whether a pool has that name or not.
    assert [each["name"] for each in items(pools.list("a", 2))[0]] == ["b", "b "]
    assert [each["name"] for each in items(pools.list("aa", 1))[0]] == ["b"]
    assert [each["options"] for each in items(pools.list("b ", 2, detailed=True))[0]] == [{}, {}]
    assert items(pools.list("\U0001f600")) == ([], "")


@clause("P3")
def test_a_limit_of_0_means_all(pools: PoolsBase) -> None:
    for number in range(25):
        pools.create(f"p{number:02}", 1, f"{SCHEME}:///{number}.db")
    assert len(items(pools.list(limit=0))[0]) == 25
    assert [each["name"] for each in items(pools.list("p22", 0))[0]] == ["p23", "p24"]


@clause("P5")
def test_the_pools_of_a_flavor(pools: PoolsBase) -> None:
    for name, flavor in (("d", "gold"), ("a", None), ("c", "Gold"), ("b", "gold")):
        pools.create(name, 1, f"{SCHEME}:///{name}.db", flavor, {"of": name})

    def of(*given: Any, **named: Any) -> list[str]:
        return [each["name"] for each in pools.get_pools_by_flavor(*given, **named)]

    assert of({"name": "gold"}) == ["b", "d"]
    assert of({"name": "Gold"}) == ["c"]
    assert of({"name": "other"}) == []
    assert of() == of(None) == of({}) == of({"name": None}) == ["a", "b", "c", "d"]
    assert [each["options"] for each in pools.get_pools_by_flavor({"name": "gold"}, detailed=True)] == [{"of": "b"}, {"of": "d"}]
    assert "options" not in pools.get_pools_by_flavor({"name": "gold"})[0]


@clause("P7")
def test_fields_of_a_pool_are_changed(pools: PoolsBase) -> None:
    pools.create("a", 1, f"{SCHEME}:///a.db", "gold", {"k": 1})
    pools.create("b", 1, f"{SCHEME}:///b.db", "gold", {"k": 1})
    wanted = pools.get("a", True)
    changes: list[dict[str, Any]] = [
        {"weight": 0},
        {"uri": f"{SCHEME}:///c.db"},
        {"options": {}},
        {"flavor": "silver"},
        {"weight": 7, "uri": f"{SCHEME}:///a.db", "flavor": "gold", "options": {"l": [2]}},
        # As it is already.
        {"weight": 7},
    ]
    for change in changes:
        pools.update("a", **change)
        wanted |= change
        assert pools.get("a", True) == wanted
    pools.update("a", weight=8, uri=None, flavor=None, options=None)
    assert pools.get("a", True) == wanted | {"weight": 8}
    pools.update("a", flavor="")
    assert pools.get("a")["flavor"] is None
    assert pools.get("b", True) == {"name": "b", "uri": f"{SCHEME}:///b.db", "weight": 1, "flavor": "gold", "options": {"k": 1}}


@clause("P7")
def test_a_change_of_nothing_or_of_an_unknown_pool_is_refused(pools: PoolsBase) -> None:
    pools.create("a", 1, f"{SCHEME}:///a.db")
    for given in ({}, {"weight": None}, {"unknown": 1}):
        with pytest.raises(AssertionError):
            pools.update("a", **given)
    with pytest.raises(InvalidInput):
        pools.update("a", weight=1, unknown=1)
    changes: list[dict[str, Any]] = [{"weight": 1}, {"uri": f"{SCHEME}:///b.db"}, {"flavor": ""}, {"flavor": "f"}, {"options": {}}]
    for change in changes:
        with pytest.raises(PoolDoesNotExist, match="Pool b does not exist"):
            pools.update("b", **change)
    assert items(pools.list(limit=0))[0] == [pools.get("a")]


@clause("P6")
def test_a_pool_is_removed(pools: PoolsBase) -> None:
    pools.create("a", 1, f"{SCHEME}:///a.db")
    pools.create("b", 1, f"{SCHEME}:///b.db", "gold")
    for _ in range(2):
        pools.delete("a")
        # No such flavor was made.
        pools.delete("b")
        pools.delete("unknown")
    assert items(pools.list()) == ([], "")
    pools.create("c", 1, f"{SCHEME}:///a.db")


@clause("P6")
@rows("project", [None, "p"])
def test_the_last_pool_of_a_flavor_stays(store: DataDriverBase, pools: PoolsBase, project: str | None) -> None:
    flavors = store.control_driver.flavors_controller
    flavors.create("gold", project)
    for name in ("a", "b"):
        pools.create(name, 1, f"{SCHEME}:///{name}.db", "gold")
    pools.create("c", 1, f"{SCHEME}:///c.db", "silver")
    pools.delete("a")
    with pytest.raises(PoolInUseByFlavor) as raised:
        pools.delete("b")
    assert raised.value.flavor == "gold"
    assert pools.exists("b")
    pools.delete("c")
    flavors.delete("gold", project)
    pools.delete("b")
    assert pools.exists("b") is False


@clause("P6", "P7")
def test_a_pool_that_left_its_flavor_may_go(store: DataDriverBase, pools: PoolsBase) -> None:
    store.control_driver.flavors_controller.create("gold", "p")
    pools.create("a", 1, f"{SCHEME}:///a.db", "gold")
    pools.update("a", flavor="")
    pools.delete("a")
    assert pools.exists("a") is False


@clause("P6")
def test_all_pools_are_removed(store: DataDriverBase, pools: PoolsBase) -> None:
    store.control_driver.flavors_controller.create("gold")
    for name in ("a", "b"):
        pools.create(name, 1, f"{SCHEME}:///{name}.db", "gold")
    pools.drop_all()
    pools.drop_all()
    assert items(pools.list(limit=0)) == ([], "")
    pools.create("c", 1, f"{SCHEME}:///a.db")


@clause("P8")
def test_what_pools_offer_is_what_their_drivers_do(pools: PoolsBase) -> None:
    assert pools.capabilities() == pools.capabilities({"name": "gold"}) == ()
    pools.create("b", 1, f"{SCHEME}:///b.db", "gold")
    pools.create("c", 1, f"undercroft+{SCHEME}:///c.db", "silver")
    pools.create("d", 1, "nothing://of.ours", "bronze")
    pools.create("e", 1, "no scheme at all")
    assert pools.capabilities() == pools.capabilities({"name": "gold"}) == pools.capabilities(name="b") == OURS
    assert pools.capabilities({"name": "silver"}) == pools.capabilities(flavor=None, name="c") == OURS
    assert pools.capabilities({"name": "bronze"}) == pools.capabilities(name="d") == pools.capabilities(name="e") == ()
    with pytest.raises(PoolDoesNotExist):
        pools.capabilities(name="other")


@clause("P4", "P7")
def test_pools_of_a_flavor_offer_the_same(pools: PoolsBase) -> None:
    pools.create("a", 1, f"{SCHEME}:///a.db", "gold")
    pools.create("b", 1, "nothing://of.ours")
    pools.create("c", 1, "nothing://else.of.ours", "silver")
    before = items(pools.list(limit=0, detailed=True))
    works: Works = [
        lambda: pools.create("d", 1, "nothing://d", "gold"),
        lambda: pools.create("b", 1, "nothing://b", "gold"),
        lambda: pools.update("b", flavor="gold"),
        lambda: pools.update("a", uri="nothing://a"),
    ]
    for work in works:
        with pytest.raises(PoolCapabilitiesMismatch):
            work()
    assert items(pools.list(limit=0, detailed=True)) == before
    # Of its flavor it is the only one, and what it offered is not known.
    pools.create("a", 1, "nothing://a", "gold")
    pools.update("c", uri=f"{SCHEME}:///c.db")


@clause("P2")
@promise("S7")
def test_a_uri_is_in_no_error(pools: PoolsBase) -> None:
    uri = f"{SCHEME}://user:hunter2@host/db"
    pools.create("a", 1, uri)
    works: Works = [
        lambda: pools.create("b", 1, uri),
        lambda: pools.create("b", 1, "nothing://u:hunter2@h/" + "x" * 3_000),
        lambda: pools.create("b", 1, uri + "\0"),
        lambda: pools.create("b", -1, uri),
        lambda: pools.update("a", uri="nothing://u:hunter2@h"),
    ]
    for work in works:
        with pytest.raises((PoolAlreadyExists, PoolCapabilitiesMismatch, InvalidInput)) as raised:
            work()
        assert "hunter2" not in f"{raised.value!r} {raised.value}"


@clause("P1", "P4")
@rows(
    "given",
    [
        {"name": ""}, {"name": "a" * 256}, {"name": "a\0"}, {"weight": -1}, {"weight": 2**32}, {"uri": ""}, {"uri": "x" * 2_049},
        {"flavor": "f" * 256}, {"flavor": "\ud800"}, {"options": {"k": float("nan")}},
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_refused(pools: PoolsBase, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        pools.create(**GIVEN | given)
    assert items(pools.list(limit=0)) == ([], "")


@clause("P1", "P4")
@rows(
    "given",
    [{"name": None}, {"name": 1}, {"weight": "1"}, {"weight": True}, {"weight": 1.0}, {"uri": None}, {"uri": b"x"}, {"flavor": 1},
     {"options": []}, {"options": "x"}],
)  # fmt: skip
def test_what_is_of_another_type_is_refused(pools: PoolsBase, given: dict[str, Any]) -> None:
    with pytest.raises(WrongType):
        pools.create(**GIVEN | given)


@clause("P3")
@rows("limit", [-1, True, "1", 10_001, None, 1.0])
def test_a_limit_is_a_whole_number(pools: PoolsBase, limit: Any) -> None:
    with pytest.raises((InvalidInput, WrongType)):
        pools.list(limit=limit)


@clause("P1", "P4", "P6", "P7")
def test_a_change_is_seen_through_every_object_at_once(pools: PoolsBase, open_store: OpenStore) -> None:
    mine, other = pools, open_store(init=False).control_driver.pools_controller
    for weight in range(1, 4):
        mine.create("a", weight, f"{SCHEME}:///a.db")
        assert other.get("a")["weight"] == weight
        other.update("a", weight=weight * 10)
        assert mine.get("a")["weight"] == weight * 10
        mine.delete("a")
        assert other.exists("a") is False
        assert items(other.list()) == ([], "")


@clause("P4")
@promise("C10")
@assumes("concurrent_writers")
def test_of_pools_with_one_uri_at_once_one_is_registered(pools: PoolsBase) -> None:
    def register(uri: str, number: int) -> bool:
        try:
            pools.create(f"p{number}", 1, uri)
        except PoolAlreadyExists:
            return False
        return True

    for n in range(5):
        uri = f"{SCHEME}:///{n}.db"
        done = numbered(6, functools.partial(register, uri))
        assert [each["uri"] for each in items(pools.list(limit=0))[0]].count(uri) == 1
        assert done.count(True) == 1
        pools.drop_all()


@clause("P6")
@promise("C10")
@assumes("concurrent_writers")
def test_of_pools_that_are_removed_at_once_one_stays(store: DataDriverBase, pools: PoolsBase) -> None:
    store.control_driver.flavors_controller.create("gold")

    def remove(name: str) -> bool:
        try:
            pools.delete(name)
        except PoolInUseByFlavor:
            return False
        return True

    for _ in range(5):
        those = ["a", "b", "c"]
        for name in those:
            pools.create(name, 1, f"{SCHEME}:///{name}.db", "gold")
        done = together(*(functools.partial(remove, name) for name in those))
        assert sorted(done) == [False, True, True]
        assert len(pools.get_pools_by_flavor({"name": "gold"})) == 1
        pools.drop_all()

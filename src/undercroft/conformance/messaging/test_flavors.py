"""Flavors: how they are made, found, changed and removed."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from undercroft.conformance.markers import assumes, clause, promise
from undercroft.conformance.messaging.data import OpenStore, items
from undercroft.conformance.rows import rows
from undercroft.conformance.threads import numbered
from undercroft.core.errors import InvalidInput, WrongType
from undercroft.messaging import Capabilities, DataDriverBase, FlavorDoesNotExist, FlavorsBase

NAMES = ["a", "B", "b", "b ", "b%", "\u00e9", "e\u0301", "\uffff", "\U0001f600", "z" * 255]
JSON: list[Any] = [{}, {"fifo": True, "n": [1, None]}, ["FIFO"], [], "x", 0, False, 2**53 + 1, {"\U0001f600.$": "a\x00b"}]


@pytest.fixture
def flavors(store: DataDriverBase) -> FlavorsBase:
    found: FlavorsBase = store.control_driver.flavors_controller
    return found


@clause("P9", "P10")
def test_a_flavor_is_made_and_found(flavors: FlavorsBase) -> None:
    assert flavors.exists("gold") is False
    flavors.create("gold", capabilities={"fifo": True})
    assert flavors.exists("gold") is True
    assert flavors.get("gold") == {"name": "gold"}
    assert flavors.get("gold", detailed=True) == {"name": "gold", "capabilities": {"fifo": True}}
    flavors.create("gold")
    assert flavors.get("gold", None, True) == {"name": "gold", "capabilities": {}}
    with pytest.raises(FlavorDoesNotExist, match="Flavor silver does not exist"):
        flavors.get("silver")


@clause("P9")
@promise("S1")
def test_a_flavor_is_of_its_project(flavors: FlavorsBase) -> None:
    flavors.create("gold", "p", {"k": 1})
    flavors.create("gold", "P", {"k": 2})
    flavors.create("gold", "", {"k": 3})
    assert [flavors.get("gold", each, True)["capabilities"]["k"] for each in ("p", "P", None)] == [1, 2, 3]
    flavors.update("gold", "p", {"k": 4})
    flavors.delete("gold", "P")
    assert flavors.exists("gold", "P") is False
    assert flavors.get("gold", "p", True)["capabilities"] == {"k": 4}
    assert flavors.get("gold", detailed=True)["capabilities"] == {"k": 3}
    assert items(flavors.list("p")) == ([{"name": "gold"}], "gold")
    assert items(flavors.list("P")) == ([], "")
    with pytest.raises(FlavorDoesNotExist):
        flavors.get("gold", "P")
    for project, is_anywhere in (("p", True), (None, False)):
        flavors.delete("gold", project)
        assert flavors.is_anywhere("gold") is is_anywhere
    assert flavors.is_anywhere("GOLD") is False


@clause("P10")
@promise("C7", "S3")
@rows("value", JSON)
def test_capabilities_are_any_json(flavors: FlavorsBase, value: Any) -> None:
    flavors.create("gold", "p", value)
    assert repr(flavors.get("gold", "p", True)["capabilities"]) == repr(value)
    flavors.create("silver", "p", {"other": 1})
    flavors.update("silver", "p", value)
    assert repr(items(flavors.list("p", "gold", detailed=True))[0][0]["capabilities"]) == repr(value)


@clause("P10")
def test_what_pools_offer_may_be_kept_as_it_is(flavors: FlavorsBase) -> None:
    flavors.create("gold", capabilities=tuple(Capabilities))
    assert flavors.get("gold", detailed=True)["capabilities"] == [1, 2, 3, 4, 5]


@clause("P3", "P9")
def test_flavors_are_listed_in_the_order_of_their_names(flavors: FlavorsBase) -> None:
    for name in NAMES:
        flavors.create(name, "p", {"of": name})
    flavors.create("other", "q")
    assert [each["name"] for each in items(flavors.list("p", limit=0))[0]] == sorted(NAMES)
    for limit in (1, 3, 9):
        seen: list[str] = []
        while page := items(flavors.list("p", seen[-1] if seen else None, limit))[0]:
            seen += [each["name"] for each in page]
        assert seen == sorted(NAMES)
    assert items(flavors.list("p", "a", 1, detailed=True)) == ([{"name": "b", "capabilities": {"of": "b"}}], "b")
    assert items(flavors.list("p", "\U0001f600")) == ([], "")
    assert items(flavors.list()) == ([], "")


@clause("P11")
def test_what_a_flavor_offers_is_changed(flavors: FlavorsBase) -> None:
    flavors.create("gold", "p", {"k": 1})
    for value in ({"k": 2}, {"k": 2}, {}):
        flavors.update("gold", "p", capabilities=value)
        assert flavors.get("gold", "p", True)["capabilities"] == value
    with pytest.raises(AssertionError):
        flavors.update("gold", "p")
    with pytest.raises(FlavorDoesNotExist, match="Flavor gold does not exist"):
        flavors.update("gold", "q", {})
    assert flavors.exists("gold", "q") is False


@clause("P9")
def test_a_flavor_is_removed(flavors: FlavorsBase) -> None:
    for name in ("a", "b"):
        flavors.create(name, "p")
        flavors.create(name)
    for _ in range(2):
        flavors.delete("a", "p")
        flavors.delete("unknown")
    assert [flavors.exists(*each) for each in (("a", "p"), ("a",), ("b", "p"))] == [False, True, True]
    flavors.drop_all()
    flavors.drop_all()
    assert [flavors.exists(*each) for each in (("a", "p"), ("a",), ("b", "p"))] == [False, False, False]


@clause("P9", "P10")
def test_bad_arguments_of_flavors_are_refused(flavors: FlavorsBase) -> None:
    for bad in ("", "a" * 256, "a\0", "\ud800"):
        with pytest.raises(InvalidInput):
            flavors.create(bad)
    wrong: list[dict[str, Any]] = [{"name": 1}, {"name": "a", "project": 1}]
    for given in wrong:
        with pytest.raises(WrongType):
            flavors.create(**given)
    for value in (float("inf"), object()):
        with pytest.raises(InvalidInput):
            flavors.create("a", capabilities=value)
        with pytest.raises(InvalidInput):
            flavors.update("a", capabilities=value)
    assert items(flavors.list(limit=0)) == ([], "")


@clause("P9", "P10", "P11")
def test_a_change_is_seen_through_every_object_at_once(store: DataDriverBase, open_store: OpenStore) -> None:
    mine, other = (each.control_driver.flavors_controller for each in (store, open_store(init=False)))
    for n in range(3):
        mine.create("a", "p", {"n": n})
        assert other.get("a", "p", True)["capabilities"] == {"n": n}
        other.update("a", "p", {"n": -n})
        assert mine.get("a", "p", True)["capabilities"] == {"n": -n}
        mine.delete("a", "p")
        assert other.exists("a", "p") is False


@clause("P10")
@assumes("concurrent_writers")
def test_flavors_that_are_made_at_once(flavors: FlavorsBase) -> None:
    def make(name: str, number: int) -> None:
        flavors.create(name, "p", {"by": number})

    for n in range(5):
        numbered(6, functools.partial(make, f"f{n}"))
        assert flavors.get(f"f{n}", "p", True)["capabilities"]["by"] in range(6)
    assert len(items(flavors.list("p", limit=0))[0]) == 5

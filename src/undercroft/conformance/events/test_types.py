"""Event types, their traits, and the traits' values."""

from __future__ import annotations

from undercroft.conformance.clock import now
from undercroft.conformance.events.data import START, event, moment, real, text, trait_types, traits, whole
from undercroft.conformance.markers import assumes, clause, needs
from undercroft.events import Store, Trait

pytestmark = needs("read")


@clause("E18")
def test_types_are_sorted_by_code_point(store: Store) -> None:
    kinds = ["b", "B", "a", "á", "\U0001f600", "\uffff", "ﬀ", "a.b", "a b", "10", "9", "_"]
    store.record_events([event(f"m{n}", kind=kind) for n, kind in enumerate(kinds * 2)])
    assert list(store.get_event_types()) == sorted(kinds)


@clause("E18", "E19")
@assumes("read")
@needs("expire")
def test_a_type_goes_with_its_last_event(store: Store) -> None:
    store.record_events([event("a", text("x", "1"), kind="old", at=-1_000), event("b", text("y", "1"), kind="new", at=0)])
    with now(START):
        assert store.clear_expired_data(500) == 1
    assert list(store.get_event_types()) == ["new"]
    assert trait_types(store, "old") == []
    assert traits(store, "old") == []
    store.record_events([event("c", whole("z", 1), kind="old")])
    assert list(store.get_event_types()) == ["new", "old"]
    assert trait_types(store, "old") == [("z", 2)]


@clause("E19")
@assumes("read")
@needs("expire")
def test_a_trait_goes_with_its_last_event(store: Store) -> None:
    store.record_events(
        [
            event("a", text("x", "1"), text("project_id", "p"), whole("n", 1), at=-1_000),
            event("b", text("y", "1"), text("user_id", "u"), at=0),
        ]
    )
    assert sorted(trait_types(store, "thing.made")) == [("n", 2), ("project_id", 1), ("user_id", 1), ("x", 1), ("y", 1)]
    with now(START):
        store.clear_expired_data(500)
    assert sorted(trait_types(store, "thing.made")) == [("user_id", 1), ("y", 1)]


@clause("E19")
def test_traits_of_a_type(store: Store) -> None:
    store.record_events(
        [
            event("a", text("x", "1"), whole("x", 1), text("project_id", "p"), kind="one"),
            event("b", text("x", "2"), real("f", 1.0), moment("m", START), kind="one"),
            event("c", text("other", "1"), kind="two"),
            event("d", Trait("n", Trait.NONE_TYPE, "v"), whole("project_id", 7), kind="three"),
            event("e", kind="none"),
        ]
    )
    found = trait_types(store, "one")
    assert len(found) == len(set(found))
    assert set(found) == {("x", 1), ("x", 2), ("project_id", 1), ("f", 3), ("m", 4)}
    assert trait_types(store, "two") == [("other", 1)]
    assert set(trait_types(store, "three")) == {("n", 1), ("project_id", 2)}
    for kind in ("none", "unknown", "ONE", ""):
        assert trait_types(store, kind) == []


@clause("E20")
def test_values_are_grouped_by_type_and_name(store: Store) -> None:
    store.record_events(
        [
            event(
                "a",
                moment("m", START),
                real("b", 2.5),
                real("a", 1.5),
                whole("z", 1),
                text("k", "1"),
                text("user_id", "u"),
                kind="t",
            ),
            event("b", whole("k", 5), text("k", "1"), text("a", "0"), kind="t"),
            event("c", text("k", "other"), kind="other"),
        ]
    )
    found = traits(store, "t")
    assert [trait[:2] for trait in found] == [
        ("a", 1), ("k", 1), ("k", 1), ("user_id", 1), ("k", 2), ("z", 2), ("a", 3), ("b", 3), ("m", 4)
    ]  # fmt: skip
    assert [trait[2] for trait in found] == ["0", "1", "1", "u", 5, 1, 1.5, 2.5, START]
    assert traits(store, "t", "k") == [("k", 1, "1"), ("k", 1, "1"), ("k", 2, 5)]
    assert traits(store, "t", "user_id") == [("user_id", 1, "u")]
    assert traits(store, "t", "K") == traits(store, "unknown") == traits(store, "t", "nothing") == []
    assert all(isinstance(trait, Trait) for trait in store.get_traits("t"))

"""The object itself: signatures, forms, construction, options, upgrade, an engine that does not answer."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from undercroft.conformance.absent import write_is_unavailable
from undercroft.conformance.events.data import START, OpenStore, event, everything, found, ids, moment, real, text, whole
from undercroft.conformance.markers import assumes, clause, essential, needs
from undercroft.conformance.plugin import Target
from undercroft.conformance.rows import rows
from undercroft.core.errors import ConfigInvalid
from undercroft.core.findings import Level
from undercroft.events import Connection, Event, EventFilter, Store, Trait

pytestmark = essential

METHODS = [
    "upgrade", "clear", "record_events", "get_events", "get_event_types", "get_trait_types", "get_traits", "clear_expired_data",
    "get_capabilities", "get_storage_capabilities", "tail", "tail_end", "cursor_key", "diagnose", "init", "drop", "close", "locks",
]  # fmt: skip
# They check arguments and make models, for all drivers. `clear_expired_data` may be extended, and is asked of each.
INHERITED = [
    "record_events", "store_events", "get_events", "get_event_types", "get_trait_types", "get_traits", "tail",
    "tail_end", "cursor_key", "count_events", "init",
]  # fmt: skip


@clause("E1")
@assumes("read")
def test_the_base_class_checks_the_arguments(store: Store) -> None:
    """What it refuses is tested with it, not with every driver; a driver writes the methods that begin with `_`."""
    assert [name for name in INHERITED if getattr(type(store), name) is not getattr(Store, name)] == []


@clause("E1")
@rows("method", METHODS)
def test_signatures_are_the_contracts(store: Store, method: str) -> None:
    # Of the object, because the seed's drivers have some methods in a form that needs none.
    wanted, ours = getattr(Store, method), getattr(store, method)
    names = [(p.name, p.kind, p.default) for p in inspect.signature(wanted).parameters.values() if p.name != "self"]
    assert [(p.name, p.kind, p.default) for p in inspect.signature(ours).parameters.values()] == names


@clause("E1")
def test_the_store_is_one_of_the_contract(store: Store) -> None:
    assert isinstance(store, Connection)
    answers = bool(store.capabilities.read)
    for asked in (store, type(store)):
        assert asked.get_capabilities() == {"events": {"query": {"simple": answers}}} == asked.CAPABILITIES
        assert asked.get_storage_capabilities() == {"storage": {"production_ready": answers}} == asked.STORAGE_CAPABILITIES


@clause("E1")
@needs("read")
def test_every_argument_may_be_given_by_name_or_in_order(store: Store) -> None:
    store.record_events(events=[event("a", text("x", "1"))])
    store.record_events(event_models=[event("b", text("y", "2"))])
    store.record_events([event("c", text("x", "3"))])
    page = {"limit": 2}
    named = list(store.get_events(event_filter=EventFilter(), pagination=page))
    assert named == list(store.get_events(EventFilter(), page))
    assert [each.message_id for each in named] == ["a", "b"]
    assert list(store.get_trait_types(event_type="thing.made")) == list(store.get_trait_types("thing.made"))
    for asked in (store.get_traits(event_type="thing.made", trait_type="x"), store.get_traits("thing.made", trait_name="x")):
        assert sorted(trait.value for trait in asked) == ["1", "3"]


@clause("E1")
@needs("read")
def test_answers_are_of_the_contracts_types(store: Store) -> None:
    store.record_events([event("a", text("x", "1"))])
    (one,) = store.get_events(EventFilter())
    assert isinstance(one, Event)
    assert all(isinstance(trait, Trait) for trait in one.traits or ())
    assert one.generated.tzinfo is None
    assert one == event("a", text("x", "1"))


@clause("E2")
@needs("read")
def test_the_constructor_opens_the_store(store: Store, open_store: Any) -> None:
    other = type(store)(open_store.url, None)
    other.close()
    parameters = list(inspect.signature(type(store).__init__).parameters)
    assert parameters[:3] == ["self", "url", "conf"]
    assert everything(store) == []


@clause("E2")
def test_an_unknown_option_is_refused(target: Target, open_store: OpenStore) -> None:
    with pytest.raises(ConfigInvalid, match="no_such_option"):
        open_store(init=False, no_such_option=1)


@clause("E3")
@needs("read")
def test_upgrade_twice_is_harmless(store: Store, open_store: OpenStore) -> None:
    store.record_events([event("a")])
    store.upgrade()
    open_store()
    assert ids(store) == ["a"]


@clause("E4")
@needs("read")
@pytest.mark.usefixtures("examined")
def test_clear_removes_everything_and_the_store_goes_on(store: Store) -> None:
    store.record_events([event("a", text("project_id", "p")), event("b", text("x", "1"), kind="other")])
    store.clear()
    assert everything(store) == []
    assert list(store.get_event_types()) == []
    assert list(store.get_trait_types("thing.made")) == []
    assert list(store.get_traits("other")) == []
    store.record_events([event("a", text("x", "2"))])
    assert [each.traits for each in everything(store)] == [(("x", 1, "2"),)]
    assert list(store.get_event_types()) == ["thing.made"]
    store.clear()
    store.clear()
    assert everything(store) == []


@clause("E26")
@pytest.mark.parametrize("verify", [False, True])
def test_an_examination_changes_nothing_and_finds_nothing_wrong(store: Store, verify: bool) -> None:
    kept = bool(store.capabilities.read)
    given = (text("project_id", "p"), text("user_id", "u"), text("x", "1"), whole("n", 1), real("f", 0.5), moment("at", START))
    events = [event(f"m{n}", *given[: n % 7], kind=f"k{n % 3}", at=n) for n in range(50)]
    for batch, says in (([], "none"), (events, f"of 3 types, the first of {START:%Y-%m-%d}")):
        store.record_events(batch)
        before = everything(store) if kept else []
        told = list(store.diagnose(verify=verify))
        assert [one for one in told if one.level is Level.ERROR] == []
        assert len({one.check for one in told}) == len(told)
        assert next(one.found for one in told if one.check == "events") == (says if kept else "are not read again")
        assert (everything(store) if kept else []) == before


@clause("E2")
def test_an_engine_that_is_not_there_is_unavailable(target: Target) -> None:
    write_is_unavailable(target, lambda store: store.record_events([event("a")]))


@clause("E16")
@needs("filter_traits")
def test_filter_and_pagination_are_not_changed(store: Store) -> None:
    store.record_events([event("a", text("x", "1")), event("b", text("x", "1"))])
    tests = [{"key": "x", "op": "eq", "string": "1", "integer": None}]
    asked = EventFilter(traits_filter=tests, event_type="thing.made")
    page: dict[str, Any] = {"limit": 5, "marker": "a", "sort": [("generated", "asc")]}
    for _ in range(2):
        assert [each.message_id for each in store.get_events(asked, page)] == ["b"]
    assert asked.traits_filter == [{"key": "x", "op": "eq", "string": "1", "integer": None}]
    assert page == {"limit": 5, "marker": "a", "sort": [("generated", "asc")]}


@clause("E16")
@needs("read")
def test_traits_come_sorted_by_name(store: Store) -> None:
    given = [text(name, "v") for name in ("b", "é", "a", "Z", "user_id", "project_id", "\U0001f600", "\uffff", "a.b", "")]
    store.record_events([event("a", *given)])
    (one,) = found(store)
    assert [name for name, _, _ in one.traits] == sorted(trait.name for trait in given)

"""record_events: durable, once each, all or nothing each, whatever stands beside."""

from __future__ import annotations

import logging
import sys
from contextlib import AbstractContextManager
from typing import Any

import pytest

from undercroft.conformance.clock import now
from undercroft.conformance.events.data import (
    START,
    OpenStore,
    event,
    everything,
    exact,
    flat,
    foreign,
    having,
    ids,
    real,
    text,
    trait_types,
    traits,
    whole,
)
from undercroft.conformance.events.oracle import Oracle
from undercroft.conformance.markers import assumes, clause, essential, needs, promise
from undercroft.core.errors import InvalidInput
from undercroft.events import Store, Trait

pytestmark = [essential, needs("read")]
# Bytes that every engine takes, and those above which no limit is tried.
_MUCH, _MANY = 2**20, 2**26


def bad(message_id: str = "bad") -> Any:
    """An event that no store takes."""
    return event(message_id, whole("x", 2**63))


def everything_logged(store: Store, caplog: pytest.LogCaptureFixture) -> AbstractContextManager[None]:
    """Whatever level the loggers above it have been given."""
    return caplog.at_level(logging.DEBUG, log_of(store).name)


def log_of(store: Store) -> logging.Logger:
    log: logging.Logger = sys.modules[type(store).record_events.__module__].LOG
    return log


def logged(store: Store, caplog: pytest.LogCaptureFixture) -> tuple[int, int]:
    """How many duplicates and how many failures the module that defines `record_events` has logged."""
    records = [record for record in caplog.records if record.name == log_of(store).name]
    failures = [record for record in records if record.levelno == logging.ERROR]
    assert all(record.exc_info for record in failures)
    return len([record for record in records if record.levelno == logging.DEBUG]), len(failures)


@clause("E5")
@promise("D2")
@assumes("survives_restart")
def test_what_was_recorded_is_there_for_another_object(store: Store, open_store: OpenStore) -> None:
    store.record_events([event("a", text("x", "1"), real("f", 1.5))])
    assert flat(open_store(init=False).get_events(None)) == everything(store)


@clause("E5")
def test_nothing_to_record(store: Store) -> None:
    store.record_events([])
    store.record_events(iter(()))
    assert everything(store) == []


@clause("E5", "E11")
def test_a_filter_of_none_is_every_event(store: Store) -> None:
    store.record_events(event(f"m{n}") for n in range(3))
    assert len(list(store.get_events(None))) == 3


@clause("E6")
def test_the_first_event_of_an_id_stays(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    with everything_logged(store, caplog):
        store.record_events([event("a", text("x", "first"), kind="one")])
        store.record_events([event("a", text("y", "second"), kind="two", at=9, raw={"b": 2})])
    (kept,) = everything(store)
    assert kept[:2] == ("a", "one")
    assert kept.traits == (("x", 1, "first"),)
    assert list(store.get_event_types()) == ["one"]
    assert trait_types(store, "two") == []
    assert logged(store, caplog) == (1, 0)


@clause("E6")
def test_duplicates_within_a_batch_and_of_before(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.record_events([event("b", kind="before")])
    with everything_logged(store, caplog):
        store.record_events([event("a", kind="1"), event("b", kind="2"), event("a", kind="3"), event("c", kind="4"), event("b")])
    assert [(each.message_id, each.event_type) for each in everything(store)] == [("a", "1"), ("b", "before"), ("c", "4")]
    assert list(store.get_event_types()) == ["1", "4", "before"]
    assert logged(store, caplog) == (3, 0)


@clause("E6", "E11")
@needs("filter_traits")
def test_what_comes_after_many_repeats_is_found(store: Store) -> None:
    """Repeats, too, may use up the numbers that a driver gives to events."""
    often = [event(f"m{n:04}", whole("n", n)) for n in range(2_000)]
    for _ in range(10):
        store.record_events(often)
    store.record_events([event("later", whole("n", 5), text("x", "1"))])
    assert having(store, {"key": "n", "op": "eq", "integer": 5}) == ["later", "m0005"]
    assert having(store, {"key": "x", "op": "eq", "string": "1"}) == ["later"]


@clause("E6")
def test_ids_differ_by_every_character(store: Store) -> None:
    names = ["a", "A", "á", "a ", " a", "a\u0301", "\uff41", "", "ß", "ss", "ﬀ", "i", "\u0131", "İ"]
    store.record_events([event(name) for name in names])
    assert ids(store) == sorted(names)


@clause("E7")
@pytest.mark.parametrize("place", [0, 2, 4])
def test_a_bad_event_keeps_no_other_from_being_stored(store: Store, caplog: pytest.LogCaptureFixture, place: int) -> None:
    batch = [event(f"m{n}") for n in range(4)]
    batch.insert(place, bad())
    with everything_logged(store, caplog), pytest.raises(InvalidInput):
        store.record_events(batch)
    assert ids(store) == ["m0", "m1", "m2", "m3"]
    assert logged(store, caplog) == (0, 1)
    assert list(store.get_event_types()) == ["thing.made"]


@clause("E7")
def test_the_error_of_the_last_bad_event_is_raised(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    no_raw = foreign(message_id="n", event_type="t", generated=START, traits=[])
    with everything_logged(store, caplog), pytest.raises(AttributeError):
        store.record_events([bad(), event("a"), no_raw, event("a")])
    assert logged(store, caplog) == (1, 2)
    with pytest.raises(InvalidInput):
        store.record_events([no_raw, event("b"), bad(), event("c")])
    assert ids(store) == ["a", "b", "c"]


@clause("E7")
def test_a_bad_event_leaves_nothing_of_itself(store: Store) -> None:
    with pytest.raises(InvalidInput):
        store.record_events([event("x", text("good", "1"), real("bad", float("nan")), kind="new")])
    assert everything(store) == []
    assert list(store.get_event_types()) == []
    assert trait_types(store, "new") == []
    store.record_events([event("x", text("good", "1"), kind="new")])
    assert ids(store) == ["x"]


@clause("E5", "E6", "E7")
@pytest.mark.timeout(600)
def test_ten_thousand_events_with_duplicates_and_bad_ones(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    oracle = Oracle()
    batch = [
        event(f"m{n % 9_990:05}", text("project_id", f"p{n % 7}"), whole("n", n), real("f", n / 3), kind=f"k{n % 3}", at=n % 500)
        for n in range(10_000)
    ]
    batch[5_000] = bad()
    oracle.record(batch[:5_000] + batch[5_001:])
    with everything_logged(store, caplog), pytest.raises(InvalidInput):
        store.record_events(batch)
    assert exact(everything(store)) == exact(oracle.select({}))
    assert logged(store, caplog) == (10_000 - 1 - len(oracle.events), 1)
    store.record_events(batch[:2_000])
    assert len(ids(store)) == len(oracle.events)


@clause("E8")
def test_a_repeated_trait_keeps_its_last_value(store: Store) -> None:
    store.record_events(
        [event("a", text("x", "1"), whole("x", 5), text("x", "2"), text("project_id", "p"), text("project_id", "q"))]
    )
    assert everything(store)[0].traits == (("project_id", 1, "q"), ("x", 1, "2"), ("x", 2, 5))
    assert traits(store, "thing.made", "x") == [("x", 1, "2"), ("x", 2, 5)]


@clause("E8")
def test_a_trait_without_a_type_is_text(store: Store) -> None:
    store.record_events([event("a", Trait("x", Trait.NONE_TYPE, "1"), Trait("y", None, "2"), text("x", "3"))])
    assert everything(store)[0].traits == (("x", 1, "3"), ("y", 1, "2"))


@clause("E5")
def test_an_event_without_traits(store: Store) -> None:
    nothing = event("b")
    nothing.traits = None
    store.record_events([event("a"), nothing])
    assert [each.traits for each in everything(store)] == [(), ()]
    assert trait_types(store, "thing.made") == []


@clause("E5")
def test_foreign_objects_are_events_too(store: Store) -> None:
    trait = foreign(name="x", dtype=2, value=7)
    store.record_events([foreign(message_id="a", event_type="t", generated=START, traits=[trait], raw={"k": [1]})])
    assert everything(store) == [("a", "t", START, (("x", 2, 7),), {"k": [1]})]


@clause("E5")
@assumes("read")
@needs("expire")
def test_an_event_that_was_deleted_may_come_again(store: Store) -> None:
    store.record_events([event("a", text("x", "1"))])
    with now(START.replace(year=2025)):
        assert store.clear_expired_data(60) == 1
    store.record_events([event("a", text("x", "2"))])
    assert everything(store)[0].traits == (("x", 1, "2"),)


@clause("E27")
def test_an_event_that_is_too_large_is_refused_by_itself(store: Store) -> None:
    most = store.largest
    is_limited = most is not None and most < _MANY
    size = most + 1 if most is not None and is_limited else _MUCH
    events = [event("before"), event("large", raw={"x": "y" * size}), event("after")]
    outcomes = store.store_events(events)
    if not is_limited:
        assert [each.is_new for each in outcomes] == [True] * 3
        assert sorted(ids(store)) == ["after", "before", "large"]
        return
    assert [each.is_new for each in outcomes] == [True, False, True]
    error = outcomes[1].error
    assert isinstance(error, InvalidInput)
    assert error.field == "event 'large'"
    assert f"{most:,}" in error.problem
    assert f"{size // 1_000_000:,}," in error.problem
    assert sorted(ids(store)) == ["after", "before"]


@clause("E27")
def test_what_is_written_longer_than_it_is_has_its_limit_too(store: Store) -> None:
    # Each character is two in a statement, and six in a document.
    most = min(store.largest or _MUCH, _MUCH)
    outcomes = store.store_events([event("before"), event("large", raw={"x": "\x01" * (most // 7)}), event("after")])
    assert [each.is_new or isinstance(each.error, InvalidInput) for each in outcomes] == [True] * 3
    assert [each.is_new for each in outcomes][::2] == [True, True]
    assert {"after", "before"} <= set(ids(store))


@clause("E27")
def test_many_large_events_are_stored_in_parts(store: Store) -> None:
    events = [event(f"m{number}", raw={"x": "y" * 300_000}, at=number) for number in range(60)]
    assert all(each.is_new for each in store.store_events(events))
    assert len(ids(store, {"limit": 60})) == 60

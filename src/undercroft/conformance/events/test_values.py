"""Every value that the contract allows comes back as it was; every other is refused. Names are never interpreted."""

from __future__ import annotations

import datetime as dt
import math
import operator
from typing import Any

import pytest

from undercroft.conformance.events.data import (
    FIRST,
    LAST,
    START,
    event,
    everything,
    exact,
    flat,
    found,
    having,
    ids,
    moment,
    real,
    text,
    trait_types,
    traits,
    whole,
)
from undercroft.conformance.events.oracle import stored
from undercroft.conformance.markers import clause, needs, promise
from undercroft.conformance.rows import rows
from undercroft.events import EventFilter, Store

pytestmark = needs("read")

HOSTILE = [
    "$where", "a.b", "a.b.c", ".", "..", "$", "$gt", "_id", "a\tb\nc", "'", '"', "';DROP TABLE x;--", "%_", "\\", "\\x00", "*",
    "?",
    "(a OR b) AND NOT c", "[1 TO 5]", "/re.*/", "{}", '{"$gt": ""}', "null", "None", "é", "\U0001f600", "\u202e", "\uffff", "ﬀ",
    " ",
    "a ", " a", "", "ID", "value", "key", "project_id ", "Project_Id", "id", "0", "-1", "${jndi:x}", "{{x}}", "%s", ":x", "\x7f",
    "\x1b",
    "e" * 255, "\U0001f600" * 255,
]  # fmt: skip
MOMENTS = [
    FIRST,
    LAST,
    dt.datetime(1969, 12, 31, 23, 59, 59, 999_999),
    dt.datetime(1970, 1, 1),
    dt.datetime(9999, 1, 1, 0, 0, 0, 1),
]
INTEGERS = [0, 1, -1, 2**31, -(2**31) - 1, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)]
FLOATS = [0.0, 1.5, -1.5, 0.1, 1e308, -1e308, 5e-324, -5e-324, math.pi, math.inf, -math.inf, 2.0**63, 1e-300]


@clause("E8", "E17")
@promise("S3", "C7")
def test_hostile_names_and_values_come_back(store: Store) -> None:
    given = [event(name or "empty", *(text(each, name) for each in HOSTILE), kind=name) for name in HOSTILE]
    store.record_events(given)
    assert exact(everything(store)) == exact(sorted((stored(each) for each in given), key=lambda e: e[0]))
    assert list(store.get_event_types()) == sorted(HOSTILE)
    assert trait_types(store, "$where") == sorted((name, 1) for name in HOSTILE)


@clause("E12", "E17")
@promise("S3")
@needs("filter_traits")
def test_hostile_names_and_values_are_found(store: Store) -> None:
    store.record_events([event("none")])
    for n, name in enumerate(HOSTILE):
        # A name that no other event of the test has.
        other = f"{name[:200]}{n}x"
        own, value, reverse = f"{n}own", f"{n}value", f"{n}reverse"
        given = [event(own, text(name, name), kind=name), event(value, text(name, other)), event(reverse, text(other, name))]
        store.record_events(given)
        assert having(store, {"key": name, "string": name}) == [own], ascii(name)
        assert having(store, {"key": name, "op": "ne", "string": name}) == [value], ascii(name)
        assert having(store, {"key": name}) == [own, value], ascii(name)
        assert having(store, {"key": other, "string": name}) == [reverse], ascii(name)
        if name:
            assert ids(store, event_type=name) == [own], ascii(name)
            assert traits(store, name, name) == [(name, 1, name)], ascii(name)


@clause("E8")
@needs("filter_traits")
def test_nul_is_taken_out(store: Store) -> None:
    store.record_events([event("m\0id", text("a\0b", "c\0\0d"), kind="t\0y", raw={"n\0": "\0"})])
    assert everything(store) == [("mid", "ty", START, (("ab", 1, "cd"),), {"n\0": "\0"})]
    store.record_events([event("mid"), event("m\0\0id")])
    assert len(everything(store)) == 1
    assert having(store, {"key": "a\0b", "string": "c\0d"}, event_type="t\0y", message_id="m\0id") == ["mid"]


@clause("E8")
@needs("filter_traits")
def test_text_ends_at_255_characters(store: Store) -> None:
    long = "\U0001f600" + "x" * 300
    store.record_events([event("a", text("t", long), text("project_id", long), text("u", "y" * 255))])
    assert everything(store)[0].traits == (("project_id", 1, long[:255]), ("t", 1, long[:255]), ("u", 1, "y" * 255))
    assert having(store, {"key": "t", "string": long}) == ["a"]
    assert having(store, {"key": "project_id", "string": long}) == ["a"]
    assert ids(store, admin_proj=long) == ["a"]


@clause("E8")
def test_a_megabyte_of_text(store: Store) -> None:
    store.record_events([event("a", text("t", "z" * 1_000_000), raw={"r": "z" * 1_000_000})])
    (one,) = everything(store)
    assert one.traits == (("t", 1, "z" * 255),)
    assert one.raw == {"r": "z" * 1_000_000}


@clause("E8")
def test_names_of_255_characters(store: Store) -> None:
    name = "\U0001f600" * 255
    store.record_events([event(name, text(name, name), kind=name)])
    assert everything(store) == [(name, name, START, ((name, 1, name),), {})]
    assert list(store.get_event_types()) == [name]


@clause("E9")
def test_numbers_come_back_exactly(store: Store) -> None:
    store.record_events([event("i", *(whole(f"i{n}", v) for n, v in enumerate(INTEGERS)))])
    store.record_events([event("f", *(real(f"f{n}", v) for n, v in enumerate(FLOATS)))])
    values = {e.message_id: [t[2] for t in sorted(e.traits, key=lambda t: int(t[0][1:]))] for e in everything(store)}
    assert values["i"] == INTEGERS
    assert [repr(value) for value in values["f"]] == [repr(value) for value in FLOATS]
    assert {type(value) for value in values["i"]} == {int}


@clause("E9", "E12")
@promise("C7")
@needs("filter_traits")
@rows("op", ["eq", "ne", "lt", "le", "gt", "ge"])
@pytest.mark.parametrize(
    ("kind", "make", "values"),
    [("integer", whole, INTEGERS), ("float", real, FLOATS), ("datetime", moment, [*MOMENTS, START])],
    ids=["integer", "float", "datetime"],
)
def test_extreme_values_compare_exactly(store: Store, op: str, kind: str, make: Any, values: list[Any]) -> None:

    store.record_events([event(f"{n:02}", make("x", value)) for n, value in enumerate(values)])
    for value in values:
        wanted = [f"{n:02}" for n, each in enumerate(values) if getattr(operator, op)(each, value)]
        assert having(store, {"key": "x", "op": op, kind: value}) == wanted, value


@clause("E12")
@needs("filter_traits")
@rows("bound", [2**63, -(2**63) - 1, 10**30, -(10**30)])
def test_integers_beyond_64_bits_can_be_compared_with(store: Store, bound: int) -> None:
    store.record_events([event("a", whole("x", 2**63 - 1)), event("b", whole("x", -(2**63))), event("c", text("x", "1"))])
    for op, holds in {"eq": False, "ne": True, "lt": bound > 0, "le": bound > 0, "gt": bound < 0, "ge": bound < 0}.items():
        assert having(store, {"key": "x", "op": op, "integer": bound}) == (["a", "b"] if holds else []), op


@clause("E9")
@promise("T2")
def test_moments_keep_their_microseconds_through_all_years(store: Store) -> None:
    given = [event(f"m{n}", moment("x", each), at=each) for n, each in enumerate(MOMENTS)]
    store.record_events(given)
    assert {each.message_id: (each.generated, each.traits[0][2]) for each in everything(store)} == {
        f"m{n}": (each, each) for n, each in enumerate(MOMENTS)
    }
    assert ids(store, start_timestamp=LAST) == ["m1"]
    assert ids(store, end_timestamp=FIRST) == ["m0"]


@clause("E9")
def test_moments_with_a_zone_become_utc(store: Store) -> None:
    zoned = dt.datetime(2024, 7, 1, 12, 0, 0, 5, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    store.record_events([event("a", moment("x", zoned), at=zoned)])
    utc = dt.datetime(2024, 7, 1, 10, 0, 0, 5)
    assert everything(store) == [("a", "thing.made", utc, (("x", 4, utc),), {})]
    assert ids(store, start_timestamp=zoned, end_timestamp="2024-07-01T12:00:00.000005+02:00") == ["a"]


@clause("E9")
@rows(
    "raw",
    [None, True, 0, -1, 1.5, "", "text", "\0\U0001f600", [], [1, [2, {"a": None}]], {"a.b": {"$gt": ""}, "": 0}, 2**63, -(2**70),
     1e300,
     {"k": {"k": {"k": [None, False]}}}, {str(n): n for n in range(1000)}], empty="clear")  # fmt: skip
def test_raw_comes_back_as_it_was(store: Store, raw: Any) -> None:
    one = event("a")
    one.raw = raw
    store.record_events([one])
    assert repr(everything(store)[0].raw) == repr(raw)


@clause("E9")
def test_the_stores_answers_are_of_its_own_models(store: Store) -> None:
    store.record_events([event("a", moment("m", START), real("f", 2.0), whole("i", 2), text("t", "2"), raw={"x": 1})])
    (one,) = store.get_events(EventFilter())
    assert one.serialize() == {
        "message_id": "a",
        "event_type": "thing.made",
        "generated": "2024-03-01T12:00:00",
        "traits": [("f", 3, 2.0), ("i", 2, 2), ("m", 4, "2024-03-01T12:00:00"), ("t", 1, "2")],
        "raw": {"x": 1},
    }
    assert exact(flat([one])) == exact(found(store))

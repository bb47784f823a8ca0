"""Which events a filter selects."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

import pytest

from undercroft.conformance.events.data import (
    START,
    after,
    event,
    everything,
    exact,
    found,
    having,
    ids,
    moment,
    real,
    text,
    whole,
)
from undercroft.conformance.events.oracle import COMPARE, Oracle
from undercroft.conformance.markers import assumes, clause, needs, promise
from undercroft.conformance.rows import rows
from undercroft.core.errors import InvalidInput
from undercroft.events import Store

pytestmark = needs("read")


@clause("E11")
def test_both_bounds_are_included(store: Store) -> None:
    micro = dt.timedelta(microseconds=1)
    store.record_events([event(f"m{n}", at=START + n * micro) for n in range(5)])
    assert ids(store, start_timestamp=START + micro, end_timestamp=START + 3 * micro) == ["m1", "m2", "m3"]
    assert ids(store, start_timestamp=START + 4 * micro) == ["m4"]
    assert ids(store, end_timestamp=START) == ["m0"]
    assert ids(store, start_timestamp=START + 3 * micro, end_timestamp=START) == []
    assert ids(store, start_timestamp="2024-03-01T14:00:00.000002+02:00") == ["m2", "m3", "m4"]


@clause("E11")
def test_type_and_id_are_exact(store: Store) -> None:
    kinds = ["a", "A", "a ", "á", "ab", "%", "_", "a%"]
    store.record_events([event(f"m{n}", kind=kind) for n, kind in enumerate(kinds)])
    for n, kind in enumerate(kinds):
        assert ids(store, event_type=kind) == [f"m{n}"]
        assert ids(store, message_id=f"m{n}") == [f"m{n}"]
        assert ids(store, message_id=f"m{n}", event_type=kind) == [f"m{n}"]
    assert ids(store, message_id="M0") == []
    assert ids(store, message_id="m0", event_type="A") == []
    assert ids(store, event_type="m0") == []


@clause("E11")
def test_what_is_empty_is_no_restriction(store: Store) -> None:
    store.record_events([event("a"), event("b")])
    asked: list[dict[str, Any]] = [{}, {"event_type": ""}, {"message_id": ""}, {"traits_filter": []}, {"admin_proj": ""}]
    for given in asked:
        assert ids(store, **given) == ["a", "b"]
    assert ids(store, start_timestamp="", end_timestamp="") == ["a", "b"]


VALUES: list[tuple[str, Any, list[Any]]] = [
    ("string", text, ["", "A", "Z", "a", "a ", "aa", "b", "ß", "é", "ﬀ", "\uffff", "\U0001f600", "10", "9"]),
    ("integer", whole, [-5, 0, 1, 9, 10, 100]),
    ("float", real, [-1.5, 0.0, -0.0, 0.1, 1.0, 10.0, 9.0]),
    ("datetime", moment, [START, after(1), after(-1), after(0.000001)]),
]


@clause("E12")
@promise("C7")
@needs("filter_traits")
@rows("op", COMPARE)
@pytest.mark.parametrize(("kind", "make", "values"), VALUES, ids=[each[0] for each in VALUES])
def test_operators_compare_by_value(store: Store, op: str, kind: str, make: Any, values: list[Any]) -> None:
    """Text by code point, whatever language the engine thinks in."""
    for name in ("x", "project_id"):
        store.record_events([event(f"{name}{n:02}", make(name, value)) for n, value in enumerate(values)])
    for name, given in itertools.product(("x", "project_id"), values):
        wanted = [f"{name}{n:02}" for n, value in enumerate(values) if COMPARE[op](value, given)]
        assert having(store, {"key": name, "op": op, kind: given}) == wanted, given


@clause("E12")
@needs("filter_traits")
def test_a_test_sees_one_type_only(store: Store) -> None:
    store.record_events(
        [
            event("none"), event("text", text("x", "5")), event("int", whole("x", 5)), event("float", real("x", 5.0)),
            event("moment", moment("x", START)), event("all", text("x", "5"), whole("x", 5), real("x", 5.0), moment("x", START)),
        ]
    )  # fmt: skip
    assert having(store, {"key": "x", "string": "5"}) == ["all", "text"]
    assert having(store, {"key": "x", "integer": 5}) == ["all", "int"]
    assert having(store, {"key": "x", "float": 5.0}) == ["all", "float"]
    assert having(store, {"key": "x", "float": 5}) == ["all", "float"]
    assert having(store, {"key": "x", "datetime": START}) == ["all", "moment"]
    assert having(store, {"key": "x", "datetime": START.isoformat()}) == ["all", "moment"]
    assert having(store, {"key": "x"}) == ["all", "float", "int", "moment", "text"]
    assert having(store, {"key": "y"}) == []
    assert having(store, {"key": "x", "op": "ne", "integer": 4}) == ["all", "int"]
    assert having(store, {"key": "x", "op": "ne", "integer": 5}) == []
    assert having(store, {"key": "y", "op": "ne", "string": "5"}) == []


@clause("E12")
@needs("filter_traits")
def test_nothing_is_ordinary(store: Store) -> None:
    store.record_events([event("a", text("x", ""), whole("x", 0), real("x", 0.0)), event("b", text("x", "1"), whole("x", 1))])
    assert having(store, {"key": "x", "string": ""}) == ["a"]
    assert having(store, {"key": "x", "integer": 0}) == ["a"]
    assert having(store, {"key": "x", "float": 0.0}) == ["a"]
    assert having(store, {"key": "x", "float": -0.0}) == ["a"]
    assert having(store, {"key": "x", "string": None, "integer": 1}) == ["b"]
    assert having(store, {"key": "x", "string": None}) == ["a", "b"]


@clause("E12")
@needs("filter_traits")
def test_all_tests_must_hold(store: Store) -> None:
    store.record_events(
        [
            event(f"m{n:02}", whole("n", n), text("parity", "odd" if n % 2 else "even"), text("user_id", f"u{n % 3}"))
            for n in range(20)
        ]
    )
    between = [{"key": "n", "op": "gt", "integer": 4}, {"key": "n", "op": "le", "integer": 10}]
    assert having(store, *between) == [f"m{n:02}" for n in range(5, 11)]
    assert having(store, *between, {"key": "parity", "string": "odd"}) == ["m05", "m07", "m09"]
    assert having(store, *between, {"key": "parity", "string": "odd"}, {"key": "user_id", "string": "u1"}) == ["m07"]
    assert having(store, *between, {"key": "user_id", "op": "ne", "string": "u1"}, {"key": "parity"}) == [
        f"m{n:02}" for n in range(5, 11) if n % 3 != 1
    ]
    assert having(store, *between, start_timestamp=START, event_type="thing.made", message_id="m06") == ["m06"]
    assert having(store, *between, message_id="m11") == []


@clause("E13")
@needs("filter_traits")
def test_a_projects_events_and_those_of_none(store: Store) -> None:
    store.record_events(
        [
            event("own", text("project_id", "p")), event("other", text("project_id", "q")), event("bare"),
            event("texts", text("x", "p")), event("numbers", whole("n", 1)), event("number", whole("project_id", 1)),
            event("mixed", whole("project_id", 1), text("project_id", "q")), event("case", text("project_id", "P")),
        ]
    )  # fmt: skip
    assert ids(store, admin_proj="p") == ["bare", "number", "numbers", "own", "texts"]
    assert ids(store, admin_proj="nobody") == ["bare", "number", "numbers", "texts"]
    assert ids(store, admin_proj="q", traits_filter=[{"key": "project_id", "integer": 1}]) == ["mixed", "number"]
    assert ids(store, admin_proj="p", traits_filter=[{"key": "project_id", "string": "q"}]) == []
    assert ids(store, admin_proj="p", message_id="other") == []
    for limit in range(1, 6):
        assert ids(store, {"limit": limit}, admin_proj="p") == ["bare", "number", "numbers", "own", "texts"][:limit]


@clause("E11", "E12", "E15")
@needs("filter_traits")
def test_an_unknown_key_is_refused_and_not_ignored(store: Store) -> None:
    store.record_events([event("a", whole("x", 0)), event("b", whole("x", 1)), event("c")])
    wrong: list[dict[str, Any]] = [{"op": "ge", "value": 1}, {"integr": 1}, {"op": "eq", "strng": "0"}, {"Integer": 1}]
    for given in wrong:
        with pytest.raises(InvalidInput, match="unknown key"):
            having(store, {"key": "x", **given})
    with pytest.raises(InvalidInput, match="did you mean 'limit'"):
        ids(store, {"limt": 1})
    assert having(store, {"key": "x"}) == ["a", "b"], "a key alone asks whether the trait is there"
    assert having(store, {"key": "x", "integer": 1, "string": None}) == ["b"]


@clause("E12")
@needs("filter_traits")
def test_nan_is_equal_to_nothing(store: Store) -> None:
    store.record_events([event("a", real("x", 1.0)), event("b", text("x", "1"))])
    for op, wanted in {"eq": [], "lt": [], "le": [], "gt": [], "ge": [], "ne": ["a"]}.items():
        assert having(store, {"key": "x", "op": op, "float": float("nan")}) == wanted


@clause("E11", "E12", "E13", "E14")
@promise("C7")
@needs("filter_traits")
@pytest.mark.timeout(600)
@assumes("large_stores")
def test_every_filter_among_thousands(store: Store) -> None:
    """So many that rare and frequent values differ: whatever way an engine takes, the answer is the same."""
    oracle = Oracle()
    events = [
        event(
            f"m{n * 7919 % 12_000:05}", text("project_id", f"p{n % 5}"), text("user_id", f"u{n % 211}"), text("host", f"h{n % 3}"),
            text("request_id", f"r{n}"), whole("size", n % 1_000), real("load", n % 97 / 97),
            *([text("rare", "r")] if n % 2_500 == 3 else []),
            kind=f"k{n % 4}", at=n // 3,
        )
        for n in range(12_000)
    ]  # fmt: skip
    oracle.record(events)
    store.record_events(events)
    span = {"start_timestamp": after(1_000), "end_timestamp": after(1_400)}
    tests: list[dict[str, Any]] = [
        {"key": "host", "string": "h1"}, {"key": "size", "op": "gt", "integer": 990}, {"key": "size", "op": "ge", "integer": 10},
        {"key": "load", "op": "lt", "float": 0.5}, {"key": "request_id", "string": "r777"}, {"key": "rare"},
        {"key": "user_id", "string": "u7"}, {"key": "host", "op": "ne", "string": "h0"},
        {"key": "host", "op": "gt", "string": "h9"},
        {"key": "nowhere", "string": "x"},
    ]  # fmt: skip
    shapes: list[dict[str, Any]] = [
        {},
        {"event_type": "k1"},
        {"admin_proj": "p2"},
        span,
        {**span, "event_type": "k3", "admin_proj": "p4"},
    ]
    for shape in shapes:
        for chosen in [[], *([test] for test in tests), *([tests[n], tests[n - 1]] for n in range(9)), tests[:4], tests[1:4]]:
            given = {**shape, "traits_filter": chosen}
            for page in ({"limit": 30}, {"limit": 30, "sort": [("message_id", "desc")]}):
                assert exact(found(store, page, **given)) == exact(oracle.page(given, page)), (given, page)
    assert len(everything(store)) == len(oracle.events)

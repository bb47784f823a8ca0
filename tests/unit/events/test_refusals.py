"""What the base class refuses before a driver is asked: alike for all drivers, and so tested once, on one that only listens."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import Any

import pytest

from undercroft.conformance.events.data import event, moment, real, text, whole
from undercroft.conformance.markers import clause, promise
from undercroft.core.errors import InvalidInput
from undercroft.events import EventFilter, Store, Trait
from undercroft.events.record import Record

METHODS = [
    "upgrade", "clear", "drop", "close", "_events", "_event_types", "_trait_types", "_traits", "_expire", "_tail", "_cursor",
    "_count",
]  # fmt: skip


def reached(*_: Any, **__: Any) -> None:
    raise AssertionError("the driver was asked")


class Listening(Store):
    """Takes note of the events that it is given to store."""

    def _record(self, records: Sequence[Record]) -> list[str]:
        self.recorded = [*getattr(self, "recorded", []), *(record.message_id for record in records)]
        return []


Stub: Any = type("Stub", (Listening,), {**dict.fromkeys(METHODS, reached), "open": classmethod(reached)})


@pytest.fixture
def store() -> Any:
    return Stub()


def test_the_stub_sees_what_gets_through(store: Any) -> None:
    asks = [store.get_events, store.tail, store.count_events]
    for ask in (*(lambda ask=ask: ask(EventFilter()) for ask in asks), lambda: store.clear_expired_data(1)):
        with pytest.raises(AssertionError, match="the driver was asked"):
            ask()
    store.record_events([event("a"), event("b")])
    assert store.recorded == ["a", "b"]


@clause("E11", "E12")
@promise("S3")
@pytest.mark.parametrize(
    "given",
    [
        {"traits_filter": [{"key": "x", "op": "like", "string": "v"}]},
        {"traits_filter": [{"string": "v"}]},
        {"traits_filter": [{"key": "x", "integer": "five"}]},
        {"traits_filter": [{"key": "x", "integer": 5.5}]},
        {"traits_filter": [{"key": "x", "float": "much"}]},
        {"traits_filter": [{"key": "x", "datetime": "soon"}]},
        {"traits_filter": [{"key": "x", "string": 5}]},
        {"traits_filter": [{"key": 5, "string": "v"}]},
        {"traits_filter": ["x"]},
        {"traits_filter": [{"key": "x", "string": {"$gt": ""}}]},
        {"traits_filter": [{"key": {"$gt": ""}, "string": "v"}]},
        {"event_type": {"$gt": ""}},
        {"message_id": ["a"]},
        {"admin_proj": {"$ne": None}},
        {"event_type": "\ud800"},
    ],
    ids=str,
)
def test_invalid_filters(store: Any, given: dict[str, Any]) -> None:
    for ask in (store.get_events, store.tail, store.count_events):
        with pytest.raises(InvalidInput):
            ask(EventFilter(**given))


@clause("E11", "E12")
@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"key": "x", "op": "ge", "value": 1},
            r"traits_filter\[0\]: has unknown key 'value'. Known: datetime, float, integer, key",
        ),
        ({"key": "x", "integr": 1}, "unknown key 'integr'; did you mean 'integer'?"),
        ({"key": "x", "String": "a"}, "unknown key 'String'; did you mean 'string'?"),
        ({"kye": "x", "string": "a"}, "unknown key 'kye'; did you mean 'key'?"),
        ({"key": "x", "integer": 1, "typ": None}, "unknown key 'typ'"),
        ({"key": "x", 5: 1}, "unknown key '5'"),
    ],
)
def test_a_filter_with_an_unknown_key(store: Any, given: dict[str, Any], told: str) -> None:
    """One that is ignored would let everything pass that has the trait."""
    for ask in (store.get_events, store.tail, store.count_events):
        with pytest.raises(InvalidInput, match=told):
            ask(EventFilter(traits_filter=[given]))


@clause("E15")
def test_a_page_with_an_unknown_key(store: Any) -> None:
    for page, told in (({"limt": 1}, "'limt'; did you mean 'limit'"), ({"limit": 1, "offset": 5}, "unknown key 'offset'")):
        with pytest.raises(InvalidInput, match=f"pagination: has unknown key .*{told}|pagination: has {told}"):
            store.get_events(EventFilter(), page)


@clause("E11")
def test_a_dict_is_not_a_filter(store: Any) -> None:
    with pytest.raises(InvalidInput, match="EventFilter"):
        store.get_events({"event_type": "x"})


TESTS = [{"key": f"x{number}", "op": "ge", "integer": number} for number in range(64)]


@clause("E23")
@pytest.mark.parametrize(
    ("tests", "where"),
    [
        ([*TESTS, {"key": "y"}], None),
        ([*TESTS[1:], {"key": "y", "string": "v", "integer": 1}], None),
        ([{"key": "x", "float": "nan"}] * 65, None),
        ([], " and ".join(f"x{number} = 1" for number in range(65))),
        ([], " or ".join(f'(not x{number} = 1 and event_type = "k")' for number in range(33))),
        (TESTS, "y = 1"),
    ],
    ids=["filter", "several types", "impossible", "expression", "nested", "together"],
)
def test_too_many_tests(store: Any, tests: list[dict[str, Any]], where: str | None) -> None:
    for ask in (store.get_events, store.tail, store.count_events):
        with pytest.raises(InvalidInput, match="64"):
            ask(EventFilter(traits_filter=tests), where=where)


@clause("E23", "E24")
def test_as_many_tests_and_names_as_are_allowed(store: Any) -> None:
    for ask in (store.get_events, store.tail, store.count_events):
        with pytest.raises(AssertionError, match="the driver was asked"):
            ask(EventFilter(traits_filter=TESTS))
        with pytest.raises(AssertionError, match="the driver was asked"):
            ask(EventFilter(traits_filter=TESTS[:32]), where=" or ".join(f"y{number}" for number in range(32)))
    with pytest.raises(AssertionError, match="the driver was asked"):
        store.count_events(groupby=[f"x{number}" for number in range(32)])


@clause("E24")
def test_too_many_names_to_group_by(store: Any) -> None:
    with pytest.raises(InvalidInput, match="32"):
        store.count_events(groupby=[f"x{number}" for number in range(33)])


@clause("E14", "E15")
@pytest.mark.parametrize(
    "page",
    [
        {"limit": -1}, {"limit": "5"}, {"limit": 1.5}, {"limit": True}, {"limit": 2**63}, {"marker": 5},
        {"sort": [("nothing", "asc")]},
        {"sort": [("generated", "up")]}, {"sort": [("generated",)]}, {"sort": ["generated"]}, {"sort": [5]},
        {"sort": [({}, "asc")]},
        "limit", {"marker": {"$gt": ""}},
    ],
    ids=str,
)  # fmt: skip
def test_invalid_pages(store: Any, page: Any) -> None:
    with pytest.raises(InvalidInput):
        store.get_events(EventFilter(), page)


@clause("E23")
@pytest.mark.parametrize(
    "where",
    [
        "(", "a =", "= 1", "a = 1 b = 2", "a ^= 1", 'a = "x', "a = 'x'", "event_type", "event_type = 1", "generated > 5",
        'generated = "x"', "a = @tomorrow", "not", "a and", "a or or b", "()", "a = 1e", 'a = "\\ud800"', "(" * 40 + "a" + ")" * 40,
        "not " * 200 + "a", "a" * 9_000, "a ~ 1", "; DROP TABLE event",
    ],
)  # fmt: skip
def test_invalid_expressions(store: Any, where: str) -> None:
    for ask in (store.get_events, store.tail, store.count_events):
        with pytest.raises(InvalidInput, match="where"):
            ask(EventFilter(), where=where)


@clause("E24")
@pytest.mark.parametrize("interval", [0, -1, 0.0001, "1h", float("nan"), float("inf"), 1e30])
def test_invalid_intervals(store: Any, interval: Any) -> None:
    with pytest.raises(InvalidInput, match="interval"):
        store.count_events(interval=interval)


@clause("E21")
@pytest.mark.parametrize("ttl", ["soon", None, float("nan"), {}])
def test_invalid_ages(store: Any, ttl: Any) -> None:
    with pytest.raises(InvalidInput):
        store.clear_expired_data(ttl)


LONG = ["n" * 256, "n" * 1_000_000]
WRONG_TRAITS = [
    whole("x", 2**63), whole("x", -(2**63) - 1), whole("x", 10**400), real("x", math.nan), real("x", 10**400),
    whole("x", "five"),
    moment("x", "yesterday"), moment("x", dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))),
    text("x", "\ud800"), text("\udfff", "x"), text("x", None), Trait("x", 9, "v"), Trait("x", 1, None),
    *(text(name, "v") for name in LONG),
]  # fmt: skip
WRONG_RAW = [math.nan, {"a": [math.inf]}, {"a": {1, 2}, "b": object()}]


@clause("E7", "E8", "E9")
@pytest.mark.parametrize(
    "wrong",
    [
        *(event("w", trait) for trait in WRONG_TRAITS),
        *(event("w", raw=raw) for raw in WRONG_RAW),
        *(event(name) for name in LONG),
        *(event("w", kind=name) for name in LONG),
    ],
    ids=lambda wrong: ascii(wrong)[:60],
)
def test_what_no_store_can_keep(store: Any, wrong: Any) -> None:
    """It is refused, and does not keep the events beside it from being stored."""
    with pytest.raises(InvalidInput):
        store.record_events([event("a"), wrong, event("c")])
    assert store.recorded == ["a", "c"]

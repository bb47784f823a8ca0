"""What the base class refuses before a driver is asked: alike for all drivers, and so tested once, on one that only listens."""

from __future__ import annotations

import datetime as dt
import math
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest

from undercroft.conformance.markers import clause, promise
from undercroft.conformance.metering.data import START, sample
from undercroft.core.errors import InvalidInput, Unavailable, Unsupported
from undercroft.core.receipt import Receipt
from undercroft.metering import Aggregate, Capabilities, Connection, Sample, SampleFilter, Store, contract
from undercroft.metering.record import Record

METHODS = [
    "upgrade", "clear", "drop", "close", "maintain", "_samples", "_meters", "_resources", "_statistics", "_count", "_expire",
    "_windows", "_volumes",
]  # fmt: skip
RECEIPT = Receipt("k", "d", b"")


def reached(*_: Any, **__: Any) -> None:
    raise AssertionError("the driver was asked")


class Listening(Store):
    """Takes note of the samples that it is given to store; its engine takes no `heavy` one."""

    largest = 300_000

    def _record(self, records: Sequence[Record]) -> list[str]:
        if any(each.series.meter == "away" for each in records):
            raise Unavailable("the engine is away")
        if any(each.series.meter == "heavy" for each in records):
            raise InvalidInput("row", "is too heavy")
        self.recorded = [*getattr(self, "recorded", []), *(each.message_id for each in records)]
        return ["known"] if any(each.message_id == "known" for each in records) else []

    def _record_once(self, parts: Sequence[Sequence[Record]], receipt: Receipt, answer: Any) -> bytes:
        self.recorded = [each.message_id for part in parts for each in part]
        found: bytes = answer(["known"])
        return found


Stub: Any = type("Stub", (Listening,), {**dict.fromkeys(METHODS, reached), "open": classmethod(reached)})


@pytest.fixture
def store() -> Any:
    return Stub()


def asks(store: Any) -> Iterable[Any]:
    """All questions that take a filter."""
    return (store.get_samples, store.get_meter_statistics, store.count_samples)


def test_the_stub_sees_what_gets_through(store: Any) -> None:
    questions = [
        *(lambda ask=ask: ask(SampleFilter()) for ask in asks(store)), lambda: store.query_samples({"=": {"meter": "a"}}),
        store.get_meters,
        store.get_resources, lambda: store.clear_expired_metering_data(1), store.maintain,
    ]  # fmt: skip
    for ask in questions:
        with pytest.raises(AssertionError, match="the driver was asked"):
            ask()
    store.record_metering_data_batch([sample("a"), sample("b")])
    assert store.recorded == ["a", "b"]


@clause("M10", "M11")
def test_what_selects_nothing_is_not_asked_for(store: Any) -> None:
    """A limit of nothing, and bounds that cross."""
    given = SampleFilter(start_timestamp=START, end_timestamp=START)
    assert list(store.get_samples(given)) == list(store.get_meter_statistics(given)) == []
    assert store.count_samples(given) == 0
    crossed = {"and": [{">": {"timestamp": "2024-01-01T00:00:00"}}, {"<=": {"timestamp": "2024-01-01T00:00:00"}}]}
    empty = {"and": [{"=": {"user": "a"}}, {"in": {"user": ["b"]}}]}
    assert (
        list(store.query_samples(crossed))
        == list(store.query_samples(empty))
        == list(store.query_samples({"in": {"meter": []}}))
        == []
    )
    assert list(store.get_samples(SampleFilter(), 0)) == list(store.query_samples(None, None, 0)) == []
    assert list(store.get_meters(limit=0)) == list(store.get_resources(limit=0)) == []
    assert list(store.get_resources(start_timestamp=START, end_timestamp=START)) == []
    assert store.clear_expired_metering_data(1, 0) == store.clear_expired_metering_data(1, -1) == 0
    assert store.clear_expired_metering_data(math.inf) == store.clear_expired_metering_data(1e300) == 0


@clause("M11", "M12")
@promise("S3")
@pytest.mark.parametrize(
    "given",
    [
        {"metaquery": {"display_name": "x"}}, {"metaquery": {"metadata.": "x"}}, {"metaquery": {5: "x"}},
        {"metaquery": ["metadata.x"]},
        {"metaquery": {"metadata.x": None}}, {"metaquery": {"metadata.x": {"$gt": ""}}}, {"metaquery": {"metadata.x": ["a"]}},
        {"metaquery": {"metadata.x": "\ud800"}}, {"metaquery": {f"metadata.k{n}": 1 for n in range(65)}},
        {"meter": 5}, {"resource": {"$gt": ""}}, {"source": ["a"]}, {"message_id": 7}, {"user": b"u"}, {"project": "\ud800"},
    ],
    ids=ascii,
)  # fmt: skip
def test_invalid_filters(store: Any, given: dict[str, Any]) -> None:
    for ask in asks(store):
        with pytest.raises(InvalidInput):
            ask(SampleFilter(**given))
    listed = {name: value for name, value in given.items() if name in {"metaquery", "resource", "source", "user", "project"}}
    for ask in (store.get_meters, store.get_resources):
        if listed:
            with pytest.raises(InvalidInput):
                ask(**listed)


@pytest.mark.parametrize("bound", ["soon", 7, "2024-13-01", dt.date(2024, 1, 1), "9999-12-31T23:00:00-02:00"])
def test_bounds_that_are_no_moments(store: Any, bound: Any) -> None:
    for name in ("start_timestamp", "end_timestamp"):
        with pytest.raises(InvalidInput):
            SampleFilter(**{name: bound})
        with pytest.raises(InvalidInput):
            store.get_resources(**{name: bound})


@clause("M11")
def test_a_dict_is_not_a_filter(store: Any) -> None:
    for ask in asks(store):
        with pytest.raises(InvalidInput, match="SampleFilter"):
            ask({"meter": "x"})


@clause("M10")
@pytest.mark.parametrize("limit", [-1, "5", 1.5, True, 2**63, [1]])
def test_invalid_limits(store: Any, limit: Any) -> None:
    for ask in (lambda: store.get_samples(None, limit), lambda: store.query_samples(limit=limit),
        lambda: store.get_meters(limit=limit),
                lambda: store.get_resources(limit=limit)):  # fmt: skip
        with pytest.raises(InvalidInput, match="limit"):
            ask()


@clause("M15", "M16", "M17")
@pytest.mark.parametrize(
    ("period", "groupby", "aggregate"),
    [
        (-1, None, None), (-0.5, None, None), ("60", None, None), (math.nan, None, None), (math.inf, None, None),
        (10**11, None, None),
        (True, None, None), (None, ["colour"], None), (None, ["resource_metadata.colour"], None), (None, ["user"], None),
        (None, [None], None), (None, "colour", None), (None, None, [Aggregate("median")]), (None, None, [Aggregate("")]),
        (None, None, [Aggregate("cardinality")]), (None, None, [Aggregate("cardinality", "source")]),
        (None, None, [Aggregate("max", "user_id")]), (None, None, ["max"]), (None, None, [Aggregate("max")] * 33),
        (None, ["user_id"] * 11, None),
    ],
    ids=ascii,
)  # fmt: skip
def test_invalid_questions(store: Any, period: Any, groupby: Any, aggregate: Any) -> None:
    with pytest.raises(InvalidInput):
        store.get_meter_statistics(SampleFilter(), period, groupby, aggregate)


EQUAL = {"=": {"user_id": "a"}}


def deep(levels: int) -> Any:
    found: Any = EQUAL
    for _ in range(levels):
        found = {"not": found}
    return found


@clause("M19")
@promise("S3")
@pytest.mark.parametrize(
    ("expression", "orderby"),
    [
        ([], None), ("text", None), (5, None), ({"=": {"user_id": "a"}, "!=": {"user_id": "b"}}, None), ({"and": [EQUAL]}, None),
        ({"and": EQUAL}, None), ({"or": []}, None), ({"xor": []}, None), ({"=": "a"}, None), ({"=": {}}, None),
        ({"=": {"user_id": "a", "meter": "b"}}, None), ({"=": {"colour": "a"}}, None), ({"=": {"user_id": 7}}, None),
        ({"=": {"user_id": None}}, None), ({"=": {"user_id": {"$gt": ""}}}, None), ({"=": {"volume": "7"}}, None),
        ({"=": {"volume": True}}, None), ({"=": {"timestamp": "soon"}}, None), ({"=": {"timestamp": 7}}, None),
        ({"in": {"user_id": "a"}}, None), ({"in": {"user_id": [7]}}, None), ({"in": {"metadata.k": ["a"]}}, None),
        ({"in": {"meter": ["a"] * 1_001}}, None), ({"=~": {"user_id": "("}}, None), ({"=~": {"user_id": 7}}, None),
        ({"=~": {"volume": "1"}}, None), ({"=~": {"timestamp": "2024"}}, None), ({"=~": {"user_id": "x" * 256}}, None),
        ({"not": []}, None), ({"not": {}}, None), ({"=": {"metadata.k": None}}, None), ({"=": {"metadata.k": [1]}}, None),
        ({"=": {"metadata.": 1}}, None), ({"=": {"resource_metadata": 1}}, None), (deep(17), None), ({"and": [EQUAL] * 65}, None),
        ({"and": [{"or": [EQUAL] * 33}, {"or": [EQUAL] * 33}]}, None), ({5: []}, None),
        (None, [{"colour": "asc"}]), (None, [{"timestamp": "up"}]), (None, [{"timestamp": 1}]),
        (None, [{"timestamp": "asc", "meter": "asc"}]),
        (None, "timestamp"), (None, [{"metadata.k": "asc"}]), (None, ["timestamp"]), (None, [{}]), (None, {"timestamp": "asc"}),
        (None, [{"meter": "asc"}] * 30),
    ],
    ids=lambda value: ascii(value)[:60],
)  # fmt: skip
def test_invalid_queries(store: Any, expression: Any, orderby: Any) -> None:
    with pytest.raises(InvalidInput):
        store.query_samples(expression, orderby)


@clause("M19")
def test_as_large_as_is_allowed(store: Any) -> None:
    for expression in (deep(16), {"and": [EQUAL] * 64}, {"in": {"meter": ["a"] * 1_000}}, {"=~": {"meter": "x" * 255}}):
        with pytest.raises(AssertionError, match="the driver was asked"):
            store.query_samples(expression)


@clause("M20")
@pytest.mark.parametrize("ttl", ["soon", None, math.nan, {}])
def test_invalid_ages(store: Any, ttl: Any) -> None:
    with pytest.raises(InvalidInput):
        store.clear_expired_metering_data(ttl)


TEXTS = ("message_id", "counter_name", "counter_unit", "resource_id", "user_id", "project_id", "source", "message_signature")
NEEDED = ("message_id", "counter_name", "counter_type", "counter_unit", "counter_volume", "resource_id", "timestamp")
WRONG: list[tuple[str, Any]] = [
    *((key, None) for key in NEEDED),
    *((key, "") for key in NEEDED if key != "counter_unit"),
    *((key, "\0") for key in ("message_id", "counter_name", "resource_id")),
    *((key, value) for key in TEXTS for value in ("x" * 256, "\ud800", 7, b"x", {"$gt": ""})),
    *(("counter_type", kind) for kind in ("counter", "Gauge", 5, ["gauge"])),
    *(("counter_volume", volume) for volume in ("1", math.nan, math.inf, -math.inf, True, 10**100, -(10**100), 1j, [1])),
    *(("timestamp", moment) for moment in ("soon", 7, dt.date(2024, 3, 1), "2024-03-01T25:00:00")),
    ("timestamp", dt.datetime.max.replace(tzinfo=dt.timezone(dt.timedelta(hours=-1)))),
    *(("resource_metadata", each) for each in ([1], "text", {"x": math.nan}, {"x": ...}, {"x": "\ud800"}, {"\ud800": 1})),
    ("counter_colour", "red"), ("volume", 1),
]  # fmt: skip


@clause("M7", "M8")
@pytest.mark.parametrize(("key", "value"), WRONG, ids=lambda value: ascii(value)[:40])
def test_what_no_store_can_keep(store: Any, key: str, value: Any) -> None:
    """It is refused, by its name, and does not keep the samples beside it from being stored."""
    wrong = sample("w") | {key: value}
    with pytest.raises(InvalidInput, match=key):
        store.record_metering_data_batch([sample("a"), wrong, sample("c")])
    assert store.recorded == ["a", "c"]
    with pytest.raises(InvalidInput, match=rf"^\[1\].*{key}"):
        store.store_once([sample("a"), wrong], RECEIPT, bytes)


@clause("M7")
@pytest.mark.parametrize("wrong", [None, "text", 5, [], ["message_id"]])
def test_what_is_no_sample(store: Any, wrong: Any) -> None:
    with pytest.raises(InvalidInput):
        store.record_metering_data_batch([sample("a"), wrong, sample("c")])
    assert store.recorded == ["a", "c"]


@clause("M7")
def test_what_the_engine_refuses_is_found_among_the_others(store: Any) -> None:
    """By halves; each of the others is stored once."""
    outcomes = store.store_samples([sample(f"m{n}", meter="heavy" if n in {3, 40} else "light") for n in range(60)])
    assert [n for n, each in enumerate(outcomes) if each.error] == [3, 40]
    assert "sample 'm3'" in str(outcomes[3].error)
    assert sorted(store.recorded) == sorted(f"m{n}" for n in range(60) if n not in {3, 40})


@clause("M5")
def test_an_engine_that_is_away_is_nobodys_mistake(store: Any) -> None:
    with pytest.raises(Unavailable):
        store.store_samples([sample("a"), sample("b", meter="away")])
    with pytest.raises(Unavailable):
        store.record_metering_data(sample("b", meter="away"))


@clause("M8")
def test_metadata_that_are_larger_than_the_engine_takes(store: Any) -> None:
    with pytest.raises(InvalidInput, match=r"'large'.* bytes of metadata, and the engine takes 300,000"):
        store.record_metering_data_batch([sample("a"), sample("large", resource_metadata={"x": "y" * 300_000})])
    assert store.recorded == ["a"]


@clause("M6", "M22")
def test_what_became_of_each(store: Any) -> None:
    samples = [sample("known"), sample("a"), sample("a"), sample("b")]
    assert [each.is_new for each in store.store_samples(samples)] == [False, True, False, True]
    assert store.store_once(samples, RECEIPT, lambda found: bytes(each.is_new for each in found)) == b"\0\1\0\1"
    assert store.recorded == ["known", "a", "b"]


@clause("M22")
def test_a_driver_that_cannot_says_so() -> None:
    from undercroft.core.capabilities import never

    without = Capabilities.without(store_once=never("of the engine"))
    store: Any = type("Without", (Stub,), {"capabilities": without})()
    with pytest.raises(Unsupported, match="of the engine"):
        store.store_once([], RECEIPT, bytes)


@clause("M1")
def test_the_form_without_a_store() -> None:
    """As the host's base class: what stores or answers raises, the others do nothing."""
    for connection in (Connection("url", None), Connection):
        assert connection.upgrade() is connection.clear() is None
        assert connection.get_storage_capabilities() == {"storage": {"production_ready": False}}
        for call in (
            lambda c=connection: c.record_metering_data({}), lambda c=connection: c.record_metering_data_batch([]),
            lambda c=connection: c.clear_expired_metering_data(1), lambda c=connection: c.get_resources(),
            lambda c=connection: c.get_meters(),
            lambda c=connection: c.get_samples(None), lambda c=connection: c.get_meter_statistics(None),
            lambda c=connection: c.query_samples(),
        ):  # fmt: skip
            with pytest.raises(Unsupported):
                call()


def test_an_order_that_no_store_has_keeps_little_more_than_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "_MOST_SPARE", 5)
    alive: list[weakref.ref[Sample]] = []
    most = 0

    def many(*_: Any, **__: Any) -> Iterator[Sample]:
        nonlocal most
        for n in range(500):
            found = Sample("s", "m", "gauge", "%", n * 7 % 10, None, None, f"r{n % 3}", START, {}, f"{n}", None, START)
            alive.append(weakref.ref(found))
            yield found
            most = max(most, sum(each() is not None for each in alive))

    store = Stub()
    store._samples = many
    found = store.query_samples(None, [{"resource": "asc"}, {"volume": "desc"}], 10)
    wanted = sorted(range(500), key=lambda n: (n % 3, -(n * 7 % 10)))[:10]
    assert [each.message_id for each in found] == [str(n) for n in wanted]
    assert most <= 2 * 10 + 5 + 2

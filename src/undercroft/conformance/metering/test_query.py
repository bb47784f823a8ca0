"""Complex queries: operators, how they are put together, and the order of what they find."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

import pytest

from undercroft.conformance.clock import now
from undercroft.conformance.markers import clause, promise
from undercroft.conformance.metering.data import START, after, asked, everything, exact, flat, hour, record, sample, uuid1
from undercroft.conformance.metering.oracle import COMPARE, Oracle
from undercroft.conformance.rows import rows
from undercroft.core.errors import InvalidInput
from undercroft.metering import Sample, Store

TEXTS = ["", "A", "Z", "a", "a ", "aa", "b", "ß", "é", "ﬀ", "\uffff", "\U0001f600", "10", "9", "%", "_"]
NUMBERS = [-1.5, 0, 0.5, 1, 1.0, 9, 10, 2**53, 2**53 + 1, 2**63, 2**70, -(2**64), 1e16, 1.7e308, 5e-324]


def agree(store: Store, oracle: Oracle, expression: Any, orderby: Any = None) -> None:
    """The store finds what the oracle does; in any order among equals."""
    told = flat(store.query_samples(expression, orderby))
    wanted = oracle.query(expression, orderby)
    assert sorted(exact(told)) == sorted(exact(wanted)), expression
    for field in [next(iter(each)) for each in orderby or [{"timestamp": "desc"}]][:1]:
        assert [getattr(each, field) for each in told] == [getattr(each, field) for each in wanted], (expression, orderby)


@pytest.fixture
def filled(store: Store) -> tuple[Store, Oracle]:
    """Some of everything, some of it not there."""
    oracle = Oracle()
    optional = ("user_id", "project_id", "source", "counter_unit", "message_signature")
    samples = [
        sample(f"t{n}", n, at=n, meter=text or "x", resource=text or "x", resource_metadata={"k": text, "n": {"m": text}})
        | dict.fromkeys(optional, text)
        for n, text in enumerate(TEXTS)
    ]
    samples += [sample(f"v{n}", value, at=-n, resource_metadata={"k": value}) for n, value in enumerate(NUMBERS)]
    samples += [
        sample(f"n{n}", at=n * 3_600, user_id=None, project_id=None, source=None, resource_metadata={"k": value}, counter_type=kind)
        for n, (value, kind) in enumerate([(None, "delta"), (True, "cumulative"), (False, "gauge"), ([1], "delta")])
    ]
    record(oracle, samples)
    record(store, samples)
    return store, oracle


@clause("M19")
def test_nothing_is_everything(filled: tuple[Store, Oracle]) -> None:
    store, oracle = filled
    nothings: list[Any] = [None, {}]
    for nothing in nothings:
        told = list(store.query_samples(nothing))
        assert all(isinstance(each, Sample) for each in told)
        assert sorted(exact(flat(told))) == exact(everything(store))
        assert [each.timestamp for each in told] == sorted((each.timestamp for each in told), reverse=True)
        agree(store, oracle, nothing)


@clause("M19")
@promise("C7")
def test_operators_compare_text_by_code_point(filled: tuple[Store, Oracle]) -> None:
    """Whatever language the engine thinks in; under both names of a field."""
    store, oracle = filled
    fields = [
        "user_id",
        "user",
        "project_id",
        "project",
        "resource",
        "resource_id",
        "meter",
        "counter_name",
        "source",
        "unit",
        "counter_unit",
    ]
    for place, text in enumerate(TEXTS):
        # Each field with each operator, each text with each operator; not all three.
        for number, op in enumerate([*COMPARE, "="]):
            for field in (fields[(place + number) % len(fields)], ("metadata.k", "metadata.n.m")[(place + number) % 2]):
                agree(store, oracle, {op: {field: text}})


@clause("M19")
@promise("C7")
def test_operators_compare_numbers_by_value(filled: tuple[Store, Oracle]) -> None:
    store, oracle = filled
    for number in NUMBERS:
        for place, op in enumerate(COMPARE):
            for field in ("metadata.k", ("volume", "counter_volume")[place % 2]):
                agree(store, oracle, {op: {field: number}})
    for wanted in (True, False, "1", 1, 1.0):
        for op in COMPARE:
            agree(store, oracle, {op: {"metadata.k": wanted}})


@clause("M19")
def test_operators_compare_moments(filled: tuple[Store, Oracle]) -> None:
    store, oracle = filled
    for moment in (START, after(3), after(-2.000_001), hour(1), dt.datetime.min, dt.datetime.max):
        for op in COMPARE:
            for text in (moment.isoformat(), f"{moment.isoformat()}+00:00"):
                agree(store, oracle, {op: {"timestamp": text}})
    assert asked(store, {"=": {"timestamp": "2024-03-01T14:00:01+02:00"}}) == ["t1"]
    agree(store, oracle, {"in": {"timestamp": [hour(1).isoformat(), after(2).isoformat()]}})


@clause("M19")
def test_what_is_not_there_is_not_compared(store: Store) -> None:
    """Not even as different; `not` holds wherever its part does not."""
    record(store, [sample("a", at=0), sample("b", at=-1, user_id=None, resource_metadata={"k": None})])
    for op in COMPARE:
        assert "b" not in asked(store, {op: {"user_id": "u"}})
        assert asked(store, {op: {"metadata.k": "u"}}) == asked(store, {op: {"metadata.x": 1}}) == []
    assert asked(store, {"not": {"=": {"user_id": "u"}}}) == asked(store, {"not": {"!=": {"user_id": "x"}}}) == ["b"]
    assert asked(store, {"not": {"in": {"user_id": ["u"]}}}) == ["b"]
    assert asked(store, {"not": {"=~": {"user_id": "."}}}) == ["b"]
    assert asked(store, {"not": {"=": {"metadata.k": "u"}}}) == ["a", "b"]
    assert asked(store, {"=": {"user_id": "None"}}) == []


@clause("M19")
def test_in_and_regular_expressions(filled: tuple[Store, Oracle]) -> None:
    store, oracle = filled
    for values in ([], ["a"], ["a", "b", "é", "not there"], ["u", "u"], TEXTS):
        for field in ("user_id", "resource", "meter", "source", "unit", "message_id", "project"):
            agree(store, oracle, {"in": {field: values}})
    agree(store, oracle, {"in": {"volume": [1, 2**63, 0.5, 7]}})
    agree(store, oracle, {"in": {"type": ["delta", "cumulative"]}})
    for pattern in ("", "a", "^a", "a$", "^(a|b)$", r"^\S+\s$", "[0-9]", "é", "\U0001f600", "%", "(?i)^A$", "^$", "_"):
        for field in ("user_id", "resource_id", "meter", "metadata.k", "message_id", "unit", "type"):
            agree(store, oracle, {"=~": {field: pattern}})


@clause("M19")
def test_and_or_not_in_any_case(filled: tuple[Store, Oracle]) -> None:
    store, oracle = filled
    first, second, third = {"=": {"user_id": "a"}}, {">=": {"volume": 3}}, {"=~": {"meter": "^[a-z]"}}
    for op in ("and", "AND", "Or", "or"):
        for inner in (
            [first, second],
            [second, third],
            [first, second, third],
            [first, {"not": second}],
            [{"NOT": third}, {"Not": first}],
        ):
            agree(store, oracle, {op: inner})
            agree(store, oracle, {"not": {op: inner}})
            agree(store, oracle, {"and": [{op: inner}, {"or": [second, {"not": third}]}]})
    for field, lower, upper in (("timestamp", after(2).isoformat(), after(5).isoformat()), ("volume", 2, 5)):
        agree(store, oracle, {"and": [{">": {field: lower}}, {"<=": {field: upper}}, {"=<": {field: upper}}]})
        agree(store, oracle, {"and": [{"<": {field: lower}}, {">": {field: upper}}]})
        agree(store, oracle, {"or": [{"<": {field: lower}}, {"=>": {field: upper}}]})
    agree(store, oracle, {"and": [{"in": {"user": ["a", "b"]}}, {"in": {"user": ["b", "c"]}}]})
    agree(store, oracle, {"and": [{"=": {"user": "a"}}, {"=": {"user": "b"}}]})
    agree(store, oracle, {"and": [{"=": {"timestamp": START.isoformat()}}, {"=": {"message_id": "t0"}}]})


@clause("M19")
def test_random_expressions(filled: tuple[Store, Oracle]) -> None:
    store, oracle = filled
    rng = random.Random(5)

    def test() -> dict[str, Any]:
        field = rng.choice(["user_id", "meter", "resource", "timestamp", "volume", "metadata.k", "type", "message_id", "source"])
        match field:
            case "timestamp":
                value: Any = hour(rng.randrange(-2, 5)).isoformat()
            case "volume":
                value = rng.choice(NUMBERS)
            case "type":
                value = rng.choice(["gauge", "delta"])
            case "message_id":
                value = rng.choice(["t1", "v3", "n2"])
            case _:
                value = rng.choice(TEXTS)
        return {rng.choice(list(COMPARE)): {field: value}}

    def expression(depth: int) -> dict[str, Any]:
        name = rng.choice(["and", "or", "not", "test"]) if depth else "test"
        if name == "test":
            return test()
        if name == "not":
            return {"not": expression(depth - 1)}
        return {name: [expression(depth - 1) for _ in range(rng.randint(2, 3))]}

    for _ in range(60):
        agree(store, oracle, expression(3))


ORDERS: list[Any] = [
    None, [], [{"timestamp": "asc"}], [{"timestamp": "DESC"}], [{"volume": "asc"}], [{"counter_volume": "desc"}], [{"user": "asc"}],
    [{"message_id": "desc"}], [{"meter": "asc"}, {"timestamp": "desc"}], [{"unit": "Desc"}, {"volume": "asc"}],
    [{"type": "asc"}, {"resource": "desc"}, {"message_id": "asc"}], [{"timestamp": "asc"}, {"message_id": "desc"}],
]  # fmt: skip


@clause("M19", "M10")
@promise("C7")
def test_orders(filled: tuple[Store, Oracle]) -> None:
    """Text by code point, numbers by value, what is null first where it ascends; a limit cuts what is in order."""
    store, oracle = filled
    for order in ORDERS:
        told, wanted = flat(store.query_samples(None, order)), oracle.query(None, order)
        fields = [next(iter(each)) for each in order or [{"timestamp": "desc"}]]
        names = [{"volume": "counter_volume", "user": "user_id", "unit": "counter_unit", "type": "counter_type",
            "meter": "counter_name",
                  "resource": "resource_id"}.get(field, field) for field in fields]  # fmt: skip

        def keys(samples: Any, names: list[str] = names) -> list[Any]:
            return [tuple(getattr(each, name) for name in names) for each in samples]

        assert keys(told) == keys(wanted), order
        for limit in (1, 5, 100):
            assert keys(store.query_samples(None, order, limit)) == keys(wanted)[:limit], (order, limit)
            assert (
                keys(store.query_samples({"=": {"type": "delta"}}, order, limit))
                == keys(oracle.query({"=": {"type": "delta"}}, order))[:limit]
            )


@clause("M19", "M10")
def test_the_order_of_the_exporter(store: Store) -> None:
    """Upwards in time, page after page from the last moment on, over hours and days: each sample is seen."""
    samples = [sample(uuid1(after(n), n), n, at=n // 4 * 1_700, meter=f"m{n % 2}") for n in range(200)]
    record(store, samples)
    seen: list[str] = []
    start = "0001-01-01T00:00:00"
    expression: Any = {"and": [{"=": {"meter": "m1"}}, {">=": {"timestamp": start}}]}
    while True:
        expression["and"][1] = {">=": {"timestamp": start}}
        page = list(store.query_samples(expression, [{"timestamp": "asc"}], 7))
        assert [each.timestamp for each in page] == sorted(each.timestamp for each in page)
        fresh = [each.message_id for each in page if each.message_id not in seen]
        if not fresh:
            break
        seen += fresh
        start = page[-1].timestamp.isoformat()
    assert sorted(seen) == sorted(each["message_id"] for each in samples if each["counter_name"] == "m1")


@clause("M19")
def test_what_was_recorded_when(store: Store) -> None:
    for n in range(4):
        with now(after(n)):
            record(store, [sample(f"m{n}", at=-n)])
    assert asked(store, {">": {"recorded_at": after(1).isoformat()}}) == ["m2", "m3"]
    assert asked(store, {"=": {"recorded_at": after(1).isoformat()}}) == ["m1"]
    assert asked(store, None, [{"recorded_at": "desc"}], 2) == ["m3", "m2"]


@clause("M19")
@rows(("expression", "orderby"), [
    ([], None), ("text", None), ({"=": {"user_id": "a"}, "!=": {"user_id": "b"}}, None), ({"and": [{"=": {"user_id": "a"}}]}, None),
    ({"and": {"=": {"user_id": "a"}}}, None), ({"xor": []}, None), ({"=": "a"}, None), ({"=": {}}, None),
    ({"=": {"colour": "a"}}, None),
    ({"=": {"user_id": 7}}, None), ({"=": {"volume": "7"}}, None), ({"=": {"timestamp": "soon"}}, None),
    ({"in": {"user_id": "a"}}, None),
    ({"in": {"metadata.k": ["a"]}}, None), ({"=~": {"user_id": "("}}, None), ({"=~": {"volume": "1"}}, None), ({"not": []}, None),
    ({"=": {"metadata.k": None}}, None), ({"=": {"metadata.": 1}}, None), ({"=~": {"user_id": "x" * 300}}, None),
    (None, [{"colour": "asc"}]), (None, [{"timestamp": "up"}]), (None, [{"timestamp": "asc", "meter": "asc"}]), (None, "timestamp"),
    (None, [{"metadata.k": "asc"}]), (None, ["timestamp"]),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused(store: Store, expression: Any, orderby: Any) -> None:
    with pytest.raises(InvalidInput):
        list(store.query_samples(expression, orderby))

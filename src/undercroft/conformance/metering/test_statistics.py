"""Statistics: rows, periods, groups, named aggregates, and how exact they are."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from undercroft.conformance.markers import clause, promise
from undercroft.conformance.metering.data import (
    FIRST,
    LAST,
    START,
    after,
    hour,
    maintained,
    pending,
    record,
    same_statistics,
    sample,
    statistics,
)
from undercroft.conformance.metering.oracle import GROUPS, Oracle, is_close
from undercroft.conformance.rows import rows
from undercroft.core.errors import InvalidInput
from undercroft.metering import Aggregate, SampleFilter, Statistics, Store

EVERY = [(name, None) for name in ("min", "max", "sum", "avg", "count", "stddev")]
CPU: dict[str, Any] = {"meter": "cpu_util"}


@clause("M15", "M17", "M18")
def test_a_row_is_the_contracts_model(store: Store) -> None:
    pending(store, [sample("a", 1, at=0), sample("b", 2, at=30.5), sample("c", 6, at=12)])
    (row,) = statistics(store, CPU)
    assert isinstance(row, Statistics)
    assert row.as_dict() == {
        "unit": "%", "period": 0, "period_start": START, "period_end": after(30.5), "duration": 30.5, "duration_start": START,
        "duration_end": after(30.5), "groupby": None, "max": 6, "min": 1, "avg": 3.0, "sum": 9, "count": 3,
    }  # fmt: skip
    assert statistics(store, {"meter": "other"}) == statistics(store, CPU | {"start_timestamp": after(31)}) == []
    assert [
        one.as_dict()["count"] for one in store.get_meter_statistics(SampleFilter(**CPU), period=None, groupby=None, aggregate=None)
    ] == [3]


@clause("M15")
def test_a_row_for_each_unit(store: Store) -> None:
    pending(
        store, [sample("a", 1, counter_unit="B"), sample("b", 2, at=9, counter_unit="MB"), sample("c", 3, at=5, counter_unit="B")]
    )
    assert {row.unit: (row.sum, row.count, row.duration, row.period_start) for row in statistics(store, CPU)} == {
        "B": (4, 2, 5.0, START), "MB": (2, 1, 0.0, after(9)),
    }  # fmt: skip
    pending(store, [sample("d", 5, counter_unit="B", counter_type="delta"), sample("e", 7, counter_unit="B", meter="other")])
    assert {row.unit: row.sum for row in statistics(store, CPU)} == {"B": 9, "MB": 2}
    assert {row.unit: row.sum for row in statistics(store, {})} == {"B": 16, "MB": 2}


# -- periods -------------------------------------------------------------------------------------------------------------


def windows(store: Store, period: Any, **given: Any) -> list[tuple[float, float, int]]:
    """Start and end of the periods, in seconds after START, with how many samples they have."""
    return [
        ((row.period_start - START).total_seconds(), (row.period_end - START).total_seconds(), row.count)
        for row in statistics(store, CPU | given, period)
    ]


@clause("M15")
@promise("T2")
def test_periods_begin_at_the_first_sample_or_the_bound(store: Store) -> None:
    pending(store, [sample(f"m{n}", n, at=seconds) for n, seconds in enumerate((10, 69.999_999, 70, 71, 310, 3_599, 3_610))])
    assert windows(store, 60) == [(10, 70, 2), (70, 130, 2), (310, 370, 1), (3_550, 3_610, 1), (3_610, 3_670, 1)]
    assert windows(store, 60, start_timestamp=START) == [
        (0, 60, 1),
        (60, 120, 3),
        (300, 360, 1),
        (3_540, 3_600, 1),
        (3_600, 3_660, 1),
    ]
    assert windows(store, 60, start_timestamp=after(10), start_timestamp_op="gt") == [
        (10, 70, 1), (70, 130, 2), (310, 370, 1), (3_550, 3_610, 1), (3_610, 3_670, 1),
    ]  # fmt: skip
    assert windows(store, 60, end_timestamp=after(70)) == [(10, 70, 2)]
    assert windows(store, 60, end_timestamp=after(70), end_timestamp_op="le") == [(10, 70, 2), (70, 130, 1)]
    assert windows(store, 3_600, start_timestamp=after(-3_600)) == [(0, 3_600, 6), (3_600, 7_200, 1)]
    assert windows(store, 0.5, start_timestamp=after(69.6), end_timestamp=after(71), end_timestamp_op="le") == [
        (69.6, 70.1, 2), (70.6, 71.1, 1)
    ]  # fmt: skip
    assert windows(store, 10**9) == [(10, 10**9 + 10, 7)]
    assert [row.period for row in statistics(store, CPU, 60)] == [60] * 5
    for nothing in (0, None):
        assert [(row.period, row.count) for row in statistics(store, CPU, nothing)] == [(0, 7)]


@clause("M15")
def test_a_last_sample_on_the_end_of_a_window_opens_one_more(store: Store) -> None:
    """Ceilometer loses it."""
    pending(store, [sample(f"m{n}", 1, at=n * 60) for n in range(3)])
    assert windows(store, 60) == [(0, 60, 1), (60, 120, 1), (120, 180, 1)]
    assert windows(store, 120) == [(0, 120, 2), (120, 240, 1)]
    assert windows(store, 60, start_timestamp=START, end_timestamp=after(120), end_timestamp_op="le")[-1] == (120, 180, 1)
    maintained(store)
    assert windows(store, 60) == [(0, 60, 1), (60, 120, 1), (120, 180, 1)]
    assert windows(store, 120) == [(0, 120, 2), (120, 240, 1)]


@clause("M15", "M18")
def test_durations_are_of_the_samples(store: Store) -> None:
    pending(store, [sample(f"m{n}", n, at=n * 50) for n in range(5)])
    told = [(row.duration, row.duration_start, row.duration_end) for row in statistics(store, CPU, 100)]
    assert told == [(50.0, after(0), after(50)), (50.0, after(100), after(150)), (0.0, after(200), after(200))]
    (row,) = statistics(store, CPU | {"start_timestamp": after(-500), "end_timestamp": after(10_000)})
    assert (row.duration, row.duration_start, row.duration_end) == (200.0, START, after(200))
    (row,) = statistics(store, CPU | {"start_timestamp": after(50), "end_timestamp": after(200)})
    assert (row.duration, row.period_start, row.period_end) == (100.0, after(50), after(150))


@clause("M15")
@promise("T2")
def test_periods_through_all_years(store: Store) -> None:
    pending(store, [sample("a", 1, at=FIRST), sample("b", 2, at=START), sample("c", 4, at=LAST)])
    for period in (10**10, 86_400 * 365):
        told = statistics(store, CPU, period)
        assert [row.sum for row in told] in ([1, 2, 4], [1, 6], [7], [3, 4])
        assert sum(row.count for row in told) == 3
    assert [row.duration for row in statistics(store, CPU)] == [(LAST - FIRST).total_seconds()]


@clause("M15")
@rows(("period", "groupby", "aggregate"), [
    (-1, None, None), (-0.5, None, None), ("60", None, None), (math.nan, None, None), (math.inf, None, None), (10**11, None, None),
    (None, ["colour"], None), (None, ["resource_metadata.colour"], None), (None, ["user"], None), (None, [None], None),
    (None, None, [Aggregate("median")]), (None, None, [Aggregate("")]), (None, None, [Aggregate("cardinality")]),
    (None, None, [Aggregate("cardinality", "source")]), (None, None, [Aggregate("max", "user_id")]), (None, None, ["max"]),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused(store: Store, period: Any, groupby: Any, aggregate: Any) -> None:
    with pytest.raises(InvalidInput):
        list(store.get_meter_statistics(SampleFilter(**CPU), period, groupby, aggregate))


# -- groups --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def owned(store: Store) -> Store:
    """Two resources of two projects, and one that nobody owns; two hours."""
    owners = [("a", "u", "p", "s"), ("b", "u", "q", None), ("c", None, None, "s")]
    pending(store, [
        sample(f"{resource}{n}", n + 1, at=n * 1_200, resource=resource, user_id=user, project_id=project, source=source,
               resource_metadata={"instance_type": "small"} if n % 2 else {"instance_type": 7} if n == 4 else {"other": 1})
        for resource, user, project, source in owners
        for n in range(6)
    ])  # fmt: skip
    return store


def groups(store: Store, *fields: str, period: Any = None, **given: Any) -> dict[Any, int]:
    """The sums of groups, by their values."""
    told = statistics(store, CPU | given, period, list(fields))
    assert all(list(row.groupby) == list(fields) for row in told)
    found = {tuple(row.groupby.values()) + ((row.period_start,) if period else ()): row.sum for row in told}
    assert len(found) == len(told)
    return found


@clause("M16")
def test_groups(owned: Store) -> None:
    assert groups(owned, "resource_id") == {("a",): 21, ("b",): 21, ("c",): 21}
    assert groups(owned, "user_id") == {("u",): 42, (None,): 21}
    assert groups(owned, "project_id") == {("p",): 21, ("q",): 21, (None,): 21}
    assert groups(owned, "source") == {("s",): 42, (None,): 21}
    assert groups(owned, "source", "user_id") == {("s", "u"): 21, (None, "u"): 21, ("s", None): 21}
    assert groups(owned, "project_id", end_timestamp=after(1_201)) == {("p",): 3, ("q",): 3, (None,): 3}
    assert groups(owned, "user_id", period=3_600, start_timestamp=START) == {
        ("u", START): 12, ("u", hour(1)): 30, (None, START): 6, (None, hour(1)): 15,
    }  # fmt: skip
    assert [row.groupby for row in statistics(owned, CPU, groupby=[])] == [None]
    assert [row.groupby for row in statistics(owned, CPU | {"resource": "a"}, groupby=["user_id", "resource_id"])] == [
        {"user_id": "u", "resource_id": "a"}
    ]


@clause("M16")
def test_groups_by_instance_type(owned: Store) -> None:
    """Values are told as text; samples without one are a group."""
    field = "resource_metadata.instance_type"
    for is_folded in (False, True):
        if is_folded:
            maintained(owned)
        assert groups(owned, field) == {("small",): 36, ("7",): 15, (None,): 12}
        assert groups(owned, field, "resource_id", resource="a") == {("small", "a"): 12, ("7", "a"): 5, (None, "a"): 4}
        assert groups(owned, field, period=3_600, start_timestamp=START) == {
            ("small", START): 6, (None, START): 12, ("small", hour(1)): 30, ("7", hour(1)): 15,
        }  # fmt: skip


@clause("M16")
def test_text_and_nothing_are_two_groups(store: Store) -> None:
    names = [None, "None", "", "a", "A", "a ", "é"]
    pending(store, [sample(f"m{n}", n, user_id=name, project_id=name, source=name) for n, name in enumerate(names)])
    for field in ("user_id", "project_id", "source"):
        assert groups(store, field) == {(name,): n for n, name in enumerate(names)}
    maintained(store)
    for field in ("user_id", "project_id", "source"):
        assert groups(store, field) == {(name,): n for n, name in enumerate(names)}


# -- aggregates ----------------------------------------------------------------------------------------------------------


@clause("M17")
@rows(
    ("named", "values"),
    [
        ([("max", None)], {"max": 6}), ([("min", None)], {"min": 1}), ([("sum", None)], {"sum": 21}),
        ([("avg", None)], {"avg": 3.5}),
        ([("count", None)], {"count": 6}), ([("stddev", None)], {"stddev": math.sqrt(35 / 12)}),
        ([("cardinality", "resource_id")], {"cardinality/resource_id": 1}), ([("max", None), ("max", None)], {"max": 6}),
        ([("cardinality", "user_id"), ("count", None)], {"cardinality/user_id": 1, "count": 6}),
        ([], {"max": 6, "min": 1, "avg": 3.5, "sum": 21, "count": 6}),
    ],
)  # fmt: skip
def test_only_what_was_named_is_told(owned: Store, named: Any, values: dict[str, float]) -> None:
    (row,) = statistics(owned, CPU | {"resource": "a"}, aggregate=named)
    every = ("max", "min", "avg", "sum", "count", "stddev", "aggregate", "cardinality/resource_id", "cardinality/user_id")
    told = {name: getattr(row, name) for name in every if hasattr(row, name)}
    assert told.pop("aggregate", None) == (values if named else None)
    assert told == values


@clause("M17")
def test_cardinality_counts_what_differs(owned: Store) -> None:
    """What nobody said is not counted."""
    fields = ("resource_id", "user_id", "project_id")
    named = [("cardinality", field) for field in fields]
    for is_folded in (False, True):
        if is_folded:
            maintained(owned)
        (row,) = statistics(owned, CPU, aggregate=named)
        assert row.aggregate == {"cardinality/resource_id": 3.0, "cardinality/user_id": 1.0, "cardinality/project_id": 2.0}
        told = {row.groupby["user_id"]: list(row.aggregate.values()) for row in statistics(owned, CPU, None, ["user_id"], named)}
        assert told == {"u": [2, 1, 2], None: [1, 0, 0]}
        assert [row.aggregate["cardinality/resource_id"] for row in statistics(owned, CPU, 1_800, None, named)] == [3, 3, 3, 3]
        assert all(type(value) is float for value in row.aggregate.values())


# -- exactness -----------------------------------------------------------------------------------------------------------

VOLUMES: dict[str, list[Any]] = {
    "nanoseconds of many": [2**62 + 3 * n for n in range(40)],
    "integers beyond 64 bits": [10**30 + 1, -(10**30), 2**64, -(2**63) - 1, 7],
    "the largest integers": [10**100 - 1] * 3 + [1 - 10**100],
    "integers that cancel": [2**63, -(2**63), 1],
    "floats that cancel": [1e16, 1.0, -1e16, 1e300, 3e-10, -1e300],
    "tenths": [0.1] * 10,
    "thirds": [1 / 3, 2 / 3, 1e-17, -1.0],
    "the smallest": [5e-324, 5e-324, -5e-324, 2.2250738585072014e-308],
    "the largest": [1.7e308, -1.7e308, 1.7e308, -1.6e308],
    "more than a float holds": [1.7e308, 1.7e308, 1.7e308],
    "integers among floats": [2**53 + 1, 0.5, -(2**53), 1, 1e-9, 3],
    "large integers among floats": [10**40 + 1, 0.1, -(10**40), 2**70],
    "noise on a large level": [1e15 + n % 7 / 8 for n in range(60)],
    "noise on a large integer": [10**18 + n % 5 for n in range(60)],
    "next to each other": [1e8, math.nextafter(1e8, 2e8), math.nextafter(1e8, 0)],
    "all the same": [0.1] * 7,
    "all the same and large": [1e17 + 16] * 9,
    "zero and minus zero": [-0.0, 0.0, -0.0],
    "one": [-3.25],
    "of far sizes": [1e-300, 1e300, 1.0],
}
# All in one hour; over hours; over days; and over hours in several series.
PLACES: dict[str, Callable[[int], tuple[float, str]]] = {
    "one hour": lambda n: (n * 30, "r"),
    "hours": lambda n: (n * 1_800, "r"),
    "days": lambda n: (n * 40_000, "r"),
    "series": lambda n: (n * 900, f"r{n % 3}"),
}


@clause("M17", "M23")
@promise("C5", "C7")
@rows("name", list(VOLUMES), empty="clear")
def test_sums_means_and_deviations_are_exact(store: Store, name: str) -> None:
    """Of the samples as of what is kept of whole hours, wherever they lie."""
    volumes, oracle = VOLUMES[name], Oracle()
    samples = [
        sample(f"{place} {n}", volume, meter=place, at=where(n)[0], resource=where(n)[1])
        for place, where in PLACES.items()
        for n, volume in enumerate(volumes)
    ]
    record(oracle, samples)
    pending(store, samples)
    for is_folded in (False, True):
        if is_folded:
            maintained(store)
        for place in PLACES:
            same_statistics(store, oracle, {"meter": place}, aggregate=EVERY)
            same_statistics(store, oracle, {"meter": place, "start_timestamp": after(31)}, aggregate=EVERY)
        same_statistics(store, oracle, {"meter": "series"}, groupby=["resource_id"], aggregate=EVERY)
        same_statistics(store, oracle, {"meter": "days"}, period=86_400, aggregate=EVERY)
        same_statistics(store, oracle, {}, aggregate=EVERY)


@clause("M17")
def test_integers_stay_integers(store: Store) -> None:
    pending(
        store,
        [sample("a", 2**53 + 1), sample("b", 2**53 + 2, at=60), sample("c", 1.0, meter="float"), sample("d", 2.5, meter="float")],
    )
    (row,) = statistics(store, CPU)
    assert [type(value) for value in (row.sum, row.min, row.max, row.count, row.avg)] == [int, int, int, int, float]
    assert (row.sum, row.min, row.max) == (2**54 + 3, 2**53 + 1, 2**53 + 2)
    (row,) = statistics(store, {"meter": "float"})
    assert [type(value) for value in (row.sum, row.min, row.max)] == [float] * 3


@clause("M17")
@promise("C5")
def test_a_day_of_nanoseconds_of_a_thousand_machines(store: Store) -> None:
    """Cumulative counters of all add up to more than 64 bits."""
    samples = [
        sample(f"m{n}-{k}", 5 * 10**16 + n * k, at=k * 3_600, meter="cpu", resource=f"r{n}") for n in range(250) for k in range(4)
    ]
    pending(store, samples)
    wanted = sum(each["counter_volume"] for each in samples)
    assert wanted > 2**64
    for is_folded in (False, True):
        if is_folded:
            maintained(store)
        (row,) = statistics(store, {"meter": "cpu"})
        assert (row.sum, row.count, row.min, row.max) == (wanted, 1_000, 5 * 10**16, 5 * 10**16 + 747)
        assert is_close(row.avg, Fraction(wanted, 1_000), 1e-12)


@clause("M15", "M16", "M17", "M18")
@promise("C5", "C7")
def test_random_questions(store: Store) -> None:
    """Any filter with any period, groups and aggregates."""
    rng, oracle = random.Random(7), Oracle()
    samples = [
        sample(
            f"m{n}", rng.choice([rng.uniform(-1, 1), rng.randrange(1000), 2**64 + n]), at=rng.randrange(-7_000, 7_000) * 5,
            meter=rng.choice("xy"),
            resource=f"r{rng.randrange(4)}", user_id=rng.choice([None, "u"]), project_id=rng.choice(["p", "q"]),
            counter_unit=rng.choice(["%", "%", "B"]), source=rng.choice([None, "s"]),
            resource_metadata=rng.choice([{}, {"instance_type": "m1"}, {"instance_type": 1, "k": 1}]),
        )
        for n in range(300)
    ]  # fmt: skip
    record(oracle, samples)
    pending(store, samples)
    moments = [None, None, hour(-8), hour(-3), hour(-2.5), START, after(0.000_001), hour(4), hour(9.9)]
    functions = [*EVERY, *(("cardinality", field) for field in ("resource_id", "user_id", "project_id"))]
    for is_folded in (False, True):
        if is_folded:
            maintained(store, hour(5))
        for _ in range(60):
            given: dict[str, Any] = {
                "meter": rng.choice(["x", "y", None]), "start_timestamp": rng.choice(moments),
                "start_timestamp_op": rng.choice(["gt", "ge", None]),
                "end_timestamp": rng.choice(moments), "end_timestamp_op": rng.choice(["le", "lt", None]),
                "resource": rng.choice([None, None, "r1"]), "user": rng.choice([None, None, "u", "None"]),
                "project": rng.choice([None, None, "p"]), "metaquery": rng.choice([None, None, None, {"metadata.k": 1}]),
            }  # fmt: skip
            same_statistics(
                store, oracle, given, rng.choice([None, None, 300, 1_800, 3_600, 7_200, 86_400, 5_000]),
                rng.choice([None, rng.sample(GROUPS, rng.randint(1, 3))]),
                rng.choice([None, rng.sample(functions, rng.randint(1, 5))]),
            )  # fmt: skip

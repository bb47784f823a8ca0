"""Which samples a filter selects, and in which order they come."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from typing import Any

import pytest

from undercroft.conformance.markers import clause, promise
from undercroft.conformance.metering.data import (
    START,
    WHOLE,
    after,
    everything,
    found,
    hour,
    ids,
    only,
    record,
    same_samples,
    sample,
    statistics,
    uuid1,
)
from undercroft.conformance.metering.oracle import Oracle
from undercroft.conformance.rows import rows
from undercroft.core.errors import InvalidInput
from undercroft.metering import SampleFilter, Store

MICRO = dt.timedelta(microseconds=1)


@clause("M11")
@rows(("start", "end", "wanted"), [
    (None, None, "01234"), ("gt", None, "234"), ("ge", None, "1234"), (None, "lt", "012"), (None, "le", "0123"),
    ("gt", "le", "23"), ("ge", "lt", "12"), ("GT", "LE", "12"), ("eq", "ne", "12"), ("", "", "12"), ("lt", "gt", "12"),
])  # fmt: skip
def test_operators_of_bounds(store: Store, start: str | None, end: str | None, wanted: str) -> None:
    """Of the start `gt` is after it, anything else at it or after; of the end `le` is at it or before, anything else before."""
    if not everything(store):
        store.record_metering_data_batch([sample(f"{n}", at=START + n * MICRO) for n in range(5)])
    given: dict[str, Any] = {}
    if start is not None or wanted == "12":
        given |= {"start_timestamp": START + MICRO, "start_timestamp_op": start or None}
    if end is not None:
        given |= {"end_timestamp": START + 3 * MICRO, "end_timestamp_op": end or None}
    assert "".join(ids(store, **given))[::-1] == wanted
    assert store.count_samples(SampleFilter(**given)) == len(wanted)
    assert sum(row.count for row in statistics(store, given)) == len(wanted)


@clause("M11")
def test_bounds_as_text_and_with_zones(store: Store) -> None:
    store.record_metering_data_batch([sample(f"m{n}", at=n) for n in range(4)])
    zoned = dt.datetime(2024, 3, 1, 14, 0, 2, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    for start in (after(2), "2024-03-01T12:00:02", "2024-03-01T14:00:02+02:00", "2024-03-01T12:00:02Z", zoned):
        assert ids(store, start_timestamp=start) == ["m3", "m2"]
        assert ids(store, end_timestamp=start) == ["m1", "m0"]
    assert ids(store, start_timestamp=after(2), end_timestamp=after(2)) == []
    assert ids(store, start_timestamp=after(2), end_timestamp=after(2), end_timestamp_op="le") == ["m2"]
    assert ids(store, start_timestamp=after(3), end_timestamp=after(1)) == []
    with pytest.raises(InvalidInput):
        ids(store, start_timestamp="soon")


@clause("M11")
def test_names_are_exact(store: Store) -> None:
    names = ["a", "A", "a ", "á", "ab", "%", "_", "a%", "None", "null"]
    fields = ("meter", "resource", "source", "message_id", "user", "project")
    keys = ("counter_name", "resource_id", "source", "message_id", "user_id", "project_id")
    store.record_metering_data_batch([
        sample(name) | dict.fromkeys(keys[:4], name) | {"user_id": name, "project_id": f"{name}p"} for name in names
    ])  # fmt: skip
    for name in names:
        for field in fields[:4]:
            assert ids(store, **only(field, name)) == [name], (field, name)
        assert ids(store, user=name) == ([name] if name != "None" else [])
        assert ids(store, project=f"{name}p") == [name]
        assert ids(store, meter=name, resource=name, source=name, message_id=name) == [name]
        assert ids(store, meter=name, resource="b") == []
    for field in fields:
        assert ids(store, **only(field, "b")) == []


@clause("M11")
def test_none_as_text_means_that_nobody_said(store: Store) -> None:
    owners = [(None, None), ("u", None), (None, "p"), ("u", "p")]
    store.record_metering_data_batch(
        [sample(f"{n}", at=-n, user_id=user, project_id=project) for n, (user, project) in enumerate(owners)]
    )
    assert ids(store, user="None") == ["0", "2"]
    assert ids(store, project="None") == ["0", "1"]
    assert ids(store, user="None", project="None") == ["0"]
    assert ids(store, user="u", project="None") == ["1"]
    assert ids(store) == ids(store, user=None, project=None) == ["0", "1", "2", "3"]
    assert [row.count for row in statistics(store, {"user": "None"})] == [2]


METADATA: dict[str, dict[str, Any]] = {
    "bool": {"k": True}, "int": {"k": 1}, "float": {"k": 1.0}, "text": {"k": "1"}, "false": {"k": False}, "zero": {"k": 0},
    "minus": {"k": -0.0}, "null": {"k": None}, "list": {"k": [1]}, "nested": {"k": {"k": 1}}, "dotted": {"k.k": 1},
    "other": {"K": 1},
    "empty": {}, "two": {"k": 1, "l": "x"}, "deep": {"a": {"b.c": {"d": "é"}}}, "large": {"k": 2**70}, "true": {"k": "True"},
    "blank": {"k": ""},
}  # fmt: skip


@clause("M12")
@promise("C7")
@rows(("query", "wanted"), [
    ({"metadata.k": True}, ["bool"]), ({"metadata.k": 1}, ["int", "two"]), ({"metadata.k": 1.0}, ["float"]),
    ({"metadata.k": "1"}, ["text"]),
    ({"metadata.k": False}, ["false"]), ({"metadata.k": 0}, ["zero"]), ({"metadata.k": 0.0}, ["minus"]),
    ({"metadata.k": "True"}, ["true"]),
    ({"metadata.k.k": 1}, ["nested", "dotted"]), ({"metadata.a.b.c.d": "é"}, ["deep"]), ({"metadata.k": 2**70}, ["large"]),
    ({"metadata.K": 1}, ["other"]), ({"metadata.k": ""}, ["blank"]), ({"metadata.k": 1, "metadata.l": "x"}, ["two"]),
    ({"metadata.k": 1, "metadata.l": "y"}, []), ({"metadata.k": "None"}, []), ({"metadata.k": "[1]"}, []),
    ({"metadata.x": "x"}, []),
    ({"metadata.a.b": "é"}, []), ({}, list(METADATA)), (None, list(METADATA)),
])  # fmt: skip
def test_metadata_compare_with_their_type(store: Store, query: Any, wanted: list[str]) -> None:
    if not everything(store):
        store.record_metering_data_batch(
            [sample(name, at=-n, resource_metadata=each) for n, (name, each) in enumerate(METADATA.items())]
        )
    assert ids(store, metaquery=query) == wanted
    assert store.count_samples(SampleFilter(metaquery=query)) == len(wanted)
    assert sum(row.count for row in statistics(store, {"meter": "cpu_util", "metaquery": query})) == len(wanted)


@clause("M10")
def test_the_newest_come_first(store: Store) -> None:
    moments = [0, 5, -7_200, 86_400 * 3, 5, 3_599.999_999, 3_600, -0.000_001, 86_400 * 3 + 1, -86_400 * 40]
    samples = [sample(f"m{n}", at=seconds, meter=f"m{n % 3}", resource=f"r{n % 2}") for n, seconds in enumerate(moments)]
    oracle = Oracle()
    oracle.record(samples)
    # One after the other, as late ones arrive.
    for each in samples:
        store.record_metering_data(each)
    for limit in (None, 1, 2, 3, 7, 10, 50, 10**12):
        same_samples(store, oracle, limit)
        for given in ({"meter": "m1"}, {"resource": "r0"}, {"meter": "m0", "resource": "r1"}, {"start_timestamp": START}):
            same_samples(store, oracle, limit, **given)


@clause("M10")
def test_a_limit_of_nothing(store: Store) -> None:
    store.record_metering_data(sample("a"))
    given = SampleFilter(meter="cpu_util")
    assert list(store.get_samples(given, 0)) == list(store.get_samples(given, limit=0)) == []
    assert list(store.query_samples(None, None, 0)) == list(store.get_meters(limit=0)) == list(store.get_resources(limit=0)) == []
    assert ids(store, 1) == ["a"]
    for limit in (-1, "5", 1.5):
        with pytest.raises(InvalidInput):
            list(store.get_samples(given, limit))  # type: ignore[arg-type]


@clause("M10")
def test_many_of_one_moment(store: Store) -> None:
    """A limit that ends among them gives that many, each once."""
    samples = [sample(uuid1(START, n), n, resource=f"r{n % 4}") for n in range(300)] + [
        sample("late", at=1),
        sample("early", at=-1),
    ]
    oracle = Oracle()
    oracle.record(samples)
    store.record_metering_data_batch(samples)
    for limit in (1, 2, 100, 301, 302, None):
        same_samples(store, oracle, limit)
        same_samples(store, oracle, limit, resource="r1")


@clause("M10", "M11")
@promise("C7")
def test_every_part_of_a_filter_with_every_other(store: Store) -> None:
    rng = random.Random(11)
    samples = [
        sample(
            f"m{n}", n, at=rng.randrange(-24, 24) * 1_800, meter=rng.choice("xyz"), resource=f"r{rng.randrange(5)}",
            user_id=rng.choice([None, "u", "v"]), project_id=rng.choice([None, "p", "q"]), source=rng.choice([None, "s", "t"]),
            resource_metadata=rng.choice([{}, {"k": 1}, {"k": "1"}, {"k": 1, "l": {"m": True}}]),
        )
        for n in range(300)
    ]  # fmt: skip
    oracle = Oracle()
    record(oracle, samples)
    record(store, samples)
    parts: list[dict[str, Any]] = [
        {"meter": "x"}, {"resource": "r2"}, {"user": "u"}, {"user": "None"}, {"project": "q"}, {"project": "None"}, {"source": "s"},
        {"metaquery": {"metadata.k": 1}}, {"metaquery": {"metadata.l.m": True}},
        {"start_timestamp": hour(-3), "start_timestamp_op": "gt"}, {"end_timestamp": hour(9), "end_timestamp_op": "le"},
        {"start_timestamp": hour(-5.25), "end_timestamp": hour(6.5)}, {"message_id": "m17"},
    ]  # fmt: skip
    for size in (1, 2, 3):
        for chosen in itertools.combinations(parts, size):
            given = {name: value for part in chosen for name, value in part.items()}
            if size == 1 or WHOLE or rng.random() < (0.2 if size == 2 else 0.04):
                same_samples(store, oracle, rng.choice([None, 3, 40]), **given)
                assert store.count_samples(SampleFilter(**given)) == len(oracle.select(**given))


@clause("M10")
def test_a_filter_is_not_changed(store: Store) -> None:
    record(store, [sample("a", resource_metadata={"k": 1})])
    query = {"metadata.k": 1}
    given = SampleFilter(meter="cpu_util", start_timestamp=START, metaquery=query)
    before = repr(vars(given))
    for _ in range(2):
        assert [each.message_id for each in store.get_samples(given)] == ["a"]
        assert len(list(store.get_meter_statistics(given, 60, ["user_id"]))) == 1
    assert repr(vars(given)) == before
    assert query == {"metadata.k": 1}


@clause("M11")
def test_a_filter_of_ones_own_form(store: Store) -> None:
    """Any object with these attributes will do: hosts have their own class."""

    class Own:
        def __init__(self, **given: Any) -> None:
            self.__dict__.update(vars(SampleFilter(**given)))

    record(store, [sample("a"), sample("b", meter="other")])
    assert [each.message_id for each in store.get_samples(Own(meter="other"))] == ["b"]
    assert [row.as_dict()["count"] for row in store.get_meter_statistics(Own(meter="other"))] == [1]


@clause("M10")
def test_samples_are_streamed_while_others_are_written(store: Store) -> None:
    """What is asked shows one moment's state, whatever is stored while it is read."""
    record(store, [sample(f"m{n:04}", n, at=n) for n in range(3_000)])
    told = iter(store.get_samples(SampleFilter()))
    first = next(told)
    record(store, [sample(f"later{n}", at=-n) for n in range(50)])
    rest = [each.message_id for each in told]
    assert [first.message_id, *rest] == [f"m{n:04}" for n in range(2_999, -1, -1)]
    assert len(found(store)) == 3_050

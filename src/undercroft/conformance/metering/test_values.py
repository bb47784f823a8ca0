"""Every value that the contract allows comes back as it was. Names are never interpreted."""

from __future__ import annotations

import datetime as dt
from typing import Any

from undercroft.conformance.markers import clause, promise
from undercroft.conformance.metering.data import (
    FIRST,
    HOUR,
    LAST,
    START,
    after,
    everything,
    exact,
    found,
    ids,
    maintained,
    meters,
    only,
    pending,
    resources,
    same_statistics,
    sample,
    statistics,
)
from undercroft.conformance.metering.oracle import Oracle, canonical, stored
from undercroft.conformance.rows import rows
from undercroft.metering import Store

INTEGERS = [
    0, 1, -1, 2**31, -(2**31) - 1, 2**53 + 1, -(2**53) - 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64 - 1, 2**64, 2**70 + 1,
    10**30 + 1, -(10**99), 10**100 - 1,
]  # fmt: skip
FLOATS = [
    0.0, -0.0, 1.0, 1.5, -1.5, 0.1, 1 / 3, 5e-324, -5e-324, 2.2250738585072014e-308, 1.7e308, -1.7976931348623157e308, 1e16,
    2.0**53,
    2.0**63, -(2.0**63), 2.0**70, 1e22, 1e23, 123456789.123456789,
]  # fmt: skip
MOMENTS = [
    FIRST, LAST, dt.datetime(1969, 12, 31, 23, 59, 59, 999_999), dt.datetime(1970, 1, 1), dt.datetime(9999, 1, 1, 0, 0, 0, 1),
    dt.datetime(1, 1, 1, 1), dt.datetime(2038, 1, 19, 3, 14, 8), dt.datetime(2024, 2, 29, 23, 59, 59, 999_999), START - HOUR / 3,
]  # fmt: skip
HOSTILE = [
    "$where", "a.b", ".", "..", "$", "_id", "a\tb\nc", "'", '"', "';DROP TABLE x;--", "%_", "\\", "\\x00", "*", "?", "{}", "null",
    "None", "é", "e\u0301", "\U0001f600", "\u202e", "\uffff", "ﬀ", " ", "a ", " a", "a", "A", "id", "0", "-1", "{{x}}", "%s", ":x",
    "\x7f", "\x1b", "i", "\u0131", "İ", "ß", "ss", "e" * 255, "\U0001f600" * 255,
]  # fmt: skip
METADATA: list[dict[str, Any]] = [
    {}, {"a": None}, {"a": True}, {"a": 1}, {"a": 1.0}, {"a": "1"}, {"a": -0.0}, {"a": 0.0}, {"a": False}, {"a": 0}, {"a": []},
    {"a": {}}, {"a": [1, 1.0, True, "1", None, [], {}]}, {"a": {"b": {"c": {"d": [{"e": 1}]}}}}, {"a.b": 1}, {"a": {"b": 1}},
    {"": ""}, {"é\U0001f600": "\U0001f600"}, {"a": "\0"}, {"\0": 1}, {"a": 2**53 + 1}, {"a": 2**63}, {"a": -(2**70)}, {"a": 1e300},
    {"a": 5e-324}, {"a": "x" * 5_000}, {str(n): n for n in range(300)}, {"b": 1, "a": 2}, {"a": 2, "b": 1}, {"A": 2, "b": 1},
]  # fmt: skip


@clause("M8")
def test_volumes_come_back_as_they_were(store: Store) -> None:
    """Integers of any size stay integers, and floats are the same to the last bit, whatever was stored beside them."""
    volumes = [*INTEGERS, *FLOATS]
    store.record_metering_data_batch([sample(f"{n:03}", volume) for n, volume in enumerate(volumes)])
    store.record_metering_data_batch([sample(f"{n + 500:03}", volume, at=n * 900) for n, volume in enumerate(volumes[::-1])])
    assert [repr(each.counter_volume) for each in everything(store)] == [*map(repr, volumes), *map(repr, volumes[::-1])]


@clause("M8", "M17")
@promise("C5")
@rows("volume", [*INTEGERS, *FLOATS], empty="clear")
def test_one_volume_is_its_own_statistics(store: Store, volume: Any) -> None:
    oracle, one = Oracle(), sample("a", volume)
    oracle.record([one])
    store.record_metering_data(one)
    every = [(name, None) for name in ("min", "max", "sum", "avg", "count", "stddev")]
    same_statistics(store, oracle, {"meter": "cpu_util"}, aggregate=every)
    (row,) = statistics(store, {"meter": "cpu_util"})
    assert row.min == row.max == volume


@clause("M8")
@promise("T2")
def test_moments_keep_their_microseconds_through_all_years(store: Store) -> None:
    store.record_metering_data_batch([sample(f"m{n}", at=moment) for n, moment in enumerate(MOMENTS)])
    assert {each.message_id: each.timestamp for each in everything(store)} == {f"m{n}": moment for n, moment in enumerate(MOMENTS)}
    in_order = sorted(MOMENTS, reverse=True)
    assert [each.timestamp for each in found(store)] == in_order
    for place, moment in enumerate(in_order):
        assert [each.timestamp for each in found(store, start_timestamp=moment)] == in_order[: place + 1]
        assert [each.timestamp for each in found(store, end_timestamp=moment)] == in_order[place + 1 :]
    assert [each[2:4] for each in resources(store)] == [(FIRST, LAST)]


@clause("M8", "M23")
@promise("T2", "C5")
def test_the_first_and_the_last_year_are_added_up(store: Store) -> None:
    oracle, samples = Oracle(), [sample(f"m{n}", n, at=moment) for n, moment in enumerate(MOMENTS)]
    oracle.record(samples)
    pending(store, samples)
    for folded in (False, True):
        if folded:
            maintained(store)
        for moment in MOMENTS:
            same_statistics(store, oracle, {"meter": "cpu_util", "start_timestamp": moment})
            same_statistics(store, oracle, {"meter": "cpu_util", "end_timestamp": moment, "end_timestamp_op": "le"})
        same_statistics(store, oracle, {"meter": "cpu_util"}, period=86_400 * 366 * 100)


@clause("M8")
@promise("S3", "C7")
def test_hostile_names_come_back_and_are_found(store: Store) -> None:
    given = [
        sample(
            f"m{n:02}", n, at=n, meter=name, resource=name, counter_unit=name, user_id=name, project_id=name, source=name,
            message_signature=name, resource_metadata={name: name},
        )
        for n, name in enumerate(HOSTILE)
    ]  # fmt: skip
    store.record_metering_data_batch(given)
    assert exact(everything(store)) == exact([stored(each) for each in given])
    assert sorted(each[0] for each in meters(store)) == sorted(each[0] for each in resources(store)) == sorted(HOSTILE)
    for n, name in enumerate(HOSTILE):
        for field in ("meter", "resource", "source", *(() if name == "None" else ("user", "project"))):
            assert ids(store, **only(field, name)) == [f"m{n:02}"], (field, ascii(name))
        assert [each[3] for each in meters(store, resource=name)] == [name], ascii(name)
        assert [each[0] for each in resources(store, source=name)] == [name], ascii(name)
        assert [(row.unit, row.sum) for row in statistics(store, {"meter": name, "resource": name})] == [(name, n)], ascii(name)
    groups = {row.groupby["resource_id"]: row.count for row in statistics(store, {}, groupby=["resource_id"])}
    assert groups == dict.fromkeys(HOSTILE, 1)


@clause("M8")
@promise("S3")
def test_names_that_differ_only_by_case_accents_or_blanks_are_others(store: Store) -> None:
    """In the unit, too, which no filter names."""
    names = ["a", "A", "a ", " a", "á", "a\u0301", "\uff41", "ß", "ss", "", "aa"]
    store.record_metering_data_batch([sample(f"m{n}", n + 1, counter_unit=name) for n, name in enumerate(names)])
    store.record_metering_data_batch([sample(f"k{n}", n + 1, counter_type=each) for n, each in enumerate(("delta", "cumulative"))])
    assert {row.unit: row.sum for row in statistics(store, {"meter": "cpu_util"})} == {
        name: n + 1 for n, name in enumerate(names)
    } | {"%": 3}
    assert [each.counter_unit for each in everything(store) if each.message_id.startswith("m")] == [
        names[int(each[1:])] for each in sorted(f"m{n}" for n in range(len(names)))
    ]


@clause("M8")
def test_nul_is_taken_out(store: Store) -> None:
    text = "a\0b"
    names = ("message_id", "counter_name", "counter_unit", "user_id", "project_id", "resource_id", "source", "message_signature")
    store.record_metering_data(sample("x") | dict.fromkeys(names, text) | {"resource_metadata": {text: text}})
    assert exact(everything(store)) == exact(
        [stored(sample("x") | dict.fromkeys(names, "ab") | {"resource_metadata": {text: text}})]
    )
    store.record_metering_data(sample("ab", 7))
    assert len(everything(store)) == 1


@clause("M8")
def test_metadata_comes_back_as_it_was(store: Store) -> None:
    """True, 1, 1.0 and "1" are four values; equal metadata may be kept once, and no other taken for it."""
    given = [sample(f"m{n:02}", at=n, resource=f"r{n % 3}", resource_metadata=each) for n, each in enumerate(METADATA)]
    store.record_metering_data_batch(given)
    store.record_metering_data_batch([each | {"message_id": f"again {each['message_id']}"} for each in given[::-1]])
    told = {each.message_id: each.resource_metadata for each in everything(store)}
    wanted = [canonical(each) for each in METADATA]
    assert [told[f"m{n:02}"] for n in range(len(METADATA))] == wanted
    assert [told[f"again m{n:02}"] for n in range(len(METADATA))] == wanted
    assert {each[0]: each[6] for each in resources(store)} == {f"r{n % 3}": canonical(each) for n, each in enumerate(METADATA)}


@clause("M8", "M11")
def test_what_nobody_said_is_null_and_not_a_text(store: Store) -> None:
    """And neither is another's."""
    fields = ("user_id", "project_id", "source", "message_signature")
    values = [None, "None", "", "null"]
    store.record_metering_data_batch([
        sample(f"{field} {n}", n, at=n) | {field: value} for n, value in enumerate(values) for field in fields
    ])  # fmt: skip
    told = {each.message_id: each for each in everything(store)}
    for field in fields:
        assert [getattr(told[f"{field} {n}"], field) for n in range(len(values))] == values
    assert ids(store, user="None") == ["user_id 0"]
    assert ids(store, project="None") == ["project_id 0"]
    assert ids(store, source="None") == ["source 1"]
    groups = {row.groupby["user_id"]: row.count for row in statistics(store, {"meter": "cpu_util"}, groupby=["user_id"])}
    assert groups == {None: 1, "None": 1, "": 1, "null": 1, "u": 12}


@clause("M8")
def test_a_megabyte_of_metadata(store: Store) -> None:
    # Less where the engine takes less: a character has up to five bytes here, and of a statement an escape before each.
    most = min(store.largest or 2**21, 2**21)
    large = {"text": "z\U0001f600" * (most // 16), "list": list(range(20_000))}
    store.record_metering_data_batch([sample("a", resource_metadata=large), sample("b", resource_metadata=large)])
    assert [each.resource_metadata for each in everything(store)] == [canonical(large)] * 2
    maintained(store)
    assert [each[6] for each in resources(store)] == [canonical(large)]


@clause("M8")
def test_after_an_hour_of_one_meter(store: Store) -> None:
    """Many series of one moment, and many moments of one series."""
    oracle = Oracle()
    samples = [sample(f"a{n}", n, resource=f"r{n}") for n in range(150)] + [
        sample(f"b{n}", n, at=after(n / 1e6)) for n in range(150)
    ]
    oracle.record(samples)
    store.record_metering_data_batch(samples)
    same_statistics(store, oracle, {"meter": "cpu_util"}, groupby=["resource_id"])
    same_statistics(store, oracle, {"meter": "cpu_util", "start_timestamp": after(0.000_01), "end_timestamp": after(0.000_1)})

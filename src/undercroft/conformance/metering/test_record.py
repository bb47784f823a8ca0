"""Recording: durable, once each, and nobody's mistake harms another's sample."""

from __future__ import annotations

import datetime as dt
import logging
import math
import sys
import uuid
from typing import Any

import pytest

from undercroft.conformance.clock import now
from undercroft.conformance.markers import assumes, clause, essential, promise
from undercroft.conformance.metering.data import (
    START,
    OpenStore,
    after,
    everything,
    exact,
    flat,
    found,
    ids,
    sample,
    statistics,
    uuid1,
)
from undercroft.conformance.metering.oracle import Oracle, stored
from undercroft.conformance.rows import rows
from undercroft.core.errors import InvalidInput
from undercroft.metering import Sample, SampleFilter, Store

pytestmark = essential
NODE = 0x02FC_0000_0001

# Ids of every form that senders have; all differ.
IDS = [
    "m1", "M1", "m1 ", " m1", "é", "e\u0301", "\U0001f600", "0", "-1", "None", "null", "'; DROP TABLE x;--", "%", "_", "\\",
    "x" * 255,
    "\U0001f600" * 255,
    *(uuid1(after(n), node) for n in (0, 1e-6, 300) for node in (NODE, NODE + 1)),
    uuid1(dt.datetime(1582, 10, 15)), uuid1(dt.datetime(5236, 3, 31)),
    "08517084-e583-11f1-b38a-02fc00000001", "08517084-E583-11F1-B38A-02FC00000001", "08517084e58311f1b38a02fc00000001",
    "{08517084-e583-11f1-b38a-02fc00000001}", "urn:uuid:08517084-e583-11f1-b38a-02fc00000001",
    "08517084-e583-11f1-b38a-02fc0000000",
    "08517084-e583-11f1-b38a-02fc00000001 ", "08517084-e583-11f1-338a-02fc00000001", "08517084-e583-11f1-f38a-02fc00000001",
    "e58311f1-0851-7084-b38a-02fc00000001", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "ada7c471-50c6-5a65-8ef7-d5292f71dd41", "f47ac10b-58cc-4372-a567-0e02b2c3d479", "F47AC10B-58CC-4372-A567-0E02B2C3D479",
    "018f4e3a-7c1b-7abc-9def-0123456789ab", "018f4e3a-7c1b-8abc-9def-0123456789ab", "1ef21d2f-1207-6660-8c4f-419efbd44d48",
    *(f"{n:08x}-e583-11f1-b38a-02fc00000001" for n in (0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)),
    *(f"08517084-e583-{version:x}1f1-b38a-02fc00000001" for version in (0, 2, 3, 4, 5, 6, 7, 8, 9, 15)),
]  # fmt: skip


def log_of(store: Store) -> logging.Logger:
    log: logging.Logger = sys.modules[type(store).record_metering_data_batch.__module__].LOG
    return log


def failures(store: Store, caplog: pytest.LogCaptureFixture) -> int:
    """How many samples the contract's module has told of that it did not store."""
    told = [each for each in caplog.records if each.name == log_of(store).name and each.levelno == logging.ERROR]
    assert all(each.exc_info for each in told)
    return len(told)


@clause("M5")
@promise("D2")
@assumes("survives_restart")
def test_what_was_recorded_is_there_for_another_object(store: Store, open_store: OpenStore) -> None:
    store.record_metering_data_batch([sample("a", 1.5, resource_metadata={"x": 1}), sample("b", 2**70, meter="cpu")])
    assert exact(everything(open_store(init=False))) == exact(everything(store))
    assert len(everything(store)) == 2


@clause("M5")
def test_one_by_one_and_nothing(store: Store) -> None:
    store.record_metering_data(sample("a"))
    store.record_metering_data(data=sample("b"))
    store.record_metering_data_batch(samples=iter([sample("c")]))
    store.record_metering_data_batch([])
    store.record_metering_data_batch(iter(()))
    assert store.store_samples([]) == []
    assert sorted(ids(store)) == ["a", "b", "c"]


@clause("M5")
def test_a_sample_comes_back_as_the_contracts_model(store: Store) -> None:
    given = sample("a", 1.5, resource_metadata={"x": {"y": [1, None]}}, message_signature="s")
    moment = dt.datetime(2024, 3, 1, 12, 0, 5, 17)
    with now(moment):
        store.record_metering_data(given)
    (one,) = store.get_samples(SampleFilter())
    assert isinstance(one, Sample)
    assert one.as_dict() == given | {"recorded_at": moment}
    assert one == Sample(**given, recorded_at=moment)
    assert one.timestamp.tzinfo is one.recorded_at.tzinfo is None


@clause("M5")
def test_recorded_at_is_when_it_arrived(store: Store) -> None:
    """Before, after and long after it was measured."""
    moments = [after(seconds) for seconds in (-86_400.5, -1e-6, 0, 0.123456, 3_600, 86_400 * 400)]
    for number, moment in enumerate(moments):
        with now(moment):
            store.record_metering_data_batch([sample(f"m{number}-{k}") for k in range(2)])
    told = {each.message_id: each.recorded_at for each in store.get_samples(SampleFilter())}
    assert told == {f"m{number}-{k}": moment for number, moment in enumerate(moments) for k in range(2)}


@clause("M6")
def test_the_first_of_a_message_id_stays(store: Store) -> None:
    """Whatever the second says: it may even be of another time, meter and resource."""
    store.record_metering_data(sample("a", 1))
    for other in (
        sample("a", 2),
        sample("a", 1.0, at=7_200),
        sample("a", meter="other", resource="other"),
        sample("a", project_id="q", user_id=None),
        sample("a", at=-86_400 * 40, resource_metadata={"x": 1}),
    ):
        store.record_metering_data(other)
        assert [outcome.is_new for outcome in store.store_samples([other])] == [False]
    assert exact(everything(store)) == exact([stored(sample("a", 1))])
    assert [row.count for row in statistics(store, {"meter": "cpu_util"})] == [1]
    assert statistics(store, {"meter": "other"}) == []
    assert [each.name for each in store.get_meters()] == ["cpu_util"]
    assert [each.resource_id for each in store.get_resources()] == ["r"]


@clause("M6")
def test_duplicates_within_a_batch_and_of_before(store: Store) -> None:
    store.record_metering_data(sample("b", 0))
    batch = [sample("a", 1), sample("b", 2), sample("a", 3, at=9), sample("c", 4), sample("b", 5), sample("c", 4)]
    outcomes = store.store_samples(batch)
    assert [(each.is_new, each.error) for each in outcomes] == [(new, None) for new in (True, False, False, True, False, False)]
    assert [(each.message_id, each.counter_volume) for each in everything(store)] == [("a", 1), ("b", 0), ("c", 4)]
    assert [row.sum for row in statistics(store, {"meter": "cpu_util"})] == [5]


@clause("M6")
def test_a_known_sample_at_any_place_of_a_batch(store: Store) -> None:
    for place in range(4):
        batch = [sample(uuid1(after(60 * n + place), NODE), n, at=60 * n + place) for n in range(4)]
        store.record_metering_data(batch[place])
        assert [outcome.is_new for outcome in store.store_samples(batch)] == [n != place for n in range(4)]
    assert sorted(each.counter_volume for each in everything(store)) == sorted([*range(4)] * 4)


@clause("M6")
def test_ids_of_every_form(store: Store) -> None:
    """None is taken for another; each is found by itself, and known again."""
    samples = [sample(message_id, number, at=number) for number, message_id in enumerate(IDS)]
    assert all(outcome.is_new for outcome in store.store_samples(samples))
    assert [each.message_id for each in found(store)] == IDS[::-1]
    assert not any(outcome.is_new for outcome in store.store_samples(samples[::-1]))
    for number, message_id in enumerate(IDS):
        assert [each.counter_volume for each in found(store, message_id=message_id)] == [number], message_id
    assert found(store, message_id="08517084-e583-11f1-b38a-02fc00000002") == []


@clause("M6")
def test_ids_that_share_most_of_their_bits(store: Store) -> None:
    """Of one moment and another node, of one node and neighbouring moments, of another clock."""
    some = [uuid1(START, NODE + n) for n in range(40)] + [uuid1(after(n / 1e6), NODE) for n in range(1, 40)]
    some += [str(uuid.UUID(uuid1(START, NODE))).replace("-8000-", f"-{0x8000 + n:x}-") for n in range(1, 40)]
    assert len(set(some)) == len(some)
    for part in (some[::2], some, some):
        store.record_metering_data_batch([sample(each) for each in part])
    assert sorted(ids(store)) == sorted(some)


@clause("M6")
def test_what_comes_after_many_repeats_is_found(store: Store) -> None:
    """Repeats, too, may use up the numbers that a driver gives to samples."""
    often = [sample(uuid1(after(n), NODE), n, at=n) for n in range(500)]
    for _ in range(6):
        store.record_metering_data_batch(often)
    store.record_metering_data(sample("later", at=5))
    assert len(everything(store)) == 501
    assert [row.count for row in statistics(store, {"meter": "cpu_util"})] == [501]


@clause("M7")
def test_one_bad_item_harms_no_other(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    bad = sample("bad", math.nan)
    worse = sample("worse", resource_id=None)
    with pytest.raises(InvalidInput, match="resource_id"):
        store.record_metering_data_batch([sample("a"), bad, sample("b"), worse, sample("c")])
    assert sorted(ids(store)) == ["a", "b", "c"]
    assert failures(store, caplog) == 2
    outcomes = store.store_samples([bad, sample("d"), worse, sample("a")])
    assert [(each.is_new, each.error is None) for each in outcomes] == [(False, False), (True, True), (False, False), (False, True)]
    assert isinstance(outcomes[0].error, InvalidInput)
    assert outcomes[0].error.field == "counter_volume"
    assert failures(store, caplog) == 2
    assert sorted(ids(store)) == ["a", "b", "c", "d"]
    with pytest.raises(InvalidInput, match="counter_volume"):
        store.record_metering_data(bad)


@clause("M7")
def test_a_bad_one_leaves_nothing_behind(store: Store) -> None:
    with pytest.raises(InvalidInput):
        store.record_metering_data_batch([sample("a", math.inf, meter="never", resource="never")])
    assert list(store.get_meters()) == list(store.get_resources()) == []
    store.record_metering_data(sample("a", 1))
    assert [each.counter_volume for each in found(store)] == [1]


@clause("M7")
@rows(
    ("key", "value"),
    [
        *((key, None) for key in ("message_id", "counter_name", "counter_type", "counter_unit", "counter_volume", "resource_id",
            "timestamp")),
        *((key, "") for key in ("message_id", "counter_name", "counter_type", "counter_volume", "resource_id", "timestamp")),
        *((key, "\0") for key in ("message_id", "counter_name", "resource_id")),
        *((key, "x" * 256) for key in ("message_id", "counter_name", "counter_unit", "resource_id", "user_id", "project_id",
            "source")),
        *((key, "\ud800") for key in ("message_id", "counter_name", "counter_unit", "resource_id", "user_id", "project_id",
            "source")),
        *((key, 7) for key in ("message_id", "counter_name", "counter_unit", "resource_id", "user_id", "project_id", "source")),
        ("counter_type", "counter"), ("counter_type", "Gauge"),
        ("counter_volume", "1"), ("counter_volume", math.nan), ("counter_volume", -math.inf), ("counter_volume", True),
        ("counter_volume", 10**100), ("counter_volume", 1j), ("counter_volume", [1]),
        ("timestamp", "soon"), ("timestamp", 7), ("timestamp", dt.date(2024, 3, 1)),
        ("timestamp", dt.datetime.max.replace(tzinfo=dt.timezone(dt.timedelta(hours=-1)))),
        ("resource_metadata", [1]), ("resource_metadata", "text"), ("resource_metadata", {"x": math.nan}),
        ("resource_metadata", {"x": object()}), ("resource_metadata", {"x": "\ud800"}), ("counter_colour", "red"),
    ],
)  # fmt: skip
def test_what_cannot_be_stored_is_refused(store: Store, key: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=key):
        store.record_metering_data(sample("x") | {key: value})
    assert everything(store) == []


@clause("M5")
def test_what_may_be_missing(store: Store) -> None:
    needed = ("message_id", "counter_name", "counter_type", "counter_unit", "counter_volume", "resource_id", "timestamp")
    given = {name: sample("a")[name] for name in needed}
    store.record_metering_data(given | {"recorded_at": START, "monotonic_time": 7.5, "event_type": None})
    (one,) = found(store)
    assert (one.user_id, one.project_id, one.source, one.message_signature, one.resource_metadata) == (*[None] * 4, "{}")


@clause("M5")
def test_timestamps_as_text_and_with_zones(store: Store) -> None:
    utc = dt.datetime(2024, 7, 1, 10, 0, 0, 5)
    zone = dt.timezone(dt.timedelta(hours=2))
    given = [
        "2024-07-01T10:00:00.000005",
        "2024-07-01T10:00:00.000005+00:00",
        "2024-07-01T12:00:00.000005+02:00",
        "2024-07-01T10:00:00.000005Z",
    ]
    moments = [*given, utc.replace(tzinfo=dt.UTC), utc.replace(hour=12, tzinfo=zone), utc]
    store.record_metering_data_batch([sample(f"m{n}", at=moment) for n, moment in enumerate(moments)])
    assert {each.timestamp for each in everything(store)} == {utc}
    assert len(everything(store)) == len(moments)


@clause("M5")
@pytest.mark.timeout(600)
def test_thousands_in_one_call(store: Store) -> None:
    """More than one transaction; known ones among them, and some of the same moment, meter and resource."""
    many = [
        sample(uuid1(after(n // 3), n), n, at=n // 3 * 7, meter=f"m{n % 5}", resource=f"r{n % 11}", resource_metadata={"n": n % 17})
        for n in range(5_000)
    ]
    oracle = Oracle()
    oracle.record(many)
    assert sum(outcome.is_new for outcome in store.store_samples(many[:700])) == 700
    assert sum(outcome.is_new for outcome in store.store_samples(many)) == 4_300
    assert exact(everything(store)) == exact(sorted(oracle.samples.values(), key=lambda each: each.message_id))
    assert store.count_samples() == 5_000


@clause("M5")
def test_the_samples_are_not_changed(store: Store) -> None:
    given = sample("a", resource_metadata={"b": {"c": 1}, "a": [1]}, timestamp="2024-07-01T12:00:00+02:00")
    before = repr(given)
    store.record_metering_data_batch([given])
    assert repr(given) == before
    assert flat(store.get_samples(SampleFilter())) == [stored(given)]

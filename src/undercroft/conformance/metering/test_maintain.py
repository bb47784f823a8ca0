"""What a driver puts off changes no answer: not before it is done, not after, not with what comes late or goes."""

from __future__ import annotations

import datetime as dt
import random
import threading
from collections.abc import Iterator
from typing import Any

from undercroft.conformance.clock import now
from undercroft.conformance.markers import assumes, clause, promise
from undercroft.conformance.metering.data import (
    HOUR,
    START,
    WHOLE,
    OpenStore,
    after,
    expire,
    found,
    hour,
    maintained,
    pending,
    record,
    resources,
    same_meters,
    same_resources,
    same_samples,
    same_statistics,
    sample,
    statistics,
)
from undercroft.conformance.metering.oracle import Oracle
from undercroft.conformance.threads import together
from undercroft.metering import SampleFilter, Store

MICRO = dt.timedelta(microseconds=1)
DAY = 24 * HOUR
MIDNIGHT = dt.datetime(2024, 3, 1)
EVERY = [(name, None) for name in ("min", "max", "sum", "avg", "count", "stddev")] + [("cardinality", "resource_id")]
CPU = {"meter": "cpu"}


def usage(hours: range, per: int = 3, prefix: str = "") -> list[dict[str, Any]]:
    """Two meters of four resources, two of which change their owner in the middle; on whole hours, next to them, and between.

    Volumes are cumulative integers for one meter, and floats that cancel for the other.
    """
    rng = random.Random(f"{hours}{prefix}")
    found = []
    for number in hours:
        for r in range(4):
            places = [0, 1e-6, 3_599.999_999, *(rng.randrange(3_600_000_000) / 1e6 for _ in range(per))]
            for n, seconds in enumerate(rng.sample(places, per)):
                name, is_moved = f"{prefix}{number}-{r}-{n}", number > 40 and r > 1
                at = hour(number) + dt.timedelta(seconds=seconds)
                owner: dict[str, Any] = {"project_id": "q" if is_moved else "p", "user_id": None if r == 3 else "u"}
                metadata = {"instance_type": "large" if is_moved else "small", "n": number % 5}
                found.append(sample(f"c{name}", 2**61 + number * 10**9 + n, at=at, meter="cpu", resource=f"r{r}", counter_unit="ns",
                                    counter_type="cumulative", resource_metadata=metadata, **owner))  # fmt: skip
                if n == 0:
                    volume = rng.choice([1e15, -1e15, 0.1, rng.uniform(-1, 1)])
                    found.append(sample(f"u{name}", volume, at=at, resource=f"r{r}", resource_metadata=metadata, **owner))
    return found


# From when to when: everything, whole days, whole hours, hours that are cut, one moment, nothing.
SPANS: list[dict[str, Any]] = [
    {},
    {"start_timestamp": MIDNIGHT, "end_timestamp": MIDNIGHT + 3 * DAY},
    {"start_timestamp": MIDNIGHT + DAY, "end_timestamp": MIDNIGHT + 2 * DAY},
    {"start_timestamp": hour(5), "end_timestamp": hour(6)},
    {"start_timestamp": hour(2), "end_timestamp": hour(50)},
    {"start_timestamp": hour(7), "start_timestamp_op": "gt", "end_timestamp": hour(31), "end_timestamp_op": "le"},
    {"start_timestamp": hour(7) + MICRO, "end_timestamp": hour(8) - MICRO},
    {"start_timestamp": hour(11.4), "end_timestamp": hour(45.7)},
    {"start_timestamp": hour(20.5), "end_timestamp": hour(20.6)},
    {"start_timestamp": hour(13), "end_timestamp": hour(13), "end_timestamp_op": "le"},
    {"start_timestamp": hour(30.25)},
    {"end_timestamp": hour(36)},
    {"start_timestamp": hour(500)},
]
QUESTIONS: list[dict[str, Any]] = [
    {"aggregate": EVERY}, {"groupby": ["resource_id"]}, {"groupby": ["project_id", "user_id"], "aggregate": EVERY},
    {"period": 3_600},
    {"period": 86_400, "groupby": ["resource_id"]}, {"period": 5_400, "aggregate": EVERY},
    {"groupby": ["resource_metadata.instance_type"]},
]  # fmt: skip
FILTERS: list[dict[str, Any]] = [
    CPU, {"meter": "cpu_util"}, CPU | {"resource": "r2"}, CPU | {"project": "q"}, {"meter": "cpu_util", "user": "None"}, {},
    CPU | {"metaquery": {"metadata.n": 3}}, {"resource": "r1"},
]  # fmt: skip


def agree(store: Store, oracle: Oracle, rng: random.Random) -> None:
    """All kinds of answers follow from the samples that there are. Of all pairs of questions and times, some."""
    for place, span in enumerate(SPANS):
        asked = QUESTIONS[place % len(QUESTIONS)]
        if WHOLE or place == 0 or rng.random() < 0.5:
            same_statistics(store, oracle, CPU | span, **asked)
    for _ in range(30 if WHOLE else 4):
        same_statistics(store, oracle, rng.choice(FILTERS) | rng.choice(SPANS), **rng.choice(QUESTIONS))
    given = rng.choice(FILTERS)
    same_samples(store, oracle, rng.choice([None, 20]), **given, **rng.choice(SPANS))
    assert store.count_samples(SampleFilter(**given)) == len(oracle.select(**given))
    listed = {name: value for name, value in given.items() if name != "meter"}
    same_meters(store, oracle, **listed)
    same_resources(store, oracle, **listed)
    same_resources(store, oracle, **rng.choice(SPANS))


def states(store: Store, oracle: Oracle) -> Iterator[str]:
    """One store in every state between its samples and what is kept of them."""

    def both(samples: list[dict[str, Any]]) -> None:
        record(oracle, samples)
        pending(store, samples)

    both(usage(range(-3, 64)))
    yield "nothing was added up"
    maintained(store, hour(30.5))
    yield "some hours were added up"
    maintained(store)
    yield "all hours were added up"
    assert store.maintain() == 0
    both(usage(range(5, 60, 9), 1, "late"))
    both([sample("new", 2**64, at=hour(22.5), meter="cpu", counter_unit="ns", resource="r9", project_id="q", source=None)])
    yield "late samples came"
    maintained(store, hour(10))
    maintained(store)
    yield "they were added up"
    expire(store, oracle, hour(8.5))
    yield "a part of an hour expired"
    both(usage(range(3, 12, 4), 1, "into the gap"))
    yield "late samples came into what had expired"
    maintained(store)
    yield "that was added up"
    for count in (1, 10, 7):
        expire(store, oracle, hour(14), count)
    yield "some samples expired"
    both(usage(range(70, 75)))
    expire(store, oracle, hour(14))
    yield "all of them expired, and others came"
    maintained(store)
    yield "all was added up again"
    expire(store, oracle, hour(72))
    yield "all but the last hours expired"
    maintained(store)
    yield "the rest was added up"


@clause("M15", "M16", "M17", "M18", "M21", "M23")
@promise("C5", "C7", "C9")
def test_every_answer_in_every_state(store: Store) -> None:
    rng, oracle = random.Random(1), Oracle()
    for state in states(store, oracle):
        try:
            agree(store, oracle, rng)
        except AssertionError as error:
            raise AssertionError(state) from error


@clause("M23")
def test_an_empty_store(store: Store) -> None:
    assert store.maintain() == 0
    record(store, [sample("a")])
    store.clear()
    assert store.maintain() == 0


@clause("M17", "M23")
@promise("C9")
def test_a_late_sample_counts(store: Store) -> None:
    """In an hour that was added up, of a series that has some there already, and of one that has none."""
    pending(store, [sample(f"m{n}", 1, at=n * 1_200) for n in range(6)])
    maintained(store)
    whole = CPU_UTIL | {"start_timestamp": START, "end_timestamp": hour(2)}
    assert [row.sum for row in statistics(store, whole)] == [6]
    record(store, [sample("late", 10, at=600)])
    assert [(row.sum, row.count, row.max) for row in statistics(store, whole)] == [(16, 7, 10)]
    record(store, [sample("later", 100, at=4_000, resource="another")])
    assert [(row.sum, row.count) for row in statistics(store, whole)] == [(116, 8)]
    maintained(store)
    assert [(row.sum, row.count) for row in statistics(store, whole)] == [(116, 8)]
    assert [row.sum for row in statistics(store, whole, groupby=["resource_id"])] in ([16, 100], [100, 16])
    record(store, [sample("late", 1_000, at=600), sample("m3", 1_000)])
    assert [row.sum for row in statistics(store, whole)] == [116]


CPU_UTIL = {"meter": "cpu_util"}


@clause("M17", "M20", "M23")
@promise("C9")
def test_what_expired_does_not_count(store: Store) -> None:
    """Least and greatest are those of what remains, and so are first and last."""
    pending(store, [sample(f"m{n}", volume, at=n * 900) for n, volume in enumerate((100, -7, 3, 4, 5, 6, 2, 1))])
    maintained(store)
    with now(after(900) + DAY):
        assert store.clear_expired_metering_data(86_400) == 1
    for is_folded in (False, True):
        if is_folded:
            maintained(store)
        (row,) = statistics(store, CPU_UTIL)
        assert (row.count, row.sum, row.min, row.max, row.period_start) == (7, 14, -7, 6, after(900))
        (row,) = statistics(store, CPU_UTIL | {"start_timestamp": START, "end_timestamp": hour(1)})
        assert (row.count, row.sum, row.min, row.max, row.duration) == (3, 0, -7, 4, 1_800.0)
    with now(hour(1) + DAY):
        assert store.clear_expired_metering_data(86_400) == 3
    (row,) = statistics(store, CPU_UTIL)
    assert (row.count, row.sum, row.min, row.max, row.period_start) == (4, 14, 1, 6, hour(1))
    assert statistics(store, CPU_UTIL | {"end_timestamp": hour(1)}) == []


@clause("M23")
def test_hours_of_other_meters_and_resources_are_theirs(store: Store) -> None:
    """What is late in one leaves the others as they are."""
    names = [(meter, resource) for meter in ("a", "b", "c") for resource in ("x", "y")]
    pending(store, [
        sample(f"{meter}{resource}{n}", place * 10 + n, at=n * 1_800, meter=meter, resource=resource)
        for place, (meter, resource) in enumerate(names)
        for n in range(4)
    ])  # fmt: skip
    sums = {name: place * 40 + 6 for place, name in enumerate(names)}
    for name in names:
        maintained(store)
        record(store, [sample(f"late{name}", 1_000, at=5, meter=name[0], resource=name[1])])
        sums[name] += 1_000
        told = {
            (meter, row.groupby["resource_id"]): row.sum
            for meter in ("a", "b", "c")
            for row in statistics(
                store, {"meter": meter, "start_timestamp": START, "end_timestamp": hour(2)}, groupby=["resource_id"]
            )
        }
        assert told == sums


@clause("M23")
def test_maintaining_before_an_hour_is_over_and_at_its_end(store: Store) -> None:
    """Whether an hour is added up while samples still come to it, or at its very end, is nobody's concern."""
    oracle = Oracle()
    for number in range(20):
        moment = after(number * 719.5)
        batch = [sample(f"m{number}-{n}", number + n, at=moment, resource=f"r{n}") for n in range(2)]
        record(oracle, batch)
        with now(moment):
            store.record_metering_data_batch(batch)
            store.maintain()
        same_statistics(store, oracle, CPU_UTIL, aggregate=EVERY)
        same_statistics(store, oracle, CPU_UTIL | {"start_timestamp": START, "end_timestamp": hour(number // 5)})
    for moment in (hour(3), hour(4) - MICRO, hour(4)):
        maintained(store, moment)
        same_statistics(store, oracle, CPU_UTIL, 3_600)


@clause("M23")
def test_hours_of_many_series(store: Store) -> None:
    """More than one statement of a driver goes through."""
    samples = [sample(f"m{n}", n, at=n % 7 * 600, resource=f"r{n % 700}", resource_metadata={"n": n % 50}) for n in range(1_400)]
    oracle = Oracle()
    record(oracle, samples)
    pending(store, samples)
    maintained(store)
    record(oracle, late := [sample(f"late{n}", 7, at=30, resource=f"r{n * 9}") for n in range(70)])
    pending(store, late)
    for is_folded in (False, True):
        if is_folded:
            maintained(store)
        same_statistics(store, oracle, CPU_UTIL, groupby=["resource_id"], aggregate=EVERY)
        same_statistics(store, oracle, CPU_UTIL | {"start_timestamp": START, "end_timestamp": hour(1)})
    same_resources(store, oracle)


@clause("M9", "M23", "M26")
@promise("C9")
@assumes("concurrent_writers")
def test_others_write_and_expire_at_the_same_time(store: Store, open_store: OpenStore) -> None:
    """Threads write late samples to the hours that are just being added up, and others expire them."""
    other, oracle = open_store(init=False), Oracle()
    batches = [
        [sample(f"{name}{n}-{k}", n + k, at=hour(k % 9) + n * MICRO, resource=f"{name}{k % 3}") for k in range(18)]
        for name in "ab"
        for n in range(8)
    ]
    old = [sample(f"old{n}", 1, at=hour(-1) + n * MICRO) for n in range(120)] + [
        sample(f"z{n}", 1, at=hour(-30) + n * HOUR) for n in range(30)
    ]
    pending(store, old)
    for batch in batches:
        record(oracle, batch)
    finished = threading.Event()

    def write(target: Store, batches: list[list[dict[str, Any]]]) -> None:
        for batch in batches:
            target.record_metering_data_batch(batch)

    def maintain(target: Store) -> None:
        while not finished.is_set():
            target.maintain()

    def expire_old() -> None:
        while store.clear_expired_metering_data(86_400, 23):
            pass

    def works() -> None:
        try:
            together(lambda: write(store, batches[:8]), lambda: write(other, batches[8:]), expire_old)
        finally:
            finished.set()

    with now(START + DAY):
        together(works, lambda: maintain(store), lambda: maintain(other))
    for is_folded in (False, True):
        if is_folded:
            maintained(other)
        assert len(found(store)) == len(oracle.samples)
        same_statistics(store, oracle, CPU_UTIL, groupby=["resource_id"], aggregate=EVERY)
        same_statistics(store, oracle, CPU_UTIL, 3_600)
        assert min(each[2] for each in resources(store)) == START
    same_resources(store, oracle)


@clause("M23", "M26")
@promise("C9")
@assumes("concurrent_writers")
def test_readers_see_one_moment(store: Store, open_store: OpenStore) -> None:
    """What is written at once is seen at once, while hours are added up and opened again under the reader."""
    reader, rounds, finished = open_store(init=False), 14, threading.Event()
    pending(store, [sample(f"first{n}", 1, at=hour(n) + HOUR / 2) for n in range(6)])

    def write() -> None:
        try:
            for number in range(rounds):
                store.record_metering_data_batch([sample(f"m{number}-{n}", 1, at=hour(n) + number * HOUR / 50) for n in range(6)])
                store.maintain()
        finally:
            finished.set()

    def read() -> None:
        whole = CPU_UTIL | {"start_timestamp": START, "end_timestamp": hour(6)}
        while not finished.is_set():
            (row,) = statistics(reader, whole)
            assert row.count % 6 == 0
            assert row.count == row.sum
            hours = statistics(reader, whole, 3_600)
            assert len({each.count for each in hours}) == 1, [each.count for each in hours]
            assert len(found(reader)) % 6 == 0

    together(write, read, read)
    assert [row.count for row in statistics(store, CPU_UTIL)] == [6 * (rounds + 1)]


@clause("M17", "M23")
@promise("C9")
def test_a_late_hour_counts(store: Store) -> None:
    """One that had no samples when its day was added up, and is not over, or not looked at yet, when it is asked for."""
    whole = {"start_timestamp": MIDNIGHT, "end_timestamp": MIDNIGHT + DAY}
    pending(store, [sample(f"m{n}", 1, at=hour(n)) for n in (0, 1, 9)])
    maintained(store)
    total = 3
    for n, moment in enumerate((3, 5, 10)):
        pending(store, [sample(f"late{n}", 10, at=hour(moment))])
        total += 10
        for is_folded in (False, True):
            if is_folded:
                maintained(store)
            assert [(row.sum, row.count) for row in statistics(store, CPU_UTIL)] == [(total, 4 + n)]
            assert [row.sum for row in statistics(store, CPU_UTIL | whole)] == [total]

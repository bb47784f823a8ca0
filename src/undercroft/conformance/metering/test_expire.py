"""clear_expired_metering_data: the oldest first, no more than was asked for, and nothing else."""

from __future__ import annotations

import datetime as dt
import functools
import random
from typing import Any

import pytest

from undercroft.conformance.ages import AGES, GONE, NOT_AGES, foretold
from undercroft.conformance.clock import now
from undercroft.conformance.examination import problems
from undercroft.conformance.markers import assumes, clause, promise
from undercroft.conformance.metering.data import (
    FIRST,
    HOUR,
    LAST,
    START,
    OpenStore,
    after,
    everything,
    exact,
    expire,
    found,
    hour,
    ids,
    maintained,
    pending,
    record,
    same_resources,
    same_samples,
    same_statistics,
    sample,
    uuid1,
)
from undercroft.conformance.metering.oracle import Oracle
from undercroft.conformance.rows import rows
from undercroft.conformance.threads import together
from undercroft.core.errors import InvalidInput
from undercroft.metering import Store

pytestmark = pytest.mark.usefixtures("examined")


@clause("M20", "M21")
@promise("C5")
def test_old_samples_go(store: Store) -> None:
    record(store, [sample(f"m{n}", n, at=-100 * n) for n in range(6)] + [sample("z", at=900)])
    with now(START):
        assert store.clear_expired_metering_data(250) == 3
        assert ids(store) == ["z", "m0", "m1", "m2"]
        assert store.clear_expired_metering_data(250) == 0
    with now(after(10_000)):
        assert store.clear_expired_metering_data(ttl=0, max_count=None) == 4
    assert everything(store) == list(store.get_meters()) == list(store.get_resources()) == []


@clause("M28")
@promise("C5")
@rows("is_folded", [False, True], empty="clear")
def test_old_samples_go_hour_by_hour(store: Store, is_folded: bool) -> None:
    record(store, [sample(f"h{n}{part}", n, at=3_600 * n + 600 * part) for n in (0, 1, 5) for part in range(3)])
    if is_folded:
        maintained(store)
    age = 100
    with now(hour(5) + dt.timedelta(seconds=600 + age)):
        gone = [store.expire_part(age) for _ in range(4)]
        assert gone == [3, 3, 1, 0]
        assert ids(store) == ["h52", "h51"]
        assert store.expire_part(1e300) == 0
    assert len(everything(store)) == 2


@clause("M20", "M25")
@rows("age", AGES, empty="clear")
def test_what_would_be_deleted_is_what_is_deleted(store: Store, age: float) -> None:
    record(store, [sample(f"m{n}", at=-100 * n) for n in range(6)])
    with now(START):
        foretold(store, store.clear_expired_metering_data, age)


@clause("M20")
@promise("C5")
@rows("is_folded", [False, True], empty="clear")
def test_what_is_just_old_enough_stays(store: Store, is_folded: bool) -> None:
    """To the microsecond, by the host's clock and no other; also where the edge is one of an hour."""
    for moment in (START, hour(1.5)):
        for n, seconds in enumerate((-0.000_001, 0, 0.000_001)):
            record(store, [sample(f"{moment} {n}-{k}", at=moment + seconds * HOUR / 3_600, resource=f"r{k}") for k in range(2)])
    if is_folded:
        maintained(store)
    for moment in (START, hour(1.5)):
        with now(moment + HOUR):
            assert store.clear_expired_metering_data(3_600) in {2, 6}
        assert sorted(ids(store, end_timestamp=moment + HOUR / 3_600)) == [f"{moment} {n}-{k}" for n in (1, 2) for k in range(2)]


@clause("M20")
@promise("C5")
def test_no_more_than_was_asked_for_the_oldest_first(store: Store) -> None:
    record(store, [sample(f"m{n}", at=-1_000 - n % 4 - n / 100, resource=f"r{n % 2}") for n in range(9)])
    order = ids(store)[::-1]
    with now(START):
        for count, gone in ((0, 0), (-1, 0), (2, 2), (3, 3), (1, 1), (50, 3), (50, 0)):
            assert store.clear_expired_metering_data(100, count) == gone
            order = order[gone:]
            assert ids(store)[::-1] == order


@clause("M20")
@promise("C5")
def test_the_oldest_of_all_series_and_hours_go_first(store: Store) -> None:
    """Counted over hours, meters and resources, pending ones and those that were added up."""
    rng, oracle = random.Random(2), Oracle()
    samples = [
        sample(f"m{n}", n, at=rng.randrange(-90, 90) * 600 + n / 1_000, meter=rng.choice("xy"), resource=f"r{n % 5}")
        for n in range(200)
    ]
    record(oracle, samples)
    pending(store, samples[:120])
    maintained(store, hour(3))
    pending(store, samples[120:])
    for count in (1, 7, 30, 2, 25):
        assert expire(store, oracle, hour(5), count) == count
        same_samples(store, oracle)
        same_resources(store, oracle)
        for groupby in (None, ["resource_id"]):
            same_statistics(store, oracle, {"meter": "x"}, groupby=groupby)
    maintained(store)
    for count in (40, 1_000):
        expire(store, oracle, hour(5), count)
        same_samples(store, oracle)
        same_statistics(store, oracle, {"meter": "y"}, period=3_600)
    assert min(each.timestamp for each in found(store)) >= hour(5)


@clause("M20")
@rows(("ttl", "gone"), GONE, empty="clear")
def test_any_number_of_seconds(store: Store, ttl: Any, gone: int) -> None:
    record(store, [
        sample("a", at=FIRST.replace(year=2000)), sample("b", at=-900), sample("c", at=-90), sample("d", at=-30),
        sample("e", at=LAST),
    ])  # fmt: skip
    with now(START):
        assert store.clear_expired_metering_data(ttl) == gone
    assert len(ids(store)) == 5 - gone
    # Here, too: the store is emptied after each row.
    assert problems(store) == []


@clause("M20")
@rows("ttl", NOT_AGES)
def test_an_age_that_is_not_a_number_is_refused(store: Store, ttl: Any) -> None:
    record(store, [sample("a", at=-900)])
    with pytest.raises(InvalidInput):
        store.clear_expired_metering_data(ttl)
    assert ids(store) == ["a"]


@clause("M6", "M20")
def test_what_expired_may_come_again(store: Store) -> None:
    """Its message id is not known any more; metadata, meters and resources that nobody had are there again."""
    given = [sample(uuid1(after(n)), n, at=n, resource_metadata={"n": n}) for n in range(3)] + [sample("named", 3, at=3)]
    for _ in range(3):
        assert all(each.is_new for each in store.store_samples(given))
        maintained(store)
        assert len(everything(store)) == 4
        with now(hour(24)):
            assert store.clear_expired_metering_data(3_600) == 4
        assert everything(store) == []


@clause("M20")
@pytest.mark.timeout(600)
def test_thousands_go_in_batches(store: Store) -> None:
    record(store, [sample(uuid1(after(-n), n), n, at=-n, resource=f"r{n % 3}") for n in range(4_000)])
    kept = exact(found(store))
    with now(START):
        assert store.clear_expired_metering_data(1_000.5, 2_000) == 2_000
        assert exact(found(store)) == kept[:2_000]
        assert store.clear_expired_metering_data(1_000.5) == 999
    assert exact(found(store)) == kept[:1_001]


@clause("M9", "M20")
@promise("C5")
@assumes("concurrent_writers")
def test_others_write_and_delete_at_the_same_time(store: Store) -> None:
    record(store, [sample(f"old{n}", 1, at=-9_000 - n, resource=f"o{n % 3}") for n in range(1_200)])
    gone: list[int] = []

    def clear() -> None:
        while (count := store.clear_expired_metering_data(600, 150)) > 0:
            gone.append(count)

    def write() -> None:
        for n in range(25):
            record(store, [sample(f"new{n}-{k}", 2, at=n, meter=f"k{n % 7}", resource=f"r{k}") for k in range(5)])

    with now(START):
        together(clear, clear, write)
    assert sum(gone) == 1_200
    assert len(ids(store)) == 125
    assert sorted({each.name for each in store.get_meters()}) == [f"k{n}" for n in range(7)]
    assert {each.resource_id: each.first_sample_timestamp for each in store.get_resources()} == {f"r{k}": START for k in range(5)}


@clause("M9", "M14", "M20", "M23")
@promise("C5")
@assumes("concurrent_writers")
def test_what_comes_late_while_others_delete_and_add_up_begins_its_resource(store: Store) -> None:
    """Older than what is deleted at that moment, and than what was: the first moment is that of the samples that are there."""
    record(store, [sample(f"new{n}", at=hour(10), resource=f"r{n}") for n in range(8)])

    def write(n: int) -> None:
        for k in range(6):
            record(store, [sample(f"{n} {k} {r}", at=hour(-k if n else k), resource=f"r{r}") for r in range(8)])

    def clear() -> None:
        for n in range(12):
            store.clear_expired_metering_data(8 * 3_600 - n, None if n % 2 else 3)

    def fold() -> None:
        for _ in range(12):
            store.maintain()

    with now(hour(8)):
        together(functools.partial(write, 0), functools.partial(write, 1), clear, fold)
    oracle = Oracle()
    record(oracle, [vars(each) for each in store.get_samples(None)])
    same_resources(store, oracle)
    maintained(store)
    same_resources(store, oracle)


@clause("M6", "M8", "M20")
@promise("C5")
def test_what_comes_after_an_expiry_is_nobody_elses(store: Store, open_store: OpenStore) -> None:
    """Numbers that a driver gave to hours, series and metadata which are gone may be remembered by others."""
    other, oracle = open_store(init=False), Oracle()

    def write(writer: Store, name: str, moment: float, n: int) -> None:
        batch = [
            sample(f"{name}{k}", n, at=hour(moment), meter=f"m{n}", resource=f"r{n}-{k}", resource_metadata={"n": n})
            for k in range(3)
        ]
        record(oracle, batch)
        record(writer, batch)

    for n in range(0, 8, 2):
        writer, reader = (store, other) if n % 4 else (other, store)
        write(writer, f"first{n}-", 0, n)
        expire(reader, oracle, hour(1))
        # A meter, resources, metadata and an hour that the other one has not seen, and then those that it has.
        write(reader, f"other{n}-", 20, n + 1)
        write(writer, f"late{n}-", 0.5, n)
        for each in (reader, writer):
            same_samples(each, oracle)
            same_samples(each, oracle, meter=f"m{n}")
            same_samples(each, oracle, end_timestamp=hour(1))
            same_resources(each, oracle)
            same_statistics(each, oracle, {}, groupby=["resource_id"])
        expire(reader, oracle, hour(30))


@clause("M3", "M9")
@promise("C5")
def test_what_was_remembered_of_tables_that_were_dropped_does_not_hold(store: Store, open_store: OpenStore) -> None:
    """Samples of a process that knew the store before it was made anew are those that it was given."""
    other, oracle = open_store(init=False), Oracle()
    for each in (store, other):
        record(each, [sample(f"before {n}", n, meter=f"m{n}", resource=f"r{n}", resource_metadata={"n": n}) for n in range(3)])
    store.drop()
    store.upgrade()
    for writer in (store, other):
        batch = [
            sample(f"{writer is store} {n}", n, meter=f"m{n}", resource=f"r{n}", resource_metadata={"n": n})
            for n in (range(7, 2, -1) if writer is store else range(3))
        ]
        record(oracle, batch)
        record(writer, batch)
    for each in (store, other):
        same_samples(each, oracle)
        same_resources(each, oracle)

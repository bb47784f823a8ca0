"""The lists of meters and resources: what the latest sample says, of those that were selected."""

from __future__ import annotations

import random
from typing import Any

from undercroft.conformance.clock import now
from undercroft.conformance.markers import clause, promise
from undercroft.conformance.metering.data import (
    HOUR,
    LATER,
    START,
    WHOLE,
    after,
    hour,
    maintained,
    meters,
    pending,
    record,
    resources,
    same_meters,
    same_resources,
    sample,
)
from undercroft.conformance.metering.oracle import Oracle
from undercroft.metering import Meter, Resource, Store

FILTERS: list[dict[str, Any]] = [
    {}, {"user": "u"}, {"user": "None"}, {"project": "p"}, {"project": "None"}, {"source": "s"}, {"resource": "r1"},
    {"project": "nobody"},
    {"user": "v", "project": "q"}, {"metaquery": {"metadata.k": 1}}, {"metaquery": {"metadata.k": "1"}}, {"resource": "not there"},
    {"metaquery": {"metadata.l.m": True}, "project": "q"},
]  # fmt: skip
BOUNDS: list[dict[str, Any]] = [
    {"start_timestamp": hour(-4)}, {"end_timestamp": hour(-4)}, {"start_timestamp": hour(0), "start_timestamp_op": "gt"},
    {"end_timestamp": hour(6), "end_timestamp_op": "le"}, {"start_timestamp": hour(-30), "end_timestamp": hour(-6)},
    {"start_timestamp": hour(-2.3), "end_timestamp": hour(2.7)}, {"start_timestamp": hour(3), "end_timestamp": hour(3)},
    {"start_timestamp": hour(3), "end_timestamp": hour(3), "end_timestamp_op": "le"}, {"start_timestamp": hour(900)},
]  # fmt: skip


def mixed(rng: random.Random, count: int, hours: int) -> list[dict[str, Any]]:
    """Samples in which all that can change of a resource or a meter changes, on half hours and beside them."""
    return [
        sample(
            f"m{n}", n, at=hour(rng.randrange(-2 * hours, 2 * hours) / 2) + rng.choice([0, 0, 1e-6, -1e-6]) * HOUR,
            meter=rng.choice("xyz"), resource=f"r{rng.randrange(5)}", counter_type=rng.choice(["gauge", "delta"]),
            counter_unit=rng.choice(["%", "B"]), user_id=rng.choice([None, "u", "v"]), project_id=rng.choice([None, "p", "q"]),
            source=rng.choice([None, "s"]), resource_metadata=rng.choice([{}, {"k": 1}, {"k": "1"}, {"k": 1, "l": {"m": True}}]),
        )
        for n in range(count)
    ]  # fmt: skip


@clause("M27")
def test_names_of_many_resources(store: Store) -> None:
    pending(store, mixed(random.Random(4), 60, 20))
    for is_folded in (False, True):
        if is_folded:
            maintained(store)
        for project in (None, "p", "None"):
            asked = ["r0", "r3", "not there", "r1"]
            expected = {each: [meter.name for meter in store.get_meters(resource=each, project=project)] for each in asked}
            assert store.get_meter_names(asked, project) == {each: names for each, names in expected.items() if names}
    assert store.get_meter_names([]) == {}


@clause("M13", "M14")
def test_nothing_is_listed_of_nothing(store: Store) -> None:
    assert list(store.get_meters()) == list(store.get_resources()) == []


@clause("M13", "M14")
def test_they_are_of_the_contracts_models(store: Store) -> None:
    pending(store, [sample("a", resource_metadata={"x": {"y": 1}}), sample("b", at=60.5, resource_metadata={"x": {"y": 2}})])
    (meter,), (resource,) = store.get_meters(), store.get_resources()
    assert isinstance(meter, Meter)
    assert meter == Meter("cpu_util", "gauge", "%", "r", "p", "openstack", "u")
    assert isinstance(resource, Resource)
    assert resource == Resource("r", "p", START, after(60.5), "openstack", "u", {"x": {"y": 2}})
    assert list(store.get_meters(unique=True)) == [Meter("cpu_util", "gauge", "%", None, None, None, None)]


@clause("M13", "M14")
def test_they_are_sorted_by_code_point(store: Store) -> None:
    names = ["b", "B", "a", "á", "\U0001f600", "\uffff", "ﬀ", "a.b", "a b", "10", "9", "_", "a/b", "A"]
    pending(
        store,
        [sample(f"{n}-{k}", meter=name, resource=names[-1 - n] if k else name) for n, name in enumerate(names) for k in (0, 1)],
    )
    assert [each[0] for each in resources(store)] == sorted(names)
    pairs = sorted({(names[-1 - n] if k else name, name) for n, name in enumerate(names) for k in (0, 1)})
    assert [(each[3], each[0]) for each in meters(store)] == pairs
    assert [each[0] for each in meters(store, unique=True)] == sorted(names)
    for limit in (0, 1, 3, 100):
        assert len(resources(store, limit=limit)) == min(limit, len(names))
        assert [(each[3], each[0]) for each in meters(store, limit=limit)] == pairs[:limit]
        assert [each[0] for each in meters(store, unique=True, limit=limit)] == sorted(names)[:limit]


@clause("M13", "M14")
def test_a_late_sample_never_replaces_newer_ones(store: Store) -> None:
    """Not in the same call, not later, not in the same hour, not when an hour was folded before."""
    late = {"project_id": "late", "user_id": None, "source": "late", "counter_unit": "late", "resource_metadata": {"late": 1}}
    newest = ("r", "p", "openstack", "u", '{"k": 1}')

    def says() -> tuple[Any, ...]:
        ((name, project, _, last, source, user, metadata),) = resources(store)
        assert last == after(7_200)
        ((_, _, unit, *ids),) = meters(store)
        assert (unit, ids) == ("%", ["r", "p", "openstack", "u"])
        return (name, project, source, user, metadata)

    pending(store, [sample("a", at=7_200, resource_metadata={"k": 1}), sample("b", at=7_100) | late, sample("c", at=0) | late])
    assert says() == newest
    pending(store, [sample("d", at=7_199.999_999) | late, sample("e", at=-90_000) | late])
    assert says() == newest
    maintained(store)
    pending(store, [sample("f", at=7_199) | late, sample("g", at=10) | late, sample("h", at=-86_400 * 50) | late])
    assert says() == newest
    maintained(store)
    assert says() == newest
    assert [each[2] for each in resources(store)] == [after(-86_400 * 50)]


@clause("M13", "M14")
def test_what_is_newer_replaces_it(store: Store) -> None:
    pending(store, [sample("a")])
    for n in range(1, 6):
        pending(
            store, [sample(f"b{n}", at=n * 1_800, project_id=f"p{n}", user_id=None if n % 2 else "v", resource_metadata={"n": n})]
        )
        assert resources(store) == [("r", f"p{n}", START, after(n * 1_800), "openstack", None if n % 2 else "v", f'{{"n": {n}}}')]
        if n % 2:
            maintained(store)
            assert resources(store)[0][1] == f"p{n}"
    assert [each[4] for each in meters(store)] == ["p5"]


@clause("M13", "M14")
def test_filters_select_samples_not_resources(store: Store) -> None:
    """A resource that has moved to another project is listed for both, with what its samples of that project say."""
    pending(store, [
        sample("a", at=0, project_id="p", resource_metadata={"name": "old"}),
        sample("b", at=60, project_id="q", resource_metadata={"name": "new"}),
        sample("c", at=30, project_id="p", meter="disk", resource_metadata={"name": "old"}),
    ])  # fmt: skip
    assert [each[1:4] for each in resources(store)] == [("q", START, after(60))]
    assert [each[1:4] for each in resources(store, project="p")] == [("p", START, after(30))]
    assert [each[1:4] for each in resources(store, metaquery={"metadata.name": "old"})] == [("p", START, after(30))]
    assert [each[1:4] for each in resources(store, end_timestamp=after(30))] == [("p", START, START)]
    assert [(each[0], each[4]) for each in meters(store)] == [("cpu_util", "q"), ("disk", "p")]
    assert [(each[0], each[4]) for each in meters(store, project="p")] == [("cpu_util", "p"), ("disk", "p")]
    assert [each[0] for each in meters(store, metaquery={"metadata.name": "new"})] == ["cpu_util"]


@clause("M13", "M14", "M23")
@promise("C5", "C7")
def test_lists_agree_with_the_samples(store: Store) -> None:
    """Over hours and days, pending and folded, with late samples; all filters, with and without bounds."""
    rng = random.Random(3)
    samples, oracle = mixed(rng, 160, 30), Oracle()

    def agree() -> None:
        for given in FILTERS if WHOLE else rng.sample(FILTERS, 4):
            same_meters(store, oracle, **given)
            same_resources(store, oracle, **given)
            for bounds in rng.sample(BOUNDS, 2):
                same_resources(store, oracle, **given | bounds)
        for bounds in BOUNDS if WHOLE else rng.sample(BOUNDS, 3):
            same_resources(store, oracle, limit=rng.choice([None, 1, 3]), **bounds)
        same_meters(store, oracle, limit=3)

    for part, moment in ((samples[:80], hour(100)), (samples[80:120], hour(10)), (samples[120:], hour(100))):
        record(oracle, part)
        pending(store, part)
        agree()
        maintained(store, moment)
        agree()


@clause("M14", "M21")
@promise("C5")
def test_what_has_expired_is_not_listed(store: Store) -> None:
    """First and last follow what remains; with the last sample a resource goes, and comes again with another."""
    for n in range(6):
        pending(
            store,
            [sample(f"a{n}", at=hour(n * 10), resource="old"), sample(f"b{n}", at=hour(n * 10 + 1), resource="new", meter="disk")],
        )
    pending(store, [sample("c", at=hour(2), resource="short", meter="short")])
    for is_folded in (False, True):
        if is_folded:
            maintained(store)
        gone = 20 if is_folded else 5
        with now(hour(gone) + HOUR):
            assert store.clear_expired_metering_data(3_600) > 0
        firsts = {each[0]: each[2] for each in resources(store)}
        assert firsts == {"old": hour(10 if gone == 5 else 20), "new": hour(11 if gone == 5 else 21)}
        assert [each[0] for each in meters(store)] == ["disk", "cpu_util"]
    with now(LATER):
        assert store.clear_expired_metering_data(1) == 8
    assert resources(store) == meters(store) == meters(store, unique=True) == []
    pending(store, [sample("a0", at=hour(1), resource="old", project_id="again")])
    assert resources(store) == [("old", "again", hour(1), hour(1), "openstack", "u", "{}")]


@clause("M14", "M21")
def test_the_last_one_goes_by_expiry_of_the_newest_only_in_time(store: Store) -> None:
    """What the newest sample said is said until it goes, also where older ones were deleted one by one."""
    pending(store, [sample(f"m{n}", at=n * 60, project_id=f"p{n}", resource_metadata={"n": n}) for n in range(10)])
    for gone in range(9):
        with now(after(86_400)):
            assert store.clear_expired_metering_data(1, 1) == 1
        assert resources(store) == [("r", "p9", after((gone + 1) * 60), after(540), "openstack", "u", '{"n": 9}')]
        if gone == 4:
            maintained(store)

"""The object itself: signatures, forms, construction, options, upgrade, an engine that does not answer."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from undercroft.conformance.absent import write_is_unavailable
from undercroft.conformance.markers import clause, essential
from undercroft.conformance.metering.data import (
    START,
    OpenStore,
    everything,
    hour,
    ids,
    maintained,
    meters,
    record,
    resources,
    sample,
    statistics,
)
from undercroft.conformance.plugin import Target
from undercroft.conformance.rows import rows
from undercroft.core.errors import ConfigInvalid
from undercroft.core.findings import Level
from undercroft.metering import Connection, Meter, Resource, Sample, SampleFilter, Statistics, Store

pytestmark = essential

# Names and defaults as Ceilometer's storage interface has them. What has no default stands alone.
SIGNATURES: dict[str, list[Any]] = {
    "upgrade": [],
    "clear": [],
    "record_metering_data": ["data"],
    "record_metering_data_batch": ["samples"],
    "clear_expired_metering_data": ["ttl"],
    "get_resources": [
        ("user", None), ("project", None), ("source", None), ("start_timestamp", None), ("start_timestamp_op", None),
        ("end_timestamp", None), ("end_timestamp_op", None), ("metaquery", None), ("resource", None), ("limit", None),
    ],
    "get_meters": [
        ("user", None), ("project", None), ("resource", None), ("source", None), ("metaquery", None), ("limit", None),
        ("unique", False),
    ],
    "get_samples": ["sample_filter", ("limit", None)],
    "get_meter_statistics": ["sample_filter", ("period", None), ("groupby", None), ("aggregate", None)],
    "query_samples": [("filter_expr", None), ("orderby", None), ("limit", None)],
    "get_capabilities": [],
    "get_storage_capabilities": [],
}  # fmt: skip
# What hosts construct and read.
MODELS: dict[type[Any], list[str]] = {
    Sample: [
        "source", "counter_name", "counter_type", "counter_unit", "counter_volume", "user_id", "project_id", "resource_id",
        "timestamp",
        "resource_metadata", "message_id", "message_signature", "recorded_at",
    ],
    Meter: ["name", "type", "unit", "resource_id", "project_id", "source", "user_id"],
    Resource: ["resource_id", "project_id", "first_sample_timestamp", "last_sample_timestamp", "source", "user_id", "metadata"],
    Statistics: ["unit", "period", "period_start", "period_end", "duration", "duration_start", "duration_end", "groupby", "data"],
    SampleFilter: [
        "user", "project", "start_timestamp", "start_timestamp_op", "end_timestamp", "end_timestamp_op", "resource", "meter",
        "source",
        "message_id", "metaquery",
    ],
}  # fmt: skip
CAPABILITIES = {
    "meters:query:simple", "meters:query:metadata", "resources:query:simple", "resources:query:metadata", "samples:query:simple",
    "samples:query:metadata", "samples:query:complex", "statistics:groupby", "statistics:query:simple", "statistics:query:metadata",
    "statistics:aggregation:standard",
    *(f"statistics:aggregation:selectable:{name}" for name in ("max", "min", "sum", "avg", "count", "stddev", "cardinality")),
}  # fmt: skip
# They check arguments and make models, for all drivers. `clear_expired_metering_data` may be extended, and is asked of each.
INHERITED = [
    "record_metering_data", "record_metering_data_batch", "store_samples", "store_once", "get_samples", "query_samples",
    "count_samples",
    "get_meters", "get_meter_names", "get_resources", "get_meter_statistics", "init",
]  # fmt: skip


def parameters(function: Any) -> list[Any]:
    """Names, with their defaults where they have any."""
    found = [each for each in inspect.signature(function).parameters.values() if each.name != "self"]
    return [each.name if each.default is inspect.Parameter.empty else (each.name, each.default) for each in found]


@clause("M1")
def test_the_base_class_checks_the_arguments(store: Store) -> None:
    """What it refuses is tested with it, not with every driver; a driver writes the methods that begin with `_`."""
    assert [name for name in INHERITED if getattr(type(store), name) is not getattr(Store, name)] == []


@clause("M1")
@rows("method", list(SIGNATURES))
def test_signatures_are_the_hosts(store: Store, method: str) -> None:
    """Of the base class, too. What we add stands behind, and has a default."""
    wanted = SIGNATURES[method]
    for ours in (parameters(getattr(store, method)), parameters(getattr(Connection, method))):
        assert ours[: len(wanted)] == wanted
        assert all(isinstance(added, tuple) for added in ours[len(wanted) :])


@clause("M1")
def test_models_are_the_hosts(store: Store) -> None:
    for model, names in MODELS.items():
        found = inspect.signature(model.__init__).parameters
        assert [name for name in found if name != "self"] == names, model
        assert list(found.values())[-1].kind is inspect.Parameter.VAR_KEYWORD or model is not Statistics
    assert parameters(SampleFilter) == [(name, None) for name in MODELS[SampleFilter]]
    record(store, [sample("a")])
    (one,), (meter,), (resource,), (row,) = (
        store.get_samples(SampleFilter()), store.get_meters(), store.get_resources(), store.get_meter_statistics(SampleFilter()),
    )  # fmt: skip
    for told, model in ((one, Sample), (meter, Meter), (resource, Resource)):
        assert list(told.as_dict()) == MODELS[model]
    assert list(row.as_dict())[:8] == MODELS[Statistics][:8]


def flattened(nested: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Nested keys joined by colons, as the API shows them."""
    found: dict[str, Any] = {}
    for key, value in nested.items():
        found |= flattened(value, f"{before}{key}:") if isinstance(value, dict) else {f"{before}{key}": value}
    return found


@clause("M1")
def test_the_store_is_one_of_the_contract(store: Store) -> None:
    assert isinstance(store, Connection)
    for asked in (store, type(store)):
        assert flattened(asked.get_capabilities()) == dict.fromkeys(CAPABILITIES, True)
        assert flattened(asked.get_storage_capabilities()) == {"storage:production_ready": True}
    assert flattened(Connection.get_capabilities()) == dict.fromkeys(CAPABILITIES, False)


@clause("M1")
def test_every_argument_may_be_given_by_name_or_in_order(store: Store) -> None:
    record(store, [sample("a", resource_metadata={"k": 1}), sample("b", 2, at=60, resource="r2", resource_metadata={"k": 1})])
    given, metaquery = SampleFilter(meter="cpu_util"), {"metadata.k": 1}
    assert list(store.get_samples(sample_filter=given, limit=1)) == list(store.get_samples(given, 1))
    named = list(store.get_resources(user="u", project="p", source="openstack", start_timestamp=START, start_timestamp_op="gt",
                                     end_timestamp=hour(1), end_timestamp_op="le", metaquery=metaquery, resource="r2",
                                     limit=5))  # fmt: skip
    assert named == list(store.get_resources("u", "p", "openstack", START, "gt", hour(1), "le", metaquery, "r2", 5))
    assert [each.resource_id for each in named] == ["r2"]
    by_name = store.get_meters(user="u", project="p", resource="r", source="openstack", metaquery=metaquery, limit=5, unique=True)
    assert list(by_name) == list(store.get_meters("u", "p", "r", "openstack", metaquery, 5, True))
    asked: dict[str, Any] = {"sample_filter": given, "period": 60, "groupby": ["user_id"], "aggregate": None}
    assert list(store.get_meter_statistics(**asked)) == list(store.get_meter_statistics(*asked.values()))
    expression, order = {"=": {"meter": "cpu_util"}}, [{"timestamp": "asc"}]
    told = list(store.query_samples(filter_expr=expression, orderby=order, limit=1))
    assert told == list(store.query_samples(expression, order, 1))
    assert [each.message_id for each in told] == ["a"]


@clause("M2")
def test_the_constructor_opens_the_store(store: Store, open_store: Any) -> None:
    other = type(store)(open_store.url, None)
    other.close()
    names = list(inspect.signature(type(store).__init__).parameters)
    assert names[:3] == ["self", "url", "conf"]
    assert everything(store) == []


@clause("M2")
def test_an_unknown_option_is_refused(target: Target, open_store: OpenStore) -> None:
    with pytest.raises(ConfigInvalid, match="no_such_option"):
        open_store(init=False, no_such_option=1)


@clause("M3")
def test_upgrade_twice_is_harmless(store: Store, open_store: OpenStore) -> None:
    record(store, [sample("a")])
    maintained(store)
    store.upgrade()
    open_store()
    assert ids(store) == ["a"]
    assert [row.count for row in statistics(store, {})] == [1]


@clause("M4")
@pytest.mark.usefixtures("examined")
def test_clear_removes_everything_and_the_store_goes_on(store: Store) -> None:
    record(store, [sample("a", 7, resource_metadata={"k": 1}), sample("b", 8, at=hour(-5), meter="other", resource="other")])
    for is_folded in (False, True):
        if is_folded:
            maintained(store)
        store.clear()
        assert everything(store) == meters(store) == meters(store, unique=True) == resources(store) == statistics(store, {}) == []
        assert store.count_samples() == 0
        record(store, [sample("a", 2, resource_metadata={"k": 2}, project_id="q")])
        assert [row.sum for row in statistics(store, {"meter": "cpu_util"})] == [2]
        assert resources(store) == [("r", "q", START, START, "openstack", "u", '{"k": 2}')]
    store.clear()
    store.clear()
    assert everything(store) == []


@clause("M24")
def test_an_examination_changes_nothing_and_finds_nothing_wrong(store: Store) -> None:
    samples = [
        sample(f"m{n}", n, at=hour(-n), meter=f"m{n % 3}", resource=f"r{n % 4}", resource_metadata={"n": n % 5})
        for n in range(1, 50)
    ]
    for verify in (False, True):
        for batch, says in (([], "none"), (samples, "of 3 meters, the first of 2024-02-28")):
            record(store, batch)
            for is_folded in (False, True):
                if is_folded:
                    maintained(store)
                before = everything(store)
                told = list(store.diagnose(verify=verify))
                assert [one for one in told if one.level is Level.ERROR] == []
                assert len({one.check for one in told}) == len(told)
                assert next(one.found for one in told if one.check == "samples") == says
                assert everything(store) == before
        store.clear()


@clause("M2")
def test_an_engine_that_is_not_there_is_unavailable(target: Target) -> None:
    write_is_unavailable(target, lambda store: store.record_metering_data(sample("a")))


@clause("M10")
def test_without_a_filter_it_is_every_sample(store: Store) -> None:
    record(store, [sample(f"m{n}", at=n) for n in range(3)])
    assert len(list(store.get_samples(None))) == store.count_samples(None) == store.count_samples() == 3
    assert [row.as_dict()["count"] for row in store.get_meter_statistics(None)] == [3]

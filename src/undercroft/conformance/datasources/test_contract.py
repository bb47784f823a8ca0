"""The class itself: names, order and defaults of the arguments, what it says it can do."""

from __future__ import annotations

import inspect

import pytest

import undercroft
from undercroft.conformance.datasources.asking import AGGREGATES, ALL
from undercroft.conformance.datasources.data import HOST_METERS
from undercroft.conformance.markers import clause, essential
from undercroft.conformance.rows import rows
from undercroft.core.errors import ConfigInvalid
from undercroft.datasources import DataSourceBase

pytestmark = essential

EACH = ["resource", "resource_type", "period", "aggregate", ("granularity", None)]
SIGNATURES: dict[str, list[object]] = {
    "statistic_aggregation": [
        ("resource", None), ("resource_type", None), ("meter_name", None), ("period", 300), ("granularity", 300),
        ("aggregate", "mean"),
    ],
    "statistic_series": [
        ("resource", None), ("resource_type", None), ("meter_name", None), ("start_time", None), ("end_time", None),
        ("granularity", 300),
    ],
    "statistic_batch": ["resources", "resource_type", "meter_name", ("period", 300), ("aggregate", "mean"), ("granularity", 300)],
    "list_metrics": [],
    "check_availability": [],
    "capabilities": [],
    "_get_meter": ["meter_name"],
    "query_retry_reset": ["exception_instance"],
    **{f"get_{meter}": list(EACH) for meter in (*ALL, "host_memory_usage")},
}  # fmt: skip


@clause("S1")
def test_methods_have_the_names_order_and_defaults_of_the_contract(source: DataSourceBase) -> None:
    found = {
        name: [
            each.name if each.default is each.empty else (each.name, each.default)
            for each in inspect.signature(getattr(source, name)).parameters.values()
        ]
        for name in SIGNATURES
    }
    assert found == SIGNATURES


@clause("S1")
def test_the_class_says_what_there_is(source: DataSourceBase) -> None:
    kind = type(source)
    assert kind.AGGREGATES == ["mean", "min", "max", "count"]
    assert kind.RESOURCE_TYPES == ["compute_node", "instance", "bare_metal", "storage"]
    assert kind.NAME == kind.NAME.lower() != ""
    assert list(kind.METRIC_MAP) == list(source.METRIC_MAP)
    assert sorted(kind.METRIC_MAP) == sorted(ALL)
    assert all(name is None or name for name in source.METRIC_MAP.values())


@clause("S1")
def test_capabilities(source: DataSourceBase) -> None:
    found = source.capabilities()
    served = {meter for meter, name in source.METRIC_MAP.items() if name is not None}
    assert served
    assert set(found["meters"]) == served
    assert set(found["aggregates"]) <= set(AGGREGATES)
    assert "mean" in found["aggregates"]
    types = {"compute_node" if meter in HOST_METERS else "instance" for meter in served}
    assert sorted(found["resource_types"]) == sorted(types)
    assert found["series"] is True
    assert found["batch"] is True
    for meter, each in found["meters"].items():
        assert each["source"] == source.METRIC_MAP[meter]
        assert each["kind"] in ("gauge", "cumulative", "inventory")


@clause("S1")
def test_maps_of_two_sources_are_their_own(source: DataSourceBase, url: str) -> None:
    other = undercroft.connect("datasources", url)
    other.METRIC_MAP["host_power"] = "changed"
    assert source.METRIC_MAP["host_power"] != "changed"
    assert type(source).METRIC_MAP["host_power"] != "changed"
    other.close()


@clause("S1")
@rows("option", ["query_max_retry=2", "query_interval=soon", "no_such_option=x"])
def test_wrong_options_are_refused(url: str, option: str) -> None:
    with pytest.raises(ConfigInvalid):
        undercroft.connect("datasources", f"{url}{'&' if '?' in url else '?'}{option}")


@clause("S1")
def test_it_may_be_closed_twice(url: str) -> None:
    source = undercroft.connect("datasources", url)
    source.close()
    source.close()

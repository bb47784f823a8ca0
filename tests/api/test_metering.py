"""Samples over HTTP: Ceilometer's API word for word, what is posted, ingest, downloads."""

from __future__ import annotations

import base64
import csv
import functools
import io
import json
import math
import pathlib
import urllib.parse
from typing import Any

import httpx
import pyarrow.parquet
import pytest

from tests.api.answers import ADMIN, MEMBER, fault, named, send_in_pairs
from tests.api.service import serving
from tests.conftest import url_of
from undercroft.metering import SampleFilter

INGEST = "/metering/v1/ceilometer/samples"
RECORDED = (pathlib.Path(__file__).parents[1] / "metering" / "data" / "ceilometer.jsonl").read_bytes().splitlines()
BIG = 2**63 + 1


def made(number: int, project: str | None = "a", meter: str = "cpu", **more: Any) -> dict[str, Any]:
    """A sample as Ceilometer's publisher sends it: one a minute, of three resources."""
    return {
        "name": meter, "type": "gauge", "unit": "%", "volume": number, "user_id": "u3", "user_name": None, "project_id": project,
        "project_name": None, "resource_id": f"vm-{number % 3}", "timestamp": f"2026-01-01T00:{number:02}:00",
        "id": f"m{number:03}", "source": "openstack", "monotonic_time": None,
        "resource_metadata": {"n": number, "flavor": {"name": "small", "disk": {"gb": 1.0}}, "instance_type": f"t{number % 2}"},
        **more,
    }  # fmt: skip


@pytest.fixture
def filled(service, metering_place):
    """Ten samples of project a, two of another meter, three of project b, two of nobody."""
    metering_place.opened[0].clear()
    samples = [
        *(made(n) for n in range(10)), made(10, meter="disk/read", unit="B"), made(11, meter="disk/read", volume=0.5, unit="B"),
        *(made(n, "b", resource_id="vm-b", user_id="u11") for n in range(20, 23)),
        *(made(n, None, user_id=None, source=None, resource_id="lost/1 %") for n in range(30, 32)),
    ]  # fmt: skip
    answer = service.client.post(INGEST, json=samples, headers=ADMIN)
    assert answer.json() == {"accepted": 17, "duplicates": 0}
    return service


def ask(service: Any, path: str, headers: Any = ADMIN, **params: Any) -> httpx.Response:
    found: httpx.Response = service.client.get(f"/metering{path}", params=params, headers=headers)
    return found


def rows(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(answer: httpx.Response) -> list[str]:
    return [each["id"] for each in rows(answer)]


def q(*items: tuple[str, ...]) -> dict[str, list[str]]:
    """Parts of `q`: field, value, operator, type."""
    whole = [(*item, *("eq", "")[len(item) - 2 :]) for item in items]
    return {f"q.{name}": [item[place] for item in whole] for place, name in enumerate(("field", "value", "op", "type"))}


EVERY = named(31, 30, 22, 21, 20, *range(11, -1, -1))
NEW = {
    "id": "m007", "meter": "cpu", "type": "gauge", "unit": "%", "volume": 7, "user_id": "u3", "project_id": "a",
    "resource_id": "vm-1", "source": "openstack", "timestamp": "2026-01-01T00:07:00",
    "metadata": {"n": "7", "flavor.name": "small", "flavor.disk:gb": "1.0", "instance_type": "t1"},
}  # fmt: skip
OLD = {
    "message_id": "m007", "counter_name": "cpu", "counter_type": "gauge", "counter_unit": "%", "counter_volume": 7, "user_id": "u3",
    "project_id": "a", "resource_id": "vm-1", "source": "openstack", "timestamp": "2026-01-01T00:07:00",
    "resource_metadata": NEW["metadata"],
}  # fmt: skip


# -- reading -----------------------------------------------------------------------------------------------------------


def test_versions_and_capabilities(service):
    (version,) = service.client.get("/metering/").json()["versions"]["values"]
    assert version["links"] == [{"href": f"{service.url}/metering/v2", "rel": "self"}]
    found = service.client.get("/metering/v2/capabilities/").json()
    assert found["storage"] == {"storage:production_ready": True}
    wanted = {
        *(f"{kind}:query:{what}" for kind in ("meters", "resources", "samples", "statistics") for what in ("simple", "metadata")),
        "samples:query:complex", "statistics:groupby", "statistics:aggregation:standard",
        *(f"statistics:aggregation:selectable:{name}" for name in ("max", "min", "sum", "avg", "count", "stddev", "cardinality")),
    }  # fmt: skip
    assert found["api"] == dict.fromkeys(wanted, True)


def test_a_sample_as_clients_get_it(filled):
    one = rows(ask(filled, "/v2/samples/m007"))
    assert one.pop("recorded_at").startswith("20")
    assert one == NEW
    (one,) = rows(ask(filled, "/v2/meters/cpu", **q(("message_id", "m007"))))
    assert one.pop("recorded_at").startswith("20")
    assert one == OLD
    assert fault(ask(filled, "/v2/samples/m020", MEMBER), 404) == "Sample m020 Not Found"
    assert fault(ask(filled, "/v2/samples/nothing"), 404) == "Sample nothing Not Found"


def test_the_newest_come_first(filled):
    assert ids(ask(filled, "/v2/samples/")) == EVERY
    assert ids(ask(filled, "/v2/samples", limit=3)) == named(31, 30, 22)
    assert ids(ask(filled, "/v2/samples", limit=100_000)) == ids(ask(filled, "/v2/samples"))
    assert ids(ask(filled, "/v2/samples", MEMBER)) == named(*range(11, -1, -1))
    old = rows(ask(filled, "/v2/meters/cpu", MEMBER, limit=2))
    assert [each["message_id"] for each in old] == named(9, 8)
    assert rows(ask(filled, "/v2/meters/nothing")) == rows(ask(filled, "/v2/meters/nothing", limit=5_000)) == []


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        (q(("resource_id", "vm-1")), named(10, 7, 4, 1)),
        (q(("resource", "vm-1"), ("meter", "cpu")), named(7, 4, 1)),
        (q(("user", "u11")), named(22, 21, 20)),
        (q(("user_id", "None")), named(31, 30)),
        (q(("project", "None")), named(31, 30)),
        (q(("project_id", "b")), named(22, 21, 20)),
        (q(("source", "openstack"), ("meter", "disk/read")), named(11, 10)),
        (q(("message_id", "m003")), named(3)),
        (q(("metadata.n", "7")), named(7)),
        (q(("resource_metadata.n", "7")), named(7)),
        (q(("metadata.n", "7", "eq", "integer")), named(7)),
        (q(("metadata.n", "7", "eq", "string")), []),
        (q(("metadata.n", "'7'")), []),
        (q(("metadata.n", "7.0")), []),
        (q(("metadata.n", "7", "eq", "float")), []),
        (q(("metadata.n", "True")), []),
        (q(("metadata.flavor.disk.gb", "1.0"), ("metadata.n", "3")), named(3)),
        (q(("metadata.flavor.name", "small"), ("meter", "disk/read")), named(11, 10)),
        (q(("metadata.flavor.name", "'small'"), ("meter", "disk/read")), named(11, 10)),
        (q(("metadata.flavor", "small")), []),
        (q(("timestamp", "2026-01-01T00:09:00", "ge"), ("timestamp", "2026-01-01T00:20:00", "lt")), named(11, 10, 9)),
        (q(("timestamp", "2026-01-01T00:09:00", "gt"), ("timestamp", "2026-01-01T00:20:00", "le")), named(20, 11, 10)),
        (q(("timestamp", "2026-01-01T02:09:00+02:00", "gt"), ("timestamp", "2026-01-01T00:20:00Z", "lt")), named(11, 10)),
        (q(("timestamp", "2026-01-01", "ge"), ("timestamp", "2026-01-01T00:22:00", "ge")), named(31, 30, 22)),
        (
            q(("timestamp", "2026-01-01T00:10:00", "ge"), ("timestamp", "2026-01-01T00:10:00", "le"), ("search_offset", "1")),
            named(11, 10, 9),
        ),
        (q(("timestamp", "2026-01-01T00:31:00", "ge"), ("search_offset", "99999999999")), EVERY),
        (q(("user", "nobody"), ("user", "u11")), named(22, 21, 20)),
    ],
)  # fmt: skip
def test_queries(filled, asked, wanted):
    assert ids(ask(filled, "/v2/samples", **asked)) == wanted


def test_a_query_comes_in_a_body_too(filled):
    body = {
        "q": [{"field": "metadata.n", "value": 7, "type": "integer"}, {"field": "timestamp", "op": "lt", "value": "2027-01-01"}]
    }
    assert ids(filled.client.request("GET", "/metering/v2/samples", json=body, headers=ADMIN)) == ["m007"]
    headers = {**ADMIN, "Content-Type": "text/plain"}
    assert fault(filled.client.request("GET", "/metering/v2/samples", content=b"q", headers=headers), 415)


@pytest.mark.parametrize(
    ("path", "params", "text"),
    [
        ("samples", q(("nope", "x")), 'Unknown argument: "nope": unrecognized field in query, valid keys: ['),
        ("meters/cpu", q(("nope", "x")), 'Unknown argument: "nope": unrecognized field in query, valid keys: ['),
        ("meters", q(("timestamp", "2026-01-01", "ge")), 'Unknown argument: "timestamp": unrecognized field'),
        ("meters", q(("meter", "cpu")), 'Unknown argument: "meter": unrecognized field'),
        ("resources", q(("message_id", "m")), 'Unknown argument: "message_id": unrecognized field'),
        ("samples", q(("metadata.", "x")), 'Unknown argument: "metadata.": unrecognized field'),
        ("samples", q(("project_id", "x", "gt")),
         "Invalid input for field/attribute op. Value: 'gt'. unimplemented operator for project_id"),
        ("samples", q(("metadata.n", "7", "ne")),
         "Invalid input for field/attribute op. Value: 'ne'. unimplemented operator for metadata.n"),
        ("samples", q(("timestamp", "2026-01-01")),
         "Invalid input for field/attribute op. Value: 'eq'. unimplemented operator for timestamp"),
        ("samples", q(("timestamp", "2026-01-01", "ge"), ("search_offset", "1", "ge")),
         "Invalid input for field/attribute op. Value: 'ge'. unimplemented operator for search_offset"),
        ("samples", q(("search_offset", "1")),
         "Invalid input for field/attribute field. Value: 'search_offset'. search_offset cannot be used without timestamp"),
        ("samples", q(("timestamp", "2026-01-01", "ge"), ("search_offset", "soon")),
         "Invalid input for field/attribute search_offset. Value: 'soon'. expected whole minutes, 0 or more"),
        ("samples", q(("timestamp", "junk", "ge")),
         "Invalid input for field/attribute timestamp. Value: 'junk'. invalid timestamp format"),
        ("samples", q(("metadata.n", "x", "eq", "integer")), "Unable to convert the value x to the expected data type integer."),
        ("samples", q(("metadata.n", "x", "eq", "blob")), "The data type blob is not supported. The supported data type list"),
        ("samples", q(("resource_id", "x", "like")),
         "Operator like is not supported. The supported operators are: ('lt', 'le', 'eq', 'ne', 'ge', 'gt')"),
        ("samples", {"q.field": "resource_id"}, "every query needs a field and a value"),
        ("samples", {"limit": "0"}, "Limit must be positive"),
        ("resources", {"limit": "-1"}, "Limit must be positive"),
        ("meters", {"limit": "x"}, "Invalid input for field/attribute limit. Value: 'x'. unable to convert to int"),
        ("meters", {"unique": "perhaps"}, "Invalid input for field/attribute unique. Value: 'perhaps'. expected a truth value"),
        ("samples", {"bogus": "1"}, 'Unknown argument: "bogus"'),
        ("meters/cpu", q(("meter", "disk/read")), "meter is named twice, and differently"),
        ("meters/cpu/statistics", {"period": "-1"}, "Period must be positive."),
        ("meters/cpu/statistics", {"period": "1.5"}, "Invalid input for field/attribute period. Value: '1.5'. unable to convert"),
        ("meters/cpu/statistics", {"groupby": "flavor"}, 'Unknown argument: "flavor": Invalid groupby fields, valid are: user_id,'),
        ("meters/cpu/statistics", {"aggregate.func": "median"}, "Invalid input for field/attribute aggregate.func. Value: 'median"),
        ("meters/cpu/statistics", {"aggregate.func": "cardinality"}, "aggregate.param: cardinality needs a parameter"),
        ("meters/cpu/statistics", {"aggregate.func": "cardinality", "aggregate.param": "source"}, "aggregate.param: unknown"),
        ("meters/cpu/statistics", {"aggregate.param": "user_id"}, "there are more parameters of aggregates than functions"),
    ],
)  # fmt: skip
def test_the_words_of_refusals(filled, path, params, text):
    assert fault(ask(filled, f"/v2/{path}", **params)).startswith(text)


def test_another_project_is_refused(filled):
    for name in ("project", "project_id"):
        for items in (q((name, "b")), q((name, "b"), ("project_id", "a")), q((name, "None"))):
            for path in ("samples", "meters", "resources", "meters/cpu", "meters/cpu/statistics"):
                value = items["q.value"][0]
                assert fault(ask(filled, f"/v2/{path}", MEMBER, **items), 401) == f"Not Authorized to access project {value}"
        assert len(ids(ask(filled, "/v2/samples", MEMBER, **q((name, "a"))))) == 12
    assert fault(ask(filled, "/v2/samples", {"X-Auth-Token": "t-member-x"}), 403) == "RBAC Authorization Failed"


# -- meters and resources ----------------------------------------------------------------------------------------------


def test_meters(filled):
    found = rows(ask(filled, "/v2/meters"))
    pairs = [(each["resource_id"], each["name"]) for each in found]
    assert sorted(pairs) == [
        ("lost/1 %", "cpu"), ("vm-0", "cpu"), ("vm-1", "cpu"), ("vm-1", "disk/read"), ("vm-2", "cpu"), ("vm-2", "disk/read"),
        ("vm-b", "cpu"),
    ]  # fmt: skip
    assert found[pairs.index(("vm-2", "disk/read"))] == {
        "name": "disk/read", "type": "gauge", "unit": "B", "resource_id": "vm-2", "project_id": "a", "user_id": "u3",
        "source": "openstack", "meter_id": base64.b64encode(b"vm-2+disk/read").decode(),
    }  # fmt: skip
    assert len(rows(ask(filled, "/v2/meters", MEMBER))) == 5
    assert len(rows(ask(filled, "/v2/meters", limit=2))) == 2
    assert len(rows(ask(filled, "/v2/meters", **q(("resource_id", "vm-1"))))) == 2
    assert len(rows(ask(filled, "/v2/meters", **q(("metadata.instance_type", "t1"), ("resource", "vm-1"))))) == 1
    alone = rows(ask(filled, "/v2/meters", unique="True"))
    assert [each["name"] for each in alone] == ["cpu", "disk/read"]
    for each in alone:
        assert [each[name] for name in ("resource_id", "project_id", "user_id", "source")] == [None] * 4


def test_resources(filled):
    found = {each["resource_id"]: each for each in rows(ask(filled, "/v2/resources"))}
    assert sorted(found) == ["lost/1 %", "vm-0", "vm-1", "vm-2", "vm-b"]
    base = f"{filled.url}/metering/v2"
    assert found["vm-1"] == {
        "resource_id": "vm-1", "project_id": "a", "user_id": "u3", "source": "openstack",
        "first_sample_timestamp": "2026-01-01T00:01:00", "last_sample_timestamp": "2026-01-01T00:10:00",
        "metadata": {"n": "10", "flavor.name": "small", "flavor.disk:gb": "1.0", "instance_type": "t0"},
        "links": [
            {"rel": "self", "href": f"{base}/resources/vm-1"},
            {"rel": "cpu", "href": f"{base}/meters/cpu?q.field=resource_id&q.value=vm-1"},
            {"rel": "disk/read", "href": f"{base}/meters/disk%2Fread?q.field=resource_id&q.value=vm-1"},
        ],
    }  # fmt: skip
    assert rows(ask(filled, "/v2/resources/vm-1")) == found["vm-1"]
    # Together and by themselves they are the same.
    for headers in (ADMIN, MEMBER):
        everything = rows(ask(filled, "/v2/resources", headers))
        assert rows(ask(filled, "/v2/resources", headers, limit=5_000)) == everything
        alone = [rows(ask(filled, "/v2/resources", headers, **q(("resource_id", each["resource_id"])))) for each in everything]
        assert alone == [[each] for each in everything]
    few = rows(ask(filled, "/v2/resources", meter_links="0", **q(("timestamp", "2026-01-01T00:20:00", "ge"))))
    assert [[link["rel"] for link in each["links"]] for each in few] == [["self"], ["self"]]
    assert {each["resource_id"] for each in few} == {"lost/1 %", "vm-b"}
    assert len(rows(ask(filled, "/v2/resources", MEMBER))) == 3
    assert fault(ask(filled, "/v2/resources/vm-b", MEMBER), 404) == "Resource vm-b Not Found"
    assert fault(ask(filled, "/v2/resources/nothing"), 404) == "Resource nothing Not Found"


def test_links_are_followed(filled):
    (resource,) = rows(ask(filled, "/v2/resources", **q(("resource_id", "lost/1 %"))))
    by_rel = {link["rel"]: link["href"] for link in resource["links"]}
    assert filled.client.get(by_rel["self"], headers=ADMIN).json() == resource
    assert [each["message_id"] for each in rows(filled.client.get(by_rel["cpu"], headers=ADMIN))] == named(31, 30)
    once = urllib.parse.quote("lost/1 %", safe="")
    # The client quotes nothing, and what it asks with leaves slashes as they are.
    for quoted in (once, urllib.parse.quote(once, safe=""), "lost/1%20%25", "lost/1%20%25/"):
        assert filled.client.get(f"/metering/v2/resources/{quoted}", headers=ADMIN).json() == resource


# -- statistics --------------------------------------------------------------------------------------------------------


def test_statistics(filled):
    assert rows(ask(filled, "/v2/meters/cpu/statistics", MEMBER)) == [
        {
            "unit": "%", "min": 0, "max": 9, "avg": 4.5, "sum": 45, "count": 10, "groupby": None, "duration": 540.0,
            "duration_start": "2026-01-01T00:00:00", "duration_end": "2026-01-01T00:09:00", "period": 0,
            "period_start": "2026-01-01T00:00:00", "period_end": "2026-01-01T00:09:00",
        }
    ]  # fmt: skip
    assert rows(ask(filled, "/v2/meters/nothing/statistics")) == []


def test_statistics_in_groups_and_periods(filled):
    found = rows(ask(filled, "/v2/meters/cpu/statistics", MEMBER, groupby="resource_id"))
    assert {each["groupby"]["resource_id"]: each["sum"] for each in found} == {"vm-0": 18, "vm-1": 12, "vm-2": 15}
    found = rows(ask(filled, "/v2/meters/cpu/statistics", groupby=["project_id", "resource_metadata.instance_type"]))
    sums = {(each["groupby"]["project_id"], each["groupby"]["resource_metadata.instance_type"]): each["count"] for each in found}
    assert sums == {("a", "t0"): 5, ("a", "t1"): 5, ("b", "t0"): 2, ("b", "t1"): 1, (None, "t0"): 1, (None, "t1"): 1}
    found = rows(ask(filled, "/v2/meters/cpu/statistics", MEMBER, period="240", **q(("timestamp", "2025-12-31T23:59:00", "ge"))))
    assert [(each["period"], each["period_start"], each["period_end"], each["sum"]) for each in found] == [
        (240, "2025-12-31T23:59:00", "2026-01-01T00:03:00", 3),
        (240, "2026-01-01T00:03:00", "2026-01-01T00:07:00", 18),
        (240, "2026-01-01T00:07:00", "2026-01-01T00:11:00", 24),
    ]
    assert rows(ask(filled, "/v2/meters/cpu/statistics", MEMBER, period="0")) == rows(
        ask(filled, "/v2/meters/cpu/statistics", MEMBER)
    )


def test_statistics_by_name(filled):
    asked = {"aggregate.func": ["cardinality", "cardinality", "max", "stddev"], "aggregate.param": ["resource_id", "user_id"]}
    (found,) = rows(ask(filled, "/v2/meters/cpu/statistics", MEMBER, **asked))
    told = found["aggregate"]
    assert told.keys() == {"cardinality/resource_id", "cardinality/user_id", "max", "stddev"}
    assert (told["cardinality/resource_id"], told["cardinality/user_id"], told["max"]) == (3.0, 1.0, 9.0)
    assert math.isclose(told["stddev"], math.sqrt(8.25), rel_tol=1e-9)
    assert found["max"] == 9
    assert not found.keys() & {"min", "avg", "sum", "count"}


def test_the_duration_is_within_the_bounds_that_were_asked_for(filled):
    window = [("timestamp", "2026-01-01T00:03:30", "ge"), ("timestamp", "2026-01-01T00:05:30", "lt"), ("search_offset", "2")]
    (found,) = rows(ask(filled, "/v2/meters/cpu/statistics", MEMBER, **q(*window)))
    assert (found["count"], found["duration"]) == (6, 120.0)
    assert (found["duration_start"], found["duration_end"]) == ("2026-01-01T00:03:30", "2026-01-01T00:05:30")
    assert (found["period_start"], found["period_end"]) == ("2026-01-01T00:02:00", "2026-01-01T00:07:00")
    # Everything lies in what the offset added.
    (found,) = rows(
        ask(filled, "/v2/meters/cpu/statistics", MEMBER, **q(("timestamp", "2026-01-01T00:12", "ge"), ("search_offset", "4")))
    )
    assert [found[name] for name in ("duration", "duration_start", "duration_end", "count")] == [None, None, None, 2]


def test_sums_of_integers_have_every_digit(filled):
    samples = [made(n, meter="ns", id=f"big{n}", type="cumulative", volume=BIG + n) for n in range(40, 44)]
    assert filled.client.post(INGEST, json=samples, headers=ADMIN).json()["accepted"] == 4
    (found,) = rows(ask(filled, "/v2/meters/ns/statistics"))
    assert (found["sum"], found["min"], found["max"]) == (4 * BIG + 166, BIG + 40, BIG + 43)
    assert [each["volume"] for each in rows(ask(filled, "/v2/samples", **q(("meter", "ns"))))] == [
        BIG + n for n in (43, 42, 41, 40)
    ]


# -- complex queries ---------------------------------------------------------------------------------------------------


def complex_query(service: Any, headers: Any = ADMIN, filter: Any = None, orderby: Any = None, **more: Any) -> httpx.Response:  # noqa: A002
    body = {name: json.dumps(value) for name, value in (("filter", filter), ("orderby", orderby)) if value is not None}
    found: httpx.Response = service.client.post("/metering/v2/query/samples", json={**body, **more}, headers=headers)
    return found


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({}, EVERY),
        (
            {"filter": {"and": [{"=": {"meter": "cpu"}}, {">=": {"volume": 8}}, {"NOT": {"=": {"volume": 9}}}]}},
            named(31, 30, 22, 21, 20, 8),
        ),
        ({"filter": {"in": {"message_id": ["m001", "m020", "x"]}}}, named(20, 1)),
        ({"filter": {"=~": {"resource_id": "^vm-[b2]$"}}, "limit": 3}, named(22, 21, 20)),
        ({"filter": {"=": {"metadata.flavor.disk.gb": 1.0}}, "limit": 1}, named(31)),
        ({"filter": {"=": {"metadata.n": "7"}}}, []),
        ({"filter": {"=>": {"timestamp": "2026-01-01T00:30:00"}}, "orderby": [{"timestamp": "ASC"}]}, named(30, 31)),
        (
            {"filter": {"<": {"timestamp": "2026-01-01T00:04:00"}}, "orderby": [{"resource_id": "desc"}, {"volume": "asc"}]},
            named(2, 1, 0, 3),
        ),
        ({"orderby": [{"timestamp": "asc"}], "limit": 5_000}, named(*range(12), 20, 21, 22, 30, 31)),
    ],
)  # fmt: skip
def test_complex_queries(filled, asked, wanted):
    assert ids(complex_query(filled, **asked)) == wanted


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"filter": "{"}, "Filter expression not valid: is not JSON"),
        ({"filter": '{"=": {"meter": "a", "meter": "b"}}'}, "Filter expression not valid: holds an object with the same key twice"),
        ({"filter": '{"like": {"meter": "a"}}'}, "Filter expression not valid: unknown operator 'like'"),
        ({"filter": '{"=": {"colour": "a"}}'}, "Filter expression not valid: unknown field 'colour'"),
        ({"filter": '{"=~": {"meter": "("}}'}, "Filter expression not valid: '(' is no regular expression"),
        ({"filter": '{"and": [{"=": {"meter": "a"}}]}'}, "Filter expression not valid: 'and' takes a list of two"),
        ({"filter": "[" * 70 + "]" * 70}, "Filter expression not valid: is nested more than 64 levels deep"),
        ({"orderby": "[{"}, "Order-by expression not valid: is not JSON"),
        ({"orderby": '{"timestamp": "asc"}'}, 'Order-by expression not valid: expected a list such as [{"timestamp": "desc"}],'),
        ({"filter": '{"=": 5}'}, "Filter expression not valid: '=' takes an object with one field, such as {\"resource_id\": ...}"),
        ({"orderby": '[{"timestamp": "up"}]'}, "Order-by expression not valid: 'up' is not one of asc, desc"),
        ({"orderby": '[{"colour": "asc"}]'}, "Order-by expression not valid: unknown field 'colour'"),
        ({"limit": 0}, "Limit must be positive"),
        ({"limit": "x"}, "Invalid input for field/attribute limit. Value: 'x'. unable to convert to int"),
        ({"limit": 1.5}, "body.limit: Expected `int | str | null`, got `float`"),
        ({"bogus": 1}, "body: Object contains unknown field `bogus`"),
    ],
)  # fmt: skip
def test_complex_queries_that_cannot_be_meant(filled, body, text):
    assert fault(filled.client.post("/metering/v2/query/samples", json=body, headers=ADMIN)).startswith(text)


def test_complex_queries_see_the_own_project(filled):
    assert ids(complex_query(filled, MEMBER)) == named(*range(11, -1, -1))
    assert ids(complex_query(filled, MEMBER, {"not": {"=": {"project_id": "a"}}})) == []
    assert ids(complex_query(filled, MEMBER, {"or": [{"=": {"volume": 21}}, {"=": {"volume": 1}}]})) == ["m001"]
    foreign = [
        {"=": {"project": "b"}}, {"!=": {"project_id": "b"}}, {"in": {"project_id": ["a", "b"]}},
        {"or": [{"=": {"meter": "cpu"}}, {"and": [{"=": {"meter": "cpu"}}, {"not": {"=": {"project_id": "b"}}}]}]},
    ]  # fmt: skip
    for each in foreign:
        assert fault(complex_query(filled, MEMBER, each), 401).startswith("Not Authorized to access project ")
        assert complex_query(filled, ADMIN, each).status_code == 200
    by_pattern = complex_query(filled, MEMBER, {"not": {"=~": {"project_id": "^a$"}}})
    assert fault(by_pattern, 401) == "Not Authorized to select projects by a regular expression"
    assert fault(complex_query(filled, {"X-Auth-Token": "t-member-x"}), 403)


@pytest.mark.parametrize("headers", [ADMIN, MEMBER])
def test_complex_queries_have_the_same_bounds_for_every_caller(filled, headers):
    def wide(count: int) -> Any:
        return {"or": [{"=": {"meter": f"m{n}"}} for n in range(count)]}

    def deep(levels: int) -> Any:
        test: Any = {"=": {"meter": "m"}}
        return functools.reduce(lambda inner, _: {"not": inner}, range(levels), test)

    refusal = "Filter expression not valid: "
    assert ids(complex_query(filled, headers, wide(63))) == []
    assert fault(complex_query(filled, headers, wide(64))) == f"{refusal}64 filters were given; it takes 63 at most"
    assert complex_query(filled, headers, deep(15)).status_code == 200
    assert fault(complex_query(filled, headers, deep(16))) == f"{refusal}is nested more than 15 levels deep"


# -- posting -----------------------------------------------------------------------------------------------------------

LEAST = {"counter_name": "mine", "counter_type": "gauge", "counter_unit": "B", "counter_volume": BIG, "resource_id": "r"}


def post(service: Any, *samples: Any, headers: Any = MEMBER, meter: str = "mine", **more: str) -> httpx.Response:
    headers = {**headers, **{name.replace("_", "-"): value for name, value in more.items()}}
    found: httpx.Response = service.client.post(f"/metering/v2/meters/{meter}?direct=True", json=samples, headers=headers)
    return found


def test_what_is_posted_is_completed(filled):
    full = {
        **LEAST, "user_id": "u", "project_id": "b", "source": "lab", "timestamp": "2026-01-02T00:00:00+01:00",
        "resource_metadata": {"a": {"b": {"c": 1}}},
    }  # fmt: skip
    answer = post(filled, LEAST, full, headers=ADMIN)
    assert answer.status_code == 201, answer.text
    first, second = answer.json()
    assert (first["project_id"], first["user_id"], first["source"], first["counter_volume"]) == ("a", "u5", "a:openstack", BIG)
    assert first["timestamp"] > "2026-01-02"
    assert (second["project_id"], second["user_id"], second["source"]) == ("b", "u", "b:lab")
    assert (second["timestamp"], second["resource_metadata"]) == ("2026-01-01T23:00:00", {"a.b:c": "1"})
    stored = rows(ask(filled, "/v2/meters/mine"))
    assert len({each["message_id"] for each in stored}) == 2
    for each in stored:
        each["recorded_at"] = None
    assert sorted(stored, key=lambda each: each["source"]) == [first, second]
    (one,) = ask(filled, "/v2/samples", **q(("metadata.a.b.c", "1"))).json()
    assert one["id"] == second["message_id"]


def test_numbers_may_be_text(filled):
    """The client sends them so."""
    answer = post(filled, *({**LEAST, "counter_volume": text} for text in (str(BIG), "12.5", "-3", "1e3", " 7 ")))
    assert [repr(each["counter_volume"]) for each in answer.json()] == [str(BIG), "12.5", "-3", "1000.0", "7"]
    assert ids(complex_query(filled, limit="2")) == ids(complex_query(filled, limit=2))


@pytest.mark.parametrize(
    ("samples", "text"),
    [
        ([], "Samples should be included in request body"),
        ([{**LEAST, "counter_name": "other"}], "Invalid input for field/attribute counter_name. Value: 'other'. should be mine"),
        ([{**LEAST, "message_id": "m"}], "Invalid input for field/attribute message_id. Value: 'm'. The message_id must not be"),
        ([{**LEAST, "counter_type": "rate"}],
         "Invalid input for field/attribute counter_type. Value: 'rate'. The counter type must be: gauge, delta, cumulative"),
        ([{**LEAST, "project_id": "b"}],
         "Invalid input for field/attribute project_id. Value: 'b'. can not post samples to other projects"),
        ([LEAST, {**LEAST, "resource_id": ""}], "[1].resource_id: is empty"),
        ([LEAST, {**LEAST, "timestamp": "soon"}], "[1].timestamp: 'soon' is not an ISO 8601 time"),
        ([LEAST, {**LEAST, "counter_unit": "x" * 256}], "[1].counter_unit: "),
        ([LEAST, {**LEAST, "counter_volume": 10**100}], "[1].counter_volume: the integer has more than 100 digits"),
        ([{**LEAST, "counter_volume": None}], "body[0].counter_volume: Expected"),
        ([{**LEAST, "counter_volume": "many"}],
         "Invalid input for field/attribute counter_volume. Value: 'many'. unable to convert to float"),
        ([{**LEAST, "counter_volume": "1_000"}], "Invalid input for field/attribute counter_volume. Value: '1_000'. unable"),
        ([LEAST, {**LEAST, "counter_volume": "nan"}], "[1].counter_volume: nan is not a finite number"),
        ([{**LEAST, "colour": 1}], "body[0]: Object contains unknown field `colour`"),
        ([{"counter_name": "mine"}], "body[0]: Object missing required field `counter_type`"),
        ([5], "body[0]: Expected `object`, got `int`"),
    ],
)  # fmt: skip
def test_what_cannot_be_posted(filled, samples, text):
    assert fault(post(filled, *samples)).startswith(text)
    assert rows(ask(filled, "/v2/meters/mine")) == []


@pytest.mark.promise("C8")
def test_a_key_makes_a_repetition_harmless(filled):
    first, again = (post(filled, LEAST, LEAST, Idempotency_Key="k") for _ in range(2))
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert post(filled, LEAST, Idempotency_Key="k").status_code == 409
    assert len(rows(ask(filled, "/v2/meters/mine"))) == 2
    assert post(filled, LEAST, LEAST).status_code == 201
    assert len(rows(ask(filled, "/v2/meters/mine"))) == 4


# -- ingest ------------------------------------------------------------------------------------------------------------


def test_bodies_as_ceilometer_sends_them(filled, metering_place):
    """Lists and single objects of the same samples; every one is there once, as it was sent."""
    sent: dict[str, Any] = {}
    accepted = duplicates = 0
    for body in RECORDED:
        answer = filled.client.post(INGEST, content=body, headers={**ADMIN, "Content-type": "application/json"})
        assert answer.status_code == 200, answer.text
        accepted, duplicates = accepted + answer.json()["accepted"], duplicates + answer.json()["duplicates"]
        given = json.loads(body)
        sent |= {each["id"]: each for each in (given if isinstance(given, list) else [given])}
    assert (accepted, duplicates) == (36, 8)
    assert len(sent) == 36
    store = metering_place.opened[0]
    for message_id, given in sent.items():
        (sample,) = store.get_samples(SampleFilter(message_id=message_id))
        assert (sample.counter_name, sample.counter_unit, sample.resource_id) == (
            given["name"],
            given["unit"],
            given["resource_id"],
        )
        assert (type(sample.counter_volume), sample.counter_volume) == (type(given["volume"]), given["volume"])
        assert sample.timestamp.isoformat() == given["timestamp"].removesuffix("+00:00")
        names = {name: given[name] for name in ("user_name", "project_name") if given[name] is not None}
        assert sample.resource_metadata == {**names, **given["resource_metadata"]}


def test_every_form_is_taken(filled):
    old = {**OLD, "message_id": "old", "resource_metadata": {"k": 1}, "recorded_at": "2026-01-01T00:00:00"}
    new = {**NEW, "id": "new", "metadata": {"k": 1}, "recorded_at": None}
    answer = filled.client.post(INGEST, json=[old, new, made(50, user_name="alice", project_name="demo")], headers=ADMIN)
    assert answer.json() == {"accepted": 3, "duplicates": 0}
    metadata = [rows(ask(filled, f"/v2/samples/{name}"))["metadata"] for name in ("old", "new", "m050")]
    assert metadata[:2] == [{"k": "1"}] * 2
    assert (metadata[2]["user_name"], metadata[2]["project_name"]) == ("alice", "demo")


def test_good_samples_beside_bad_ones_are_stored(filled):
    bad = [5, {"name": "x"}, made(61, volume="many"), made(62, volume=10**100), made(63, type="rate"), made(64, colour=1)]
    text = fault(filled.client.post(INGEST, json=[made(40), *bad, made(41)], headers=ADMIN))
    assert text.startswith("6 samples refused, 2 stored: [1] sample: expected an object, got int; [2] type: is missing")
    assert all(f"[{place}]" in text for place in range(1, 7))
    assert ids(ask(filled, "/v2/samples", limit=2)) == named(41, 40)
    headers = {**ADMIN, "Idempotency-Key": "all-or-none"}
    assert fault(filled.client.post(INGEST, json=[made(42), made(43, volume=10**100)], headers=headers)).startswith(
        "[1].counter_volume"
    )
    assert ids(ask(filled, "/v2/samples", limit=1)) == named(41)


@pytest.mark.promise("D2")
def test_single_samples_of_many_senders_are_each_there_once(filled, metering_place, record):
    sent = send_in_pairs(filled.url, INGEST, lambda name, _, number: made(number, id=name))
    stored = sum(1 for each in metering_place.opened[0].get_samples(SampleFilter()) if each.message_id.startswith("s-"))
    record(sent=sent, stored=stored)
    assert stored == sent // 2


@pytest.mark.promise("D2")
def test_a_sender_is_told_that_the_store_is_away(tmp_path):
    """Ceilometer writes a sample to its log when it gets a whole answer, and forgets it without a trace when it gets none."""
    away = f"sqlite:///{tmp_path}/empty.db"
    with serving(None, metering=away) as service:
        answer = service.client.post(INGEST, json=made(1))
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert fault(service.client.post(INGEST, json=[5]))
        assert 'undercroft_gathered_waiting{kind="metering"} 0.0\n' in service.client.get("/metrics").text
    with serving(None, metering=away, metering_settings={"on_error": "close"}) as service:
        with pytest.raises(httpx.TransportError):
            service.client.post(INGEST, json=made(1))
        assert fault(service.client.post(INGEST, json=[5]))


def test_without_identity_headers_everybody_is_admin(metering_place):
    with serving(None, metering=url_of(metering_place)) as service:
        assert service.client.get("/metering/v2/samples").status_code == 200
        headers = {"X-Roles": "member", "X-Project-Id": "nobody", "X-User-Id": "u"}
        assert service.client.get("/metering/v2/samples", headers=headers).json() == []
        assert service.client.get("/metering/v2/samples", headers={"X-Roles": "member"}).status_code == 403


# -- downloads ---------------------------------------------------------------------------------------------------------


def test_downloads_have_every_sample(filled):
    asked = q(("meter", "cpu"), ("metadata.flavor.name", "small"))
    wanted = named(*range(9, -1, -1))
    lines = ask(filled, "/v1/samples", MEMBER, **asked)
    assert lines.headers["content-disposition"] == 'attachment; filename="samples.jsonl"'
    found = [json.loads(line) for line in lines.text.splitlines()]
    assert [each["message_id"] for each in found] == wanted
    assert found[2]["resource_metadata"] == made(7)["resource_metadata"]
    table = ask(filled, "/v1/samples", MEMBER, format="csv", **asked)
    assert table.headers["content-type"].startswith("text/csv")
    assert [row["message_id"] for row in csv.DictReader(io.StringIO(table.text))] == wanted
    answer = ask(filled, "/v1/samples", MEMBER, format="parquet", **asked)
    assert pyarrow.parquet.read_table(io.BytesIO(answer.content)).column("message_id").to_pylist() == wanted
    fault(ask(filled, "/v1/samples", format="xml"))
    # What was given out is taken in again, and is there already.
    answer = filled.client.post(INGEST, json=found, headers=ADMIN)
    assert answer.json() == {"accepted": 0, "duplicates": 10}


# -- the client --------------------------------------------------------------------------------------------------------

TOUR = (pathlib.Path(__file__).parents[1] / "metering" / "data" / "ceilometerclient.jsonl").read_text().splitlines()
# What the recorded answers made up; the end of a period is not where its last sample is.
MADE_UP = ("meter_id", "recorded_at", "period_end")


def without_made_up(value: Any) -> Any:
    if isinstance(value, list):
        return [without_made_up(each) for each in value]
    if isinstance(value, dict):
        return {key: without_made_up(inner) for key, inner in value.items() if key not in MADE_UP}
    return value


def test_every_request_of_the_client_gets_the_answer_that_it_accepts(service, metering_place):
    metering_place.opened[0].clear()
    known: dict[str, str] = {}

    def ours(text: str) -> str:
        for theirs, mine in known.items():
            text = text.replace(theirs, mine)
        return text.replace("http://127.0.0.1:21220", f"{service.url}/metering")

    for recorded in map(json.loads, TOUR):
        body = {} if recorded["request"] is None else {"json": recorded["request"]}
        answer = service.client.request(recorded["method"], f"/metering{ours(recorded['path'])}", headers=ADMIN, **body)
        assert answer.status_code == recorded["status"], (recorded["path"], answer.text)
        found, wanted = answer.json(), recorded["response"]
        if recorded["status"] == 201:
            known = {theirs["message_id"]: mine["message_id"] for theirs, mine in zip(wanted, found, strict=True)}
        found, wanted = without_made_up(found), without_made_up(json.loads(ours(json.dumps(wanted))))
        match recorded["path"]:
            case "/":
                assert found["versions"]["values"][0]["id"] == "v2"
            case "/v2/capabilities":
                assert all(found[part].items() >= wanted[part].items() for part in ("api", "storage"))
            case _ if recorded["status"] == 400:
                assert found["error_message"].keys() == wanted["error_message"].keys()
            case path if "aggregate" in path:
                # Of an aggregate that is named, the value is beside the others, too.
                assert [each | given for each, given in zip(found, wanted, strict=True)] == found
            case path:
                assert found == wanted, path

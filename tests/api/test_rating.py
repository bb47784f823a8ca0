"""The routes of rated usage, both versions, as the contract tells them."""

from __future__ import annotations

import re
from decimal import Decimal

import httpx
import msgspec
import pytest

from tests.api.service import Service, frame, serving
from tests.conftest import url_of

NOVEMBER = {"begin": "2026-11-01", "end": "2026-12-01"}
ADMIN = "t-admin"


@pytest.fixture
def filled(empty: Service) -> Service:
    frames = [
        frame("a", "1.5", "0.123456789012345678901234567890123456"),
        frame("a", 2, 1, hour=30, metric="disk"),
        frame("b", "4", "0.000004", hour=1),
    ]
    assert empty.push(*frames, token=ADMIN).status_code == 204
    return empty


def test_versions_and_request_id(service):
    answer = service.get("/")
    assert [version["id"] for version in answer.json()["versions"]] == ["v1", "v2"]
    assert re.fullmatch(r"req-[0-9a-f-]{36}", answer.headers["x-openstack-request-id"])
    assert "x-openstack-request-id" in service.client.get("/nowhere").headers


def test_points_come_back_with_every_digit(filled):
    answer = filled.get("/v2/dataframes", ADMIN, **NOVEMBER, filters="project_id:a,type:cpu")
    assert answer.status_code == 200
    assert b'"price":0.123456789012345678901234567890123456' in answer.content
    found = msgspec.json.decode(answer.content)
    (one,) = found["dataframes"]
    assert found["total"] == 1
    assert one["period"] == {"begin": "2026-11-01T00:00:00Z", "end": "2026-11-01T00:59:59Z"}
    (point,) = one["usage"]["cpu"]
    assert point["groupby"] == {"project_id": "a", "id": "vm-1"}
    assert point["metadata"] == {"flavor": "small"}


def test_pages(filled):
    pages = [filled.get("/v2/dataframes", ADMIN, **NOVEMBER, offset=offset, limit=1).json() for offset in range(3)]
    assert [page["total"] for page in pages] == [3, 3, 3]
    assert [next(iter(page["dataframes"][0]["usage"])) for page in pages] == ["cpu", "cpu", "disk"]
    assert filled.get("/v2/dataframes", ADMIN, **NOVEMBER, offset=3).status_code == 404


@pytest.mark.parametrize(
    "query",
    ["limit=0", "offset=-1", "limit=x", "colour=red", "begin=yesterday", "filters=a", "filters=a:b:c", "filters=a:b,a:c",
     "limit=1&limit=2", "begin=2026-11-02&end=2026-11-01", "begin=%ff"],
)  # fmt: skip
def test_wrong_questions_are_400(service, query):
    answer = service.client.get(f"/rating/v2/dataframes?{query}", headers={"X-Auth-Token": ADMIN})
    assert answer.status_code == 400
    assert set(answer.json()) == {"message"}


def test_summary_as_table_and_as_objects(filled):
    table = filled.get("/v2/summary", ADMIN, **NOVEMBER, groupby="project_id,time-d").json()
    assert table["columns"] == ["begin", "end", "qty", "rate", "project_id", "day_of_the_year"]
    assert [row[2:3] + row[4:] for row in table["results"]] == [[1.5, "a", "305"], [2, "a", "306"], [4, "b", "305"]]
    objects = filled.get("/v2/summary", ADMIN, **NOVEMBER, response_format="object", filters="project_id:a,project_id:b").content
    row = msgspec.json.Decoder(float_hook=Decimal).decode(objects)["results"][0]
    assert row["rate"] == Decimal("1.123460789012345678901234567890123456")
    nothing = filled.get("/v2/summary", ADMIN, begin="2020-01-01", end="2020-01-02").json()
    assert nothing == {"total": 0, "columns": [], "results": [], "format": "table"}


def test_own_aggregates_are_parsed(filled):
    answer = filled.get("/v2/summary", ADMIN, **NOVEMBER, custom_fields="COUNT(qty) AS points, MAX(price) AS dearest")
    assert answer.json()["columns"] == ["begin", "end", "points", "dearest"]
    assert answer.json()["results"][0][2:] == [3, 1]
    assert filled.get("/v2/summary", ADMIN, custom_fields="SUM(qty) AS qty; DROP TABLE x").status_code == 400
    assert filled.get("/v2/summary", ADMIN, groupby="time-x").status_code == 400


def test_scopes_follow_from_the_points(filled):
    (a, b) = filled.get("/v2/scope", ADMIN).json()["results"]
    assert (a["scope_id"], a["scope_key"], a["active"]) == ("a", "project_id", True)
    assert a["last_processed_timestamp"] == "2026-11-02T06:59:59+00:00"
    assert b["scope_id"] == "b"
    assert [s["scope_id"] for s in filled.get("/v2/scope", ADMIN, scope_id="b,c").json()["results"]] == ["b"]
    for query in ({"scope_id": "c"}, {"active": "false"}, {"scope_key": "x"}, {"collector": "gnocchi"}, {"offset": 2}):
        assert filled.get("/v2/scope", ADMIN, **query).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_the_state_of_scopes_cannot_be_written(service, method):
    answer = service.client.request(method, "/rating/v2/scope", json={"scope_id": "a"}, headers={"X-Auth-Token": ADMIN})
    assert answer.status_code == 501
    assert "cannot be written" in answer.json()["message"]


def test_report(filled):
    rows = filled.get("/v1/report/summary", ADMIN, **NOVEMBER, all_tenants="True", groupby="tenant_id,res_type").json()["summary"]
    assert [(r["tenant_id"], r["res_type"], r["rate"]) for r in rows] == [
        ("a", "cpu", "0.12346"), ("a", "disk", "1.0"), ("b", "cpu", "0"),
    ]  # fmt: skip
    (row,) = filled.get("/v1/report/summary", ADMIN, **NOVEMBER, tenant_id="a").json()["summary"]
    assert row == {
        "begin": "2026-11-01T00:00:00",
        "end": "2026-12-01T00:00:00",
        "tenant_id": "ALL",
        "res_type": "ALL",
        "rate": "1.12346",
    }
    assert filled.get("/v1/report/total", ADMIN, **NOVEMBER, tenant_id="b").json() == "0.000004"
    assert filled.get("/v1/report/total", ADMIN, **NOVEMBER, tenant_id="nobody").json() == "0"
    assert filled.get("/v1/report/tenants", ADMIN, **NOVEMBER).json() == ["a", "b"]
    wrong = filled.get("/v1/report/summary", ADMIN, begin="no date")
    assert wrong.status_code == 400
    assert wrong.json() == {"faultcode": "Client", "faultstring": wrong.json()["faultstring"], "debuginfo": None}


def test_storage_gives_all_of_it(filled):
    found = filled.get("/v1/storage/dataframes", ADMIN, **NOVEMBER).json()["dataframes"]
    assert [(f["tenant_id"], f["begin"], f["resources"][0]["service"]) for f in found] == [
        ("a", "2026-11-01T00:00:00", "cpu"), ("b", "2026-11-01T01:00:00", "cpu"), ("a", "2026-11-02T06:00:00", "disk"),
    ]  # fmt: skip
    assert found[0]["resources"][0]["rating"] == "0.123456789012345678901234567890123456"
    assert found[0]["resources"][0]["desc"] == {"project_id": "a", "id": "vm-1", "flavor": "small"}
    few = filled.get("/v1/storage/dataframes", ADMIN, **NOVEMBER, resource_type="disk", tenant_id="b").json()
    assert few == {"dataframes": []}
    # Many in a row: none of them keeps its turn.
    assert {filled.get("/v1/storage/dataframes", ADMIN, **NOVEMBER).status_code for _ in range(20)} == {200}


METRICS = """
metrics:
  cpu:
    unit: instance
    alt_name: instance
    groupby: [id]
    metadata: [flavor, flavor_id]
  volume.size:
    - unit: GiB
      metadata: []
"""


def test_what_is_collected(place, tmp_path):
    from tests.conftest import url_of

    file = tmp_path / "metrics.yml"
    file.write_text(METRICS)
    with serving(url_of(place), metrics_file=file) as one:
        listed = one.get("/v1/info/metrics/").json()["metrics"]
        assert listed == [
            {"metric_id": "instance", "metadata": ["flavor", "flavor_id"], "unit": "instance"},
            {"metric_id": "volume.size", "metadata": [], "unit": "GiB"},
        ]
        assert one.get("/v1/info/services/instance").json() == listed[0]
        assert one.get("/v1/info/metrics/nothing").status_code == 404
        assert list(one.get("/v1/info/config").json()["metrics"]) == ["cpu", "volume.size"]
    file.write_text("metrics: !!python/object/apply:os.system [echo]")
    with serving(url_of(place), metrics_file=file) as one:
        assert one.get("/v1/info/metrics").status_code == 405
        assert one.get("/v1/info/config").status_code == 405


def test_counts_of_all_processes(place):
    """Whichever process is asked, it counts the requests of the others."""
    with serving(url_of(place), "--workers", "2") as service:
        before = 'undercroft_http_requests_total{method="GET",route="none",status="404"}'
        for _ in range(12):
            assert httpx.get(f"{service.url}/nothing").status_code == 404
        for _ in range(4):
            assert f"{before} 12.0\n" in httpx.get(f"{service.url}/metrics").text


def test_health_and_counts(service):
    assert service.client.get("/healthz").json() == {"status": "alive"}
    assert service.client.get("/readyz").json() == {"status": "ready"}
    service.get("/v2/scope", "wrong")
    counts = service.client.get("/metrics").text
    assert 'undercroft_http_requests_total{method="GET",route="/rating/v2/scope",status="401"}' in counts

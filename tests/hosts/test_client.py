"""The real, unmodified python-cloudkittyclient against the running service, on each store of the run."""

from __future__ import annotations

import json
import subprocess
from decimal import Decimal
from typing import Any

import pytest

from tests.api.service import Service, frame, serving
from tests.hosts.conftest import Environment, make

pytestmark = pytest.mark.one_per_driver
METRICS = "metrics: {cpu: {unit: instance, alt_name: instance, metadata: [flavor]}}"
TOKENS = "secret-admin - someone admin\nsecret-member b someone member\n"
NOVEMBER = ("-b", "2026-11-01T00:00:00Z", "-e", "2026-12-01T00:00:00Z")

LIBRARY = """
import datetime, json, sys
from cloudkittyclient import client
from keystoneauth1 import session
from keystoneauth1.token_endpoint import Token
import cloudkittyclient.auth

endpoint, token = sys.argv[1:]
auth = Token(endpoint, token) if token else cloudkittyclient.auth.CloudKittyNoAuthPlugin(endpoint)
opened = session.Session(auth=auth)
one, two = (client.Client(version, session=opened) for version in ("1", "2"))
month = {"begin": datetime.datetime(2026, 11, 1), "end": datetime.datetime(2026, 12, 1)}
print(json.dumps({
    "frames": two.dataframes.get_dataframes(**month, filters={"project_id": "a"}),
    "summary": two.summary.get_summary(**month, groupby=["project_id", "type"], response_format="object"),
    "total": one.report.get_total(**month, all_tenants=True),
    "tenants": one.report.get_tenants(**month),
    "storage": one.storage.get_dataframes(**month, tenant_id="b"),
    "metrics": one.info.get_metric(),
}))
"""


@pytest.fixture(scope="session")
def client() -> Environment:
    return make("client")


@pytest.fixture
def service(opener, tmp_path):
    opener()
    file = tmp_path / "metrics.yml"
    file.write_text(METRICS)
    joint = "&" if "?" in opener.url else "?"
    with serving(f"{opener.url}{joint}namespace={opener.namespace}", metrics_file=file) as found:
        yield found


def command(client: Environment, service: Service, *words: str, version: int = 2) -> Any:
    """What the client's own command prints, as JSON; text where it prints none."""
    done = subprocess.run(
        [
            str(client.python.parent / "cloudkitty"), "--os-rating-api-version", str(version),
            "--os-auth-type", "cloudkitty-noauth", "--os-endpoint", f"{service.url}/rating", *words,
        ],
        env=client.variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if "json" in words else done.stdout


def test_commands(client, service, tmp_path):
    file = tmp_path / "usage.json"
    file.write_text(json.dumps({"dataframes": [frame("a", "1.5", "0.25"), frame("b", 2, "0.5", hour=30, metric="disk")]}))
    command(client, service, "dataframes", "add", str(file))

    points = command(client, service, "dataframes", "get", *NOVEMBER, "--filter", "project_id:a", "-f", "json")
    assert [(p["Metric Type"], p["Unit"], p["Quantity"], p["Price"]) for p in points] == [("cpu", "h", 1.5, 0.25)]
    rows = command(client, service, "summary", "get", *NOVEMBER, "-g", "project_id", "-f", "json")
    assert [(row["Project id"], row["Qty"], row["Rate"]) for row in rows] == [("a", 1.5, 0.25), ("b", 2, 0.5)]
    scopes = command(client, service, "scope", "state", "get", "-f", "json")
    assert [(scope["Scope ID"], scope["Scope Key"]) for scope in scopes] == [("a", "project_id"), ("b", "project_id")]

    rows = command(client, service, "summary", "get", *NOVEMBER, "-g", "tenant_id", "res_type", "-a", "-f", "json", version=1)
    assert [(row["Tenant ID"], row["Resource Type"], row["Rate"]) for row in rows] == [("a", "cpu", "0.25"), ("b", "disk", "0.5")]
    assert command(client, service, "total", "get", *NOVEMBER, "-a", "-f", "json", version=1) == {"Total": 0.75}
    tenants = command(client, service, "report", "tenant", "list", *NOVEMBER, "-f", "json", version=1)
    assert tenants == [{"Tenant ID": "a"}, {"Tenant ID": "b"}]
    stored = command(client, service, "dataframes", "get", *NOVEMBER, "-p", "a", "-f", "json", version=1)
    assert [(one["Project ID"], one["Resources"][0]["rating"]) for one in stored] == [("a", "0.25")]
    metrics = command(client, service, "info", "metric", "list", "-f", "json", version=1)
    assert metrics == [{"Metric": "instance", "Unit": "instance", "Metadata": ["flavor"]}]
    (one,) = command(client, service, "info", "metric", "get", "instance", "-f", "json", version=1)
    assert one["Metric"] == "instance"
    (config,) = command(client, service, "info", "config", "get", "-f", "json", version=1)
    assert config["Section"] == "metrics"


@pytest.mark.parametrize("token", ["", "secret-admin"])
def test_library(client, opener, tmp_path, token):
    opener()
    file = tmp_path / "tokens"
    file.write_text(TOKENS)
    joint = "&" if "?" in opener.url else "?"
    access = {"auth": "tokens", "token_file": file} if token else {}
    with serving(f"{opener.url}{joint}namespace={opener.namespace}", **access) as service:
        assert service.push(frame("a", "1.5", "0.1"), frame("b", 2, "0.2"), token=token or None).status_code == 204
        done = client.run("-c", LIBRARY, f"{service.url}/rating", token, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["frames"]["total"] == 1
        rows = found["summary"]["results"]
        assert [(row["project_id"], row["type"], row["rate"]) for row in rows] == [("a", "cpu", 0.1), ("b", "cpu", 0.2)]
        assert Decimal(found["total"]) == Decimal("0.3")
        assert found["tenants"] == ["a", "b"]
        assert [one["tenant_id"] for one in found["storage"]["dataframes"]] == ["b"]
        assert found["metrics"] == {"metrics": []}
        if token:
            # A member's own project only, whatever is asked for.
            refused = client.run("-c", LIBRARY, f"{service.url}/rating", "secret-member", cwd=tmp_path)
            assert refused.returncode != 0
            assert "404" in refused.stderr or "403" in refused.stderr

"""The real, unmodified python-ceilometerclient against the running service: its commands, and its library's tour of the API."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.service import Service, serving
from tests.conftest import url_of
from tests.hosts.conftest import Environment, make

pytestmark = [pytest.mark.one_per_driver, pytest.mark.kind("metering")]
TOKENS = "secret-admin a boss admin\nsecret-member b someone member\n"
RESOURCE = "vm/1 %"

TOUR = """
import json, sys
from ceilometerclient import client, exc
from ceilometerclient.apiclient import exceptions

endpoint, token = sys.argv[1:]
c = client.get_client(2, os_endpoint=endpoint, os_token=token)
SAMPLES = [
    {"counter_name": "size", "counter_type": "cumulative", "counter_unit": "B", "counter_volume": 2**63 + n, "project_id": "a",
     "resource_id": f"r{n % 2}", "user_id": "u", "timestamp": f"2026-01-01T00:0{n}:00",
     "resource_metadata": {"n": n, "nested": {"x": n % 2}}}
    for n in range(6)
]
def refusal(call):
    try:
        return call()
    except (exc.HTTPException, exceptions.HttpError) as error:
        return f"{type(error).__name__} {str(error)[:50]}"

made = c.samples.create_list(SAMPLES, direct=True)
one = made[0].message_id
window = [{"field": "timestamp", "op": op, "value": f"2026-01-01T00:0{n}:00"} for op, n in (("ge", 1), ("lt", 3))]
expression = json.dumps({"and": [{"=": {"meter": "size"}}, {">": {"volume": 2**63 + 3}}]})
print(json.dumps({
    "made": [each.counter_volume for each in made],
    "meters": [[m.name, m.resource_id] for m in c.meters.list(q=[{"field": "resource_id", "value": "r1"}])],
    "unique": [[m.name, m.resource_id] for m in c.meters.list(unique=True)],
    "old": [s.counter_volume for s in c.samples.list(meter_name="size", limit=2)],
    "window": [s.counter_volume for s in c.samples.list(meter_name="size", q=window)],
    "new": [s.volume for s in c.new_samples.list(q=[{"field": "metadata.nested.x", "value": "1"}])],
    "one": c.new_samples.get(one).volume,
    "none": refusal(lambda: c.new_samples.get("nothing")),
    "resource": [c.resources.get("r0").metadata, sorted(link["rel"] for link in c.resources.get("r0").links)],
    "resources": [[r.resource_id, len(r.links)] for r in c.resources.list(links=False)],
    "statistics": [[s.sum, s.count] for s in c.statistics.list("size", groupby=["resource_id"])],
    "periods": [s.period_start for s in c.statistics.list("size", period=180)],
    "named": [s.aggregate for s in c.statistics.list(
        "size", aggregates=[{"func": "count"}, {"func": "cardinality", "param": "resource_id"}])],
    "query": [s.volume for s in c.query_samples.query(filter=expression, orderby='[{"timestamp": "ASC"}]', limit=5)],
    "capable": c.capabilities.get().api["samples:query:complex"],
    "bad field": refusal(lambda: c.samples.list(meter_name="size", q=[{"field": "nope", "value": "x"}])),
    "bad op": refusal(lambda: c.samples.list(meter_name="size", q=[{"field": "project_id", "op": "gt", "value": "x"}])),
    "bad time": refusal(lambda: c.samples.list(meter_name="size", q=[{"field": "timestamp", "op": "ge", "value": "junk"}])),
}))
"""


@pytest.fixture(scope="session")
def client() -> Environment:
    return make("ceilometerclient")


@pytest.fixture
def service(opener: Any, tmp_path: Any) -> Iterator[Service]:
    opener()
    file = tmp_path / "tokens"
    file.write_text(TOKENS)
    with serving(None, metering=url_of(opener), auth="tokens", token_file=file) as found:
        yield found


def command(client: Environment, service: Service, *words: str, token: str = "secret-admin") -> str:
    """What the client's command prints; it must end well."""
    done = subprocess.run(
        [str(client.python.parent / "ceilometer"), "--os-token", token, "--os-endpoint", f"{service.url}/metering", *words],
        env=client.variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def table(text: str) -> list[list[str]]:
    """The cells of a table, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def test_commands(client: Environment, service: Service) -> None:
    def run(*words: str) -> list[list[str]]:
        return table(command(client, service, *words))

    capabilities = command(client, service, "capabilities")
    assert '"samples:query:complex": true' in capabilities
    for number, volume in enumerate(("12.5", str(2**63 + 1))):
        made = command(
            client, service, "sample-create", "-m", "cpu", "-r", RESOURCE, "--meter-type", "gauge", "--meter-unit", "%",
            "--sample-volume", volume, "--resource-metadata", '{"a": {"b": 1}}', "--timestamp", f"2026-01-01T00:0{number}:00",
        )  # fmt: skip
        assert "a:openstack" in made
    assert run("sample-list", "-m", "cpu") == [
        [RESOURCE, "cpu", "gauge", volume, "%", f"2026-01-01T00:0{number}:00"]
        for number, volume in ((1, str(2**63 + 1)), (0, "12.5"))
    ]
    (row,) = run("sample-list", "-q", "metadata.a.b=1;timestamp<2026-01-01T00:01:00", "-l", "5")
    assert row[1:5] == [RESOURCE, "cpu", "gauge", "12.5"]
    assert "vm/1 %" in command(client, service, "sample-show", row[0])
    assert run("meter-list") == [["cpu", "gauge", "%", RESOURCE, "boss", "a"]]
    assert run("meter-list", "--unique", "True") == [["cpu", "gauge", "%", "None", "None", "None"]]
    (row,) = run("statistics", "-m", "cpu", "-a", "count", "-a", "cardinality<-resource_id")
    assert {"2.0", "1.0"} <= set(row)
    assert len(run("statistics", "-m", "cpu", "-p", "60", "-g", "resource_id")) == 2
    assert run("resource-list") == [[RESOURCE, "a:openstack", "boss", "a"]]
    assert ["project_id", "a"] in run("resource-show", RESOURCE)
    found = run(
        "query-samples",
        "-f",
        '{"and": [{"=": {"meter": "cpu"}}, {"<": {"volume": 20}}]}',
        "-o",
        '[{"timestamp": "asc"}]',
        "-l",
        "5",
    )
    assert [row[3] for row in found] == ["gauge"]
    created = [{"counter_name": "disk", "counter_type": "gauge", "counter_unit": "B", "counter_volume": 5, "resource_id": "x"}]
    assert len(run("sample-create-list", json.dumps(created))) == 1
    # A member of another project sees nothing of it.
    assert table(command(client, service, "sample-list", token="secret-member")) == []


def test_the_library(client: Environment, service: Service, tmp_path: Any) -> None:
    done = client.run("-c", TOUR, f"{service.url}/metering", "secret-admin", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    big = 2**63
    assert json.loads(done.stdout) == {
        "made": [big + n for n in range(6)],
        "meters": [["size", "r1"]],
        "unique": [["size", None]],
        "old": [big + 5, big + 4],
        "window": [big + 2, big + 1],
        "new": [big + 5, big + 3, big + 1],
        "one": big,
        "none": "HTTPNotFound HTTPNotFound (HTTP 404)",
        "resource": [{"n": "4", "nested.x": "0"}, ["self", "size"]],
        "resources": [["r0", 1], ["r1", 1]],
        "statistics": [[3 * big + 6, 3], [3 * big + 9, 3]],
        "periods": ["2026-01-01T00:00:00", "2026-01-01T00:03:00"],
        "named": [{"count": 6.0, "cardinality/resource_id": 2.0}],
        "query": [big + 4, big + 5],
        "capable": True,
        "bad field": 'BadRequest Unknown argument: "nope": unrecognized field in qu',
        "bad op": "BadRequest Invalid input for field/attribute op. Value: 'gt'.",
        "bad time": "BadRequest Invalid input for field/attribute timestamp. Value",
    }

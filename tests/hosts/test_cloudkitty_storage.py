"""The real CloudKitty over our driver, on each engine: its own tests, its workers, its API with the real client."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.conftest import opener_of
from tests.hosts.deployment import Deployment, inside
from tests.hosts.inside.urls import with_namespace

pytestmark = pytest.mark.one_per_driver
OLD, NEW = Decimal("0.0123"), Decimal("0.0457")


@pytest.fixture
def namespace(engine, tmp_path):
    """Opens the store that a deployment uses, and drops it at the end."""
    opener = opener_of(engine, tmp_path)
    opener(init=False)
    yield opener
    opener.clear()


@pytest.fixture
def deploy(cloudkitty, namespace, tmp_path):
    """Makes a CloudKitty on the test's own store."""
    url = with_namespace(namespace.url, namespace.namespace)
    return lambda **options: Deployment.make(cloudkitty, tmp_path, url, **options)


@pytest.fixture
def tests_inside(cloudkitty, engine, tmp_path):
    """Runs tests inside CloudKitty: how many passed; every other outcome fails here."""
    # They look for files below the working directory.
    (tmp_path / "cloudkitty").symlink_to(cloudkitty.packages / "cloudkitty")

    def run(script, *arguments):
        outcomes = inside(cloudkitty, tmp_path, script, opener_of(engine, tmp_path).url, *arguments)
        assert outcomes["others"] == {}, "\n".join(f"{name}: {text}" for name, text in outcomes["others"].items())
        return len(outcomes["passed"])

    return run


def test_adapter_within_cloudkitty(tests_inside):
    assert tests_inside("adapter") == 12


def test_storage_class_of_cloudkitty(tests_inside):
    assert tests_inside("storage_class") == 16


def test_http_suite_of_cloudkitty(tests_inside, tmp_path):
    """One of the 60 with another number: see the script."""
    assert tests_inside("http_suite", tmp_path) == 60


@pytest.mark.parametrize("on_conflict", ["replace", "append"])
def test_workers_bill_nothing_twice(deploy, on_conflict):
    """With `append` the period at the end of a reprocessing is there twice, and a repeated one, too: the test can see it."""
    told = deploy(on_conflict=on_conflict).run("rated")
    rated, reprocessed, reset = told["rated"], told["reprocessed"], told["reset"]
    start, end = told["start"], told["end"]
    assert told["store"] == "undercroft.compat.cloudkitty.Storage"
    assert len(rated["alpha"]) == len(rated["beta"]) == 3 * len({hour for hour, *_ in rated["alpha"]}) >= 24
    assert costs(rated["alpha"]) == costs(rated["beta"]) == {OLD}

    assert reprocessed["beta"] == rated["beta"], "another scope's points have changed"
    outside = [point for point in rated["alpha"] if not start <= point[0] <= end]
    assert [point for point in reprocessed["alpha"] if not start <= point[0] <= end] == outside
    between = [point for point in reprocessed["alpha"] if start <= point[0] < end]
    assert costs(between) == {NEW}
    before, after = keys(rated["alpha"]), keys(reprocessed["alpha"])
    at_end = [point for point in reprocessed["alpha"] if point[0] == end]
    if on_conflict == "replace":
        assert after == before
        assert costs(at_end) == {NEW}
    else:
        assert after == sorted(before + [key for key in before if key[0] == end])
        assert costs(at_end) == {OLD, NEW}

    assert reset["beta"] == rated["beta"]
    assert reset["alpha"] == [point for point in reprocessed["alpha"] if point[0] < told["reset_to"]]

    newest = max(hour for hour, *_ in rated["beta"])
    twice = [key for key in keys(rated["beta"]) if key[0] == newest and on_conflict == "append"]
    assert told["repeated"]["alpha"] == reset["alpha"]
    assert keys(told["repeated"]["beta"]) == sorted(keys(rated["beta"]) + twice)


def keys(points):
    return sorted((hour, machine) for hour, machine, *_ in points)


def costs(points):
    """The prices of one unit."""
    return {round(Decimal(price) / Decimal(qty), 12) for *_, qty, price in points}


def test_api_with_the_real_client(deploy, cloudkitty, tmp_path):
    with deploy().serving() as address:
        told = inside(cloudkitty, tmp_path, "client", address)
    found = told["dataframes"]
    assert found["total"] == 6
    assert [in_numbers(frame) for frame in found["dataframes"]] == [in_numbers(frame) for frame in told["sent"]]
    assert told["page"]["total"] == 6
    assert [frame["usage"].keys() for frame in told["page"]["dataframes"]] == [{"cpu"}]
    assert told["filtered"]["total"] == 2
    rows = [(row["project_id"], row["type"], row["qty"], row["rate"]) for row in told["summary"]["results"]]
    assert rows == [("alpha", "cpu", 3, 0.5), ("alpha", "image.size", 3, 0.25), ("beta", "cpu", 3, 1)]
    assert told["by_time"]["columns"] == ["begin", "end", "qty", "rate"]
    assert [row[2:] for row in told["by_time"]["results"]] == [[4.5, 0.875]] * 2
    assert told["scopes"] == "HttpError 404", "CloudKitty has no scopes before its processor has seen them"
    assert [(row["tenant_id"], row["rate"]) for row in told["v1_summary"]["summary"]] == [("alpha", "0.75"), ("beta", "1.0")]
    assert told["v1_tenants"] == ["alpha", "beta"]
    assert [frame["resources"][0]["desc"]["id"] for frame in told["v1_dataframes"]["dataframes"]] == ["beta-1"] * 2
    assert told["refused"] == "HttpError 400"


def in_numbers(frame):
    """A frame's points with numbers that compare."""
    return frame["period"], {
        kind: [(p["vol"]["unit"], float(p["vol"]["qty"]), float(p["rating"]["price"]), p["groupby"], p["metadata"]) for p in points]
        for kind, points in frame["usage"].items()
    }

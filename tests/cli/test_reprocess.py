"""`undercroft rating reprocess`: the file's usage takes the place of what is stored, or nothing happens."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import msgspec
import pytest

from undercroft.rating import DataFrame, DataPoint

RANGE = ("--begin", "2026-01-01", "--end", "2026-01-01T06:00")
decode = msgspec.json.Decoder(float_hook=Decimal).decode


@pytest.fixture
def filled(storage, frame):
    """Eight hours of two projects."""
    for project in ("p", "q"):
        storage.push([frame(hour, f"{project}1", f"{project}2", project_id=project) for hour in range(8)])
    return storage


def report(run, url, path, *more):
    return decode(run("rating", "reprocess", path, "--store", url, *RANGE, *more, "--format", "json").stdout)


def test_a_dry_run_shows_both_and_changes_nothing(run, url, filled, stored, jsonl, frame):
    before = stored()
    path = jsonl(frame(0, "p1", qty="3", price="1.125", project_id="p"))
    found = report(run, url, path, "--filter", "project_id=p", "--dry-run")
    assert found["dry_run"] is True
    assert found["filters"] == {"project_id": ["p"]}
    assert found["old"] == {"points": 12, "qty": 18, "price": 3}
    assert found["new"] == {"points": 1, "qty": 3, "price": Decimal("1.125")}
    assert found["difference"] == {"points": -11, "qty": -15, "price": Decimal("-1.875")}
    assert stored() == before


def test_it_replaces_one_scope_and_touches_no_other(run, url, filled, jsonl, frame):
    path = jsonl(*(frame(hour, "p1", qty="7", project_id="p") for hour in range(6)))
    found = report(run, url, path, "--filter", "project_id=p")
    assert found["new"] == {"points": 6, "qty": 42, "price": Decimal("1.5")}
    month = {"begin": dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "end": dt.datetime(2026, 2, 1, tzinfo=dt.UTC)}
    sums = {row["project_id"]: row["qty"] for row in filled.total(["project_id"], **month)["results"]}
    # Two hours of p lie after the end.
    assert sums == {"p": 42 + 6, "q": 24}
    again = report(run, url, path, "--filter", "project_id=p")
    assert again["difference"] == {"points": 0, "qty": 0, "price": 0}


def test_an_empty_file_deletes(run, url, filled, jsonl):
    found = report(run, url, jsonl(), "--filter", "project_id=p", "--filter", "id=p1")
    assert found["old"]["points"] == 6
    assert found["new"] == {"points": 0, "qty": 0, "price": 0}


def test_everybody(run, url, filled, jsonl, frame, stored):
    out = run("rating", "reprocess", jsonl(frame(0, "x")), "--store", url, *RANGE, "--every-scope").stdout
    assert out.rstrip().endswith("replaced")
    assert sum(len(list(one.iterpoints())) for one in stored()) == 1 + 8


def test_csv_from_stdin(run, url, filled):
    lines = "begin,end,type,unit,qty,price,groupby.project_id\n2026-01-01T00:00Z,2026-01-01T01:00Z,cpu,h,5,2,p\n"
    arguments = (
        "rating",
        "reprocess",
        "-",
        "--from",
        "csv",
        "--store",
        url,
        *RANGE,
        "--filter",
        "project_id=p",
        "--format",
        "json",
    )
    assert decode(run(*arguments, stdin=lines).stdout)["new"] == {"points": 1, "qty": 5, "price": 2}


@pytest.mark.parametrize(
    ("hour", "attributes", "what"),
    [
        (-1, {"project_id": "p"}, "outside"),
        (6, {"project_id": "p"}, "outside"),
        (0, {"project_id": "q"}, "has project_id q"),
        (0, {}, "has project_id missing"),
        (0, {"project_id": ["p"]}, "has project_id ['p']"),
    ],
)
def test_a_point_that_is_not_meant_is_refused_before_anything_changes(
    run, url, filled, stored, jsonl, frame, hour, attributes, what
):
    before = stored()
    path = jsonl(frame(0, "p1", project_id="p"), frame(hour, "p2", **attributes))
    message = run("rating", "reprocess", path, "--store", url, *RANGE, "--filter", "project_id=p", code=2).stderr
    assert f"{path}:2: point: " in message
    assert what in message
    assert "nothing was changed" in message
    assert stored() == before


def test_filters_match_as_the_store_does(run, url, storage, jsonl):
    """Metadata, values that are no text, several values, and the type."""
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    points = [DataPoint("h", 1, 1, {"id": 7}, {"zone": zone}) for zone in ("north", "south")]
    one = DataFrame(start, start + dt.timedelta(hours=1), {"cpu": points})
    storage.push([one])
    filters = ("--filter", "id=7", "--filter", "zone=north", "--filter", "zone=south", "--filter", "type=cpu")
    found = report(run, url, jsonl(one), *filters)
    assert found["old"] == found["new"]
    assert found["new"]["points"] == 2
    other = DataFrame(start, start + dt.timedelta(hours=1), {"disk": points})
    message = run("rating", "reprocess", jsonl(other), "--store", url, *RANGE, *filters, code=2).stderr
    assert "type 'disk'" in message


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--begin", "2026-01-01"], "--end"),
        ([*RANGE], "--every-scope"),
        ([*RANGE, "--every-scope", "--filter", "a=b"], "--every-scope"),
        (["--begin", "2026-01-02", "--end", "2026-01-01", "--every-scope"], "--begin"),
        ([*RANGE, "--filter", "a"], "KEY=VALUE"),
    ],
)
def test_misuse(run, url, filled, stored, jsonl, frame, arguments, what):
    before = stored()
    assert what in run("rating", "reprocess", jsonl(frame(0, "a")), "--store", url, *arguments, code=2).stderr
    assert stored() == before


def test_a_file_that_is_wrong_in_the_middle(run, url, filled, stored, jsonl, frame):
    before = stored()
    path = jsonl(frame(0, "p1", project_id="p"), "{")
    assert f"{path}:2" in run("rating", "reprocess", path, "--store", url, *RANGE, "--filter", "project_id=p", code=2).stderr
    assert stored() == before


def test_exact_sums(run, url, storage, jsonl, frame):
    storage.push([frame(0, "a", price="12345678901234567890.000000000000000001")])
    path = jsonl(frame(0, "a", price="0.00000000000000000000000000000000000002"))
    found = report(run, url, path, "--every-scope", "--dry-run")
    assert found["difference"]["price"] == Decimal("-12345678901234567890.00000000000000000099999999999999999998")

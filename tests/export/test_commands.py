"""`undercroft export ...` as an operator meets it: our own API as the source, each SQL engine as the target."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

import undercroft
from tests.api.service import TOP, Service, serving
from tests.cli.conftest import Run, run, runner  # noqa: F401 - a fixture
from tests.engines.run import free_ports
from tests.export.places import Place
from undercroft.cli.main import root
from undercroft.core.errors import UndercroftError

PATIENCE = 60
FILTERS = """
[filter:all]
meters = *

[filter:one]
query = project_id=p1
meters = meter.1, meter.2
"""
BEGUN = dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0)
COUNT = 300


def published(number: int, age: float = 0) -> dict[str, Any]:
    return {
        "counter_name": f"meter.{number % 3}", "counter_type": "gauge", "counter_unit": "B", "counter_volume": number + 0.5,
        "user_id": "u", "project_id": f"p{number % 2}", "resource_id": f"r{number % 7}", "source": "openstack",
        "timestamp": BEGUN - dt.timedelta(seconds=age or 60 + number), "resource_metadata": {"flavor": {"name": "small"}},
        "message_id": f"id-{number}", "message_signature": None,
    }  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    url = f"sqlite:///{tmp_path_factory.mktemp('source')}/m.db"
    with contextlib.closing(undercroft.connect("metering", url)) as store:
        store.init()
        store.record_metering_data_batch([published(number) for number in range(COUNT)])
    with serving(None, metering=url) as service:
        yield service


@pytest.fixture
def file(source: Service, place: Place, tmp_path: pathlib.Path) -> pathlib.Path:
    return written(tmp_path, source.url + "/metering", place)


def written(folder: pathlib.Path, endpoint: str, place: Place, **keys: Any) -> pathlib.Path:
    found = folder / "export.ini"
    lines = {
        "endpoint": endpoint,
        "auth": "none",
        "connection": place.url,
        "table": place.table,
        "page": 50,
        "backoff_max": 1,
        **keys,
    }
    text = "".join(f"{name} = {value}\n" for name, value in lines.items())
    found.write_text(
        f"[exporter]\n{text}\n[filter:all]\nmeters = *\n\n[filter:one]\nquery = project_id=p1\nmeters = meter.1, meter.2\n"
    )
    return found


def stored(place: Place) -> list[str]:
    return [row[0] for row in place.rows(("message_id",))]


def positions(status: str) -> list[str]:
    return [each["position"] for each in json.loads(status)["meters"]]


IDS = sorted(f"id-{number}" for number in range(COUNT))


@pytest.mark.parametrize("mode", ["complex", "simple"])
def test_one_round_brings_everything_once(run: Run, file, place, mode):  # noqa: F811
    done = json.loads(run("export", "run", file, "--once", "--format", "json", "--mode", mode).stdout)
    assert stored(place) == IDS
    assert done["totals"]["new"] == COUNT
    assert done["problems"] == {}
    # What two filters select was read twice.
    assert done["totals"]["read"] > COUNT
    again = json.loads(run("export", "run", file, "--once", "--format", "json").stdout)
    assert again["totals"]["new"] == 0


def test_columns_are_those_of_the_sample(run: Run, file, place):  # noqa: F811
    run("export", "run", file, "--once", "--extra-columns", "user_id,recorded_at,resource_metadata")
    names = ["counter_name", "counter_type", "counter_unit", "counter_volume", "project_id", "resource_id", "source", "user_id"]
    (row,) = [row for row in place.rows(("message_id", *names, "resource_metadata")) if row[0] == "id-7"]
    sample = published(7)
    assert list(row[1:-1]) == [sample[name] for name in names]
    assert json.loads(row[-1]) == {"flavor.name": "small"}


def test_a_dry_run_stores_nothing_and_makes_nothing(run: Run, file, place):  # noqa: F811
    assert "nothing was stored" in run("export", "run", file, "--dry-run").stdout
    with pytest.raises(UndercroftError):
        place.count()
    run("export", "run", file, "--once")
    before = run("export", "status", file, "--format", "json").stdout
    run("export", "run", file, "--dry-run")
    after = run("export", "status", file, "--format", "json").stdout
    assert positions(before) == positions(after)


def test_start_now_leaves_what_is_older(run: Run, file, place):  # noqa: F811
    run("export", "run", file, "--once", "--start", "now")
    assert stored(place) == []
    found = json.loads(run("export", "status", file, "--format", "json").stdout)
    assert found["is_well"]
    assert {each["rows"] for each in found["meters"]} == {0}


def test_start_at_a_moment_is_kept_by_the_overlap(run: Run, file, place):  # noqa: F811
    start = BEGUN - dt.timedelta(seconds=160)
    for _ in range(2):
        run("export", "run", file, "--once", "--start", start.isoformat(), "--overlap", "1h")
    assert stored(place) == sorted(f"id-{number}" for number in range(101))


def test_backfill_brings_what_came_too_late_and_leaves_the_points(run: Run, source, file, place):  # noqa: F811
    run("export", "run", file, "--once", "--start", "now")
    before = run("export", "status", file, "--format", "json").stdout
    told = run("export", "backfill", file, "--from", (BEGUN - dt.timedelta(days=2)).isoformat(), "--filter", "one").stdout
    wanted = sorted(f"id-{number}" for number in range(COUNT) if number % 2 == 1 and number % 3)
    assert stored(place) == wanted
    assert f"{len(wanted)} rows added" in told
    after = run("export", "status", file, "--format", "json").stdout
    assert positions(before) == positions(after)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("--from", "yesterday"), "--from: 'yesterday' is not an ISO 8601 time"),
        (("--from", "2026-01-02", "--to", "2026-01-02"), "is not before --to"),
        (("--from", "2026-01-02", "--filter", "al"), "did you mean 'all'?"),
    ],
)
def test_backfill_refuses(run: Run, file, options, error):  # noqa: F811
    assert error in run("export", "backfill", file, *options, code=2).stderr


def test_status_before_the_first_round_and_behind(run: Run, file, place):  # noqa: F811
    run("export", "run", file, "--once", "--start", "now", "--page", 10)
    assert "ok" in run("export", "status", file).stdout
    found = run("export", "status", file, "--max-lag", "500ms", "--format", "json", code=1).stdout
    assert not json.loads(found)["is_well"]


def test_a_point_ahead_of_the_clock_is_told(run: Run, file, place):  # noqa: F811
    """Nothing would be read until then, without a word: a machine whose clock was wrong for a moment."""
    run("export", "run", file, "--once")
    moved = "2999-01-01 00:00:00.000000"
    place.run(f"UPDATE {{t}}_sync SET position = '{moved}' WHERE meter = 'meter.1'")
    assert run("export", "run", file, "--once").stderr.count("ahead of this machine's clock") == 2
    assert "AHEAD" in run("export", "status", file, code=1).stdout


def test_status_of_what_never_ran(run: Run, file, place):  # noqa: F811
    place.target()
    found = json.loads(run("export", "status", file, "--format", "json", code=1).stdout)
    assert [(each["filter"], each["meter"], each["position"]) for each in found["meters"]] == [
        ("one", "meter.1", None), ("one", "meter.2", None),
    ]  # fmt: skip


def findings(file: pathlib.Path) -> tuple[int, dict[str, dict[str, str]]]:
    """The exit code and the findings of `check`; servers for tests are not durable, which is left out."""
    done = runner().invoke(root, ["export", "check", str(file), "--format", "json"], prog_name="undercroft")
    found = {each["check"]: each for each in json.loads(done.stdout)}
    return done.exit_code, {name: each for name, each in found.items() if not name.startswith("durability")}


def test_check_finds_all_well_and_what_is_not(file, place):
    place.target()
    _, found = findings(file)
    assert found["[filter:all]"]["found"] == "3 meters"
    assert {each["level"] for each in found.values()} == {"ok"}
    file.write_text(file.read_text().replace("meter.2", "metre.2"))
    code, found = findings(file)
    assert code == 1
    assert found["[filter:one]"]["found"] == "without a sample: metre.2"


def test_an_endpoint_away_is_tried_again_and_then_said(run: Run, place, tmp_path):  # noqa: F811
    endpoint = f"http://127.0.0.1:{free_ports(1)[0]}"
    away = written(tmp_path, endpoint, place, backoff_base="0.01", backoff_max="0.02", retries=2)
    done = run("export", "run", away, "--once", code=75)
    assert done.stderr.count("cannot be reached") == 3
    assert "left to the next round" in done.stderr
    found = {each["check"]: each for each in json.loads(run("export", "check", away, "--format", "json", code=2).stdout)}
    assert "cannot be reached" in found["endpoint"]["found"]


def test_a_filter_that_the_service_refuses_leaves_the_others(run: Run, file, place):  # noqa: F811
    file.write_text(file.read_text().replace("project_id=p1", "colour=red"))
    done = run("export", "run", file, "--once", code=1)
    assert "[filter:one]" in done.stderr
    assert stored(place) == IDS


def test_an_address_that_is_taken(run: Run, file, source):  # noqa: F811
    assert "cannot listen" in run("export", "run", file, "--metrics", source.port, code=2).stderr
    assert "is not PORT" in run("export", "run", file, "--metrics", "nine", code=2).stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_worker_well_and_its_counters_are_served(file, place, number):
    port = free_ports(1)[0]
    command = [sys.executable, "-m", "undercroft.cli.main", "export", "run", str(file), "--interval", "0.2", "--metrics", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=TOP)
    assert process.stderr is not None
    with process.stderr:
        import httpx

        end = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(httpx.TransportError):
                text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE).text
                if 'undercroft_export_samples_stored_total{filter="all",meter="meter.0"} 100.0' in text:
                    break
            assert time.monotonic() < end, process.stderr.read()
            time.sleep(0.05)
        assert "undercroft_export_lag_seconds" in text
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0
        assert "Traceback" not in process.stderr.read()

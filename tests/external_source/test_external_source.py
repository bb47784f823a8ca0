"""The datasource of docs/drivers.md, installed from a package of its own, passes the suite and serves the command line."""

from __future__ import annotations

import json
import pathlib
import time

import pytest

from tests.outside import install, row, run, suite

HERE = pathlib.Path(__file__).parent
STORE = ("--store", "datasources=jsonlines:///{tmp}/samples.jsonl")
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with the driver's package installed, and nothing else."""
    return install(HERE, tmp_path_factory.mktemp("outside"))


def test_it_passes_the_suite(site: pathlib.Path) -> None:
    done = suite(site, *STORE)
    assert done.returncode == 0, done.stdout[-5000:]
    passed, gaps, failed = map(int, row(done.stdout, "datasources", "jsonlines"))
    assert passed > 60
    assert (gaps, failed) == (0, 0)


def test_it_runs_where_no_store_is_named(site: pathlib.Path) -> None:
    done = suite(site, "-k", "test_the_source_is_available")
    assert done.returncode == 0, done.stdout[-5000:]
    assert row(done.stdout, "datasources", "jsonlines") == ["1", "0", "0"]


@pytest.mark.parametrize(
    ("right", "wrong", "test"),
    [
        ("complement=100.0", "complement=99.0", "test_every_meter_over_all_samples_of_the_window"),
        ("after < each.time <= until", "after <= each.time < until", "test_a_sample_at_the_start_is_out_and_one_at_the_end_is_in"),
        ("sorted(points)", "sorted(points)[:1]", "test_cpu_time_over_every_period"),
        ("self._selected(question).items()", "self._points(question).items()", "test_a_thousand_hosts_are_one_call"),
    ],
)
def test_a_mistake_in_it_is_caught(tmp_path: pathlib.Path, right: str, wrong: str, test: str) -> None:
    site = install(HERE, tmp_path)
    module = site / "samples_in_a_file" / "__init__.py"
    assert right in module.read_text()
    module.write_text(module.read_text().replace(right, wrong))
    done = suite(site, *STORE, "-k", test)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout[-5000:]
    assert f"::{test}[jsonlines]" in done.stdout


def test_the_command_line_reads_it(site: pathlib.Path, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "samples.jsonl"
    now = int(time.time() * 1_000_000)
    samples = [
        {"metric": "power.kilowatts", "resource": "c1", "time": now - ago * 1_000_000, "value": kilowatts}
        for ago, kilowatts in ((100, 1.0), (200, 2.0))
    ]
    path.write_text("".join(json.dumps(each) + "\n" for each in samples))
    command = ("undercroft.cli.main", "datasource", "get", "host_power", "c1", "--store", f"jsonlines:///{path}")
    done = run(site, *command, "--format", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert (found["value"], found["unit"], found["samples"]) == (1_500.0, "W", 2)
    path.write_text('{"metric": 1}\n')
    done = run(site, *command[:-1], f"{command[-1]}?query_max_retries=1", cwd=tmp_path)
    assert done.returncode == 1
    assert "has a line that is not a sample: Expected `str`, got `int`" in done.stderr

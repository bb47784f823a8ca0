"""A driver in a package outside this repository's own runs the conformance suite without test code of its own."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with the driver's package installed, and nothing else."""
    folder = tmp_path_factory.mktemp("outside")
    shutil.copytree(HERE / "src", folder / "package" / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HERE / "pyproject.toml", folder / "package")
    uv = pathlib.Path(sys.executable).with_name("uv")
    command = [
        str(uv),
        "pip",
        "install",
        "-q",
        "--offline",
        "--no-deps",
        "--python",
        sys.executable,
        "--target",
        str(folder / "site"),
    ]
    subprocess.run([*command, str(folder / "package")], check=True)
    return folder


def run(installed: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed suite in a folder of its own, as somebody else would."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    environment |= {"PYTHONPATH": str(installed / "site"), "UCTEST_CONFORMANCE": "quick"}
    command = [sys.executable, "-m", "pytest", "--pyargs", "undercroft.conformance", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=installed, env=environment, capture_output=True, text=True, check=False)


def row(output: str, driver: str) -> list[str]:
    """The figures of a driver in the table at the end."""
    found = re.search(rf"^rating +{driver} +(.*)$", output, re.MULTILINE)
    assert found, output
    return found[1].split()


def test_a_driver_from_outside_passes_the_suite(installed: pathlib.Path) -> None:
    assert not list((installed / "site").rglob("*test*"))
    done = run(installed, "--store", "rating=jsonfile:///{tmp}/rating")
    assert done.returncode == 0, done.stdout[-5000:]
    passed, gaps, failed = map(int, row(done.stdout, "jsonfile"))
    assert passed > 250
    assert gaps > 0
    assert failed == 0
    assert "gaps of rating jsonfile: " in done.stdout
    assert "custom_fields (not yet: only sums so far)" in done.stdout
    assert re.search(r"^NOT RUN: .*events sqlite, .*rating boasting, ", done.stdout, re.MULTILINE), "no such store was given"


def test_a_second_store_runs_the_essential_tests(installed: pathlib.Path) -> None:
    stores = ("--store", "rating=jsonfile:///{tmp}/rating", "--second-store", "rating=jsonfile:///{tmp}/second")
    done = run(installed, *stores, "-k", "test_namespaces_share_nothing or test_nothing_to_push or test_no_groupby_is_one_row")
    assert done.returncode == 0, done.stdout[-5000:]
    assert row(done.stdout, "jsonfile") == ["3", "0", "0"]
    assert row(done.stdout, "jsonfile#2") == ["2", "0", "0"]


def test_a_driver_that_declares_all_its_gaps_passes(installed: pathlib.Path) -> None:
    """No test asks for more than its marks say."""
    done = run(installed, "--store", "rating=modest:///{tmp}/rating")
    assert done.returncode == 0, done.stdout[-5000:]
    passed, gaps, failed = map(int, row(done.stdout, "modest"))
    assert passed > 150
    assert gaps > 50
    assert failed == 0


def test_it_runs_where_no_store_is_named(installed: pathlib.Path) -> None:
    """It needs no server, so it is among those that run by themselves."""
    done = run(installed, "-k", "test_init_twice_is_harmless")
    assert done.returncode == 0, done.stdout[-5000:]
    assert row(done.stdout, "jsonfile") == ["1", "0", "0"]


def test_a_driver_that_claims_what_is_not_so_is_caught(installed: pathlib.Path) -> None:
    chosen = "test_aggregates_by_group or test_extremes_follow or test_groups or test_nothing_to_push"
    done = run(installed, "--store", "rating=boasting:///{tmp}/rating", "-k", chosen)
    assert done.returncode == 1, done.stdout[-5000:]
    # It can group by the calendar, and denies it; it cannot aggregate, and claims it.
    assert "declared as a gap, but it works: group_calendar (not yet: of course it can)" in done.stdout
    assert re.search(r"^FAILED .*test_aggregates_by_group\[boasting", done.stdout, re.MULTILINE)
    assert re.search(r"^FAILED .*test_extremes_follow_what_is_deleted_and_replaced\[boasting", done.stdout, re.MULTILINE)
    assert int(row(done.stdout, "boasting")[0]) > 0


@pytest.mark.parametrize(
    ("store", "told"),
    [
        ("sqlite:///x.db", "KIND=URL"),
        ("rating=nothing", "not a store URL"),
        ("rating=jsonfil:///x", "did you mean 'jsonfile'"),
        ("rates=jsonfile:///x", "unknown kind"),
    ],
)
def test_a_store_that_cannot_be_meant(installed: pathlib.Path, store: str, told: str) -> None:
    done = run(installed, "--store", store)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert told in done.stderr

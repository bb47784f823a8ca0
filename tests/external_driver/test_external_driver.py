"""A driver in a package outside this repository's own runs the conformance suite without test code of its own."""

from __future__ import annotations

import pathlib
import re

import pytest

from tests.conftest import WHOLE
from tests.outside import install, row, suite

HERE = pathlib.Path(__file__).parent
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with the driver's package installed, and nothing else."""
    return install(HERE, tmp_path_factory.mktemp("outside"))


def figures(output: str, driver: str) -> list[str]:
    """What the table at the end has of a driver."""
    return row(output, "rating", driver)


def test_a_driver_from_outside_passes_the_suite(installed: pathlib.Path) -> None:
    assert not list(installed.rglob("*test*"))
    done = suite(installed, "--store", "rating=jsonfile:///{tmp}/rating")
    assert done.returncode == 0, done.stdout[-5000:]
    passed, gaps, failed = map(int, figures(done.stdout, "jsonfile"))
    assert passed > 250
    assert gaps > 0
    assert failed == 0
    assert "gaps of rating jsonfile: " in done.stdout
    assert "custom_fields (not yet: only sums so far)" in done.stdout
    assert re.search(r"^NOT RUN: .*events sqlite, .*rating boasting, ", done.stdout, re.MULTILINE), "no such store was given"


def test_a_second_store_runs_the_essential_tests(installed: pathlib.Path) -> None:
    stores = ("--store", "rating=jsonfile:///{tmp}/rating", "--second-store", "rating=jsonfile:///{tmp}/second")
    done = suite(installed, *stores, "-k", "test_namespaces_share_nothing or test_nothing_to_push or test_no_groupby_is_one_row")
    assert done.returncode == 0, done.stdout[-5000:]
    assert figures(done.stdout, "jsonfile") == ["3", "0", "0"]
    assert figures(done.stdout, "jsonfile#2") == ["2", "0", "0"]


def test_a_driver_that_declares_all_its_gaps_passes(installed: pathlib.Path) -> None:
    """No test asks for more than its marks say."""
    # What a crowd or a large store needs, the driver above has shown.
    chosen = () if WHOLE else ("-k", "not test_size and not test_concurrency")
    done = suite(installed, "--store", "rating=modest:///{tmp}/rating", *chosen)
    assert done.returncode == 0, done.stdout[-5000:]
    passed, gaps, failed = map(int, figures(done.stdout, "modest"))
    assert passed > 150
    assert gaps > 50
    assert failed == 0


def test_it_runs_where_no_store_is_named(installed: pathlib.Path) -> None:
    """It needs no server, so it is among those that run by themselves."""
    done = suite(installed, "-k", "test_init_twice_is_harmless")
    assert done.returncode == 0, done.stdout[-5000:]
    assert figures(done.stdout, "jsonfile") == ["1", "0", "0"]


def test_a_driver_that_claims_what_is_not_so_is_caught(installed: pathlib.Path) -> None:
    chosen = "test_aggregates_by_group or test_extremes_follow or test_groups or test_nothing_to_push"
    done = suite(installed, "--store", "rating=boasting:///{tmp}/rating", "-k", chosen)
    assert done.returncode == 1, done.stdout[-5000:]
    # It can group by the calendar, and denies it; it cannot aggregate, and claims it.
    assert "declared as a gap, but it works: group_calendar (not yet: of course it can)" in done.stdout
    assert re.search(r"^FAILED .*test_aggregates_by_group\[boasting", done.stdout, re.MULTILINE)
    assert re.search(r"^FAILED .*test_extremes_follow_what_is_deleted_and_replaced\[boasting", done.stdout, re.MULTILINE)
    assert int(figures(done.stdout, "boasting")[0]) > 0


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
    done = suite(installed, "--store", store)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert told in done.stderr

"""The lowest versions that pyproject.toml allows: they are installed, and the conformance suite passes with them."""

from __future__ import annotations

import concurrent.futures
import importlib.metadata
import pathlib
import re
import tomllib

import pytest
from packaging.requirements import Requirement

from tests.conftest import WHOLE

TOP = pathlib.Path(__file__).parent.parent.parent
LOWER_BOUND = re.compile(r">=\s*([^,\s]+)")


def declared() -> list[Requirement]:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    extras = [each for extra in project["optional-dependencies"].values() for each in extra]
    return [Requirement(each) for each in [*project["dependencies"], *extras]]


def test_lower_bounds_are_what_is_installed(lowest, tmp_path, check_requirements):
    """Otherwise the lock is older than pyproject.toml: make lock."""
    check_requirements(lowest)
    code = "import importlib.metadata as m, sys; print(*(m.version(name) for name in sys.argv[1:]), sep='\\n')"
    requirements = declared()
    done = lowest.run("-c", code, *(each.name for each in requirements), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for requirement, version in zip(requirements, done.stdout.split(), strict=True):
        bound = LOWER_BOUND.search(str(requirement.specifier).replace(",", " "))
        assert bound, requirement
        assert requirement.specifier.contains(version)
        assert version == bound[1] or version.startswith(f"{bound[1]}.0"), f"{requirement.name} {version}, declared {bound[1]}"


def test_newest_versions_are_allowed():
    """The other end: what the development environment has lies within the declared bounds."""
    for requirement in declared():
        assert requirement.specifier.contains(importlib.metadata.version(requirement.name)), requirement


def pytest_in(environment, folder, *arguments) -> str:
    """Run pytest there without this project's settings, which name plugins of the development environment."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    done = environment.run("-m", "pytest", "-q", "--maxfail=10", "-c", folder / "pytest.ini", *arguments, cwd=TOP)
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


def test_conformance_passes(lowest, tmp_path, pytestconfig, monkeypatch):
    # Its random walks are as long as they should be with the locked versions.
    monkeypatch.setenv("UCTEST_CONFORMANCE", "quick")
    given = pytestconfig.getoption("--store")
    assert given, "give --store, or run it by make test-hosts"
    # Another version of a server is no other version of a client; both search engines have one client, and a log has none.
    one_of_each = {store.partition("://")[0]: store for store in reversed(given) if "=es:" not in store and "=log:" not in store}
    kinds: dict[str, list[str]] = {}
    for store in one_of_each.values():
        # The contract is not asked again of every engine, but what its client library does is.
        option = "--store" if WHOLE or "=sqlite:" in store else "--second-store"
        kinds.setdefault(store.partition("=")[0], []).extend((option, store))

    def suite(kind: str) -> str:
        folder = tmp_path / kind
        folder.mkdir()
        return pytest_in(lowest, folder, "--rootdir", folder, "--pyargs", "undercroft.conformance", *kinds[kind])[-2000:]

    with concurrent.futures.ThreadPoolExecutor() as pool:
        print(*pool.map(suite, kinds), sep="\n")


def test_command_line_and_units_pass(lowest, tmp_path):
    # Of the export worker what needs neither an engine nor the service: its own client libraries are asked.
    worker = ("login", "query", "reading_answers", "schedule", "secrets", "settings")
    places = [TOP / "tests" / name for name in ("cli", "demo", "unit")] + [TOP / f"tests/export/test_{name}.py" for name in worker]
    # The mail server of these is a library that only tests need.
    left_out = TOP / "tests/unit/messaging/delivery/test_mail.py"
    pytest_in(lowest, tmp_path, "--rootdir", TOP, "--import-mode=importlib", "-W", "error", f"--ignore={left_out}", *places)


@pytest.mark.parametrize("module", ["undercroft", "undercroft.cli.main", "undercroft.rating"])
def test_modules_import(lowest, tmp_path, module):
    assert lowest.run("-c", f"import {module}", cwd=tmp_path).returncode == 0

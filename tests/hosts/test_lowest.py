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
from tests.hosts.conftest import TOP
from tests.hosts.suites import pytest_in
from undercroft import conformance

CONFORMANCE = pathlib.Path(conformance.__file__).parent
# Parallel runs and the maximum number of modules per run. With one run per kind, the slowest would end long after the others.
AT_ONCE, MODULES = 3, 10
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

    def suite(kind: str, modules: list[str]) -> str:
        folder = tmp_path / kind / modules[0]
        folder.mkdir(parents=True)
        names = [f"undercroft.conformance.{kind}.{module}" for module in modules]
        return pytest_in(lowest, folder, "--rootdir", folder, "--pyargs", *names, *kinds[kind])[-2000:]

    parts = [(kind, modules) for kind in kinds for modules in parts_of(kind)]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        print(*pool.map(suite, *zip(*parts, strict=True)), sep="\n")


def parts_of(kind: str) -> list[list[str]]:
    """Split the modules of a kind's suite into parts for parallel runs."""
    modules = sorted(each.stem for each in (CONFORMANCE / kind).glob("test_*.py"))
    count = -(-len(modules) // MODULES)
    return [modules[first::count] for first in range(count)]


@pytest.mark.parametrize("module", ["undercroft", "undercroft.cli.main", "undercroft.rating"])
def test_modules_import(lowest, tmp_path, module):
    assert lowest.run("-c", f"import {module}", cwd=tmp_path).returncode == 0

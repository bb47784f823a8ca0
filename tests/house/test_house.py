"""What the house promises about itself: light imports, fresh locks without addresses, a page for every list."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOP = pathlib.Path(__file__).parent.parent.parent
LOCKS = ["requirements.txt", "requirements-dev.txt", "tests/hosts/cloudkitty.txt", "tests/hosts/lowest.txt"]
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that are there after `statement`, in a process of its own."""
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("statement", ["import undercroft", "import undercroft.rating", "import undercroft.conformance.plugin"])
def test_import_loads_no_engine_library(statement):
    engines = {"sqlalchemy", "alembic", "psycopg", "pymysql", "sqlite3", "click", "rich", "hypothesis", "falcon"}
    assert loaded_by(statement) & engines == set()


def test_connect_loads_the_engine_of_the_url_and_no_other():
    loaded = loaded_by("import undercroft; undercroft.connect('rating', 'sqlite:///:memory:house').close()")
    assert "sqlite3" in loaded
    assert loaded & {"psycopg", "pymysql"} == set()


@pytest.mark.parametrize("name", LOCKS)
def test_lock_has_hashes_and_no_address(name):
    text = (TOP / name).read_text()
    assert "://" not in text
    pinned = re.findall(r"^[a-z0-9][\w.-]*==\S+.*$", text, re.MULTILINE)
    assert pinned
    assert all(each.endswith("\\") for each in pinned), "each version is followed by its hashes"
    assert not re.search(r"^--(index|extra|find)", text, re.MULTILINE)


def pinned(name: str) -> dict[str, str]:
    lines = re.findall(r"^([A-Za-z0-9][\w.-]*)==(\S+)", (TOP / name).read_text(), re.MULTILINE)
    return {canonicalize_name(package): version for package, version in lines}


@pytest.mark.parametrize("name", LOCKS)
def test_lock_fits_what_is_declared(name):
    """A dependency that came or whose bounds moved: make lock."""
    declared = list(PROJECT["project"]["dependencies"])
    if name in {"requirements-dev.txt", "tests/hosts/lowest.txt"}:
        declared += [each for extra in PROJECT["project"]["optional-dependencies"].values() for each in extra]
    if name == "requirements-dev.txt":
        declared += PROJECT["dependency-groups"]["dev"]
    found = pinned(name)
    for requirement in map(Requirement, declared):
        assert canonicalize_name(requirement.name) in found, requirement
        assert requirement.specifier.contains(found[canonicalize_name(requirement.name)]), requirement


def test_base_and_development_agree_on_versions():
    development = pinned("requirements-dev.txt")
    assert {name: development.get(name) for name in pinned("requirements.txt")} == pinned("requirements.txt")


def test_make_alone_lists_every_target():
    makefile = (TOP / "Makefile").read_text()
    parts_of_others = {"distclean", "lint", "types", "layers", "unused", "fresh"}
    targets = set(re.findall(r"^\.PHONY: (\S+)$", makefile, re.MULTILINE)) - parts_of_others
    listed = subprocess.run(["make", "--no-print-directory"], cwd=TOP, capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in listed.splitlines()} == targets
    assert {"demo", "test", "check", "test-hosts", "bench-rating", "chaos", "docs", "servers", "clean"} <= targets


def test_ci_runs_the_three_gates():
    steps = re.findall(r"^step (.+)$", (TOP / ".ci/run").read_text(), re.MULTILINE)
    assert steps == ["make check", "env ENGINES=all make test", "env ENGINES=all make test-hosts"]
    assert (TOP / ".ci/run").stat().st_mode & 0o111


def test_every_engine_has_its_script():
    for name, row in tomllib.loads((TOP / "servers.toml").read_text()).items():
        assert ("start" in row) != ("url" in row), name
        if "start" in row:
            assert (TOP / "tests/engines" / row["start"]).stat().st_mode & 0o111, name

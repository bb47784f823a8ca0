"""Tests about the conformance suite: no test without a clause, no clause without a test, no engine named, an oracle of its own."""

from __future__ import annotations

import ast
import importlib
import inspect
import pathlib
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import undercroft.conformance
from undercroft.conformance.plugin import Target, kind_of
from undercroft.core import registry
from undercroft.rating import BaseStorage, Capabilities

HERE = pathlib.Path(undercroft.conformance.__file__).parent
SUITES = sorted(HERE.rglob("test_*.py"))
# Of issues to come, too: what a test must not name is any engine.
ENGINES = {
    "sqlite", "postgres", "postgresql", "psycopg", "mariadb", "mysql", "mongo", "mongodb", "opensearch", "elasticsearch", "redis",
    "valkey", "clickhouse", "chdb", "duckdb", "influxdb",
}  # fmt: skip


def functions() -> Iterator[tuple[str, Any]]:
    """Every test of the suites, with its name."""
    for path in SUITES:
        module = importlib.import_module(f"undercroft.conformance.{path.stem}")
        for name, value in vars(module).items():
            if name.startswith("test_") and value.__module__ == module.__name__:
                yield f"{path.stem}::{name}", value


def marked(test: Any, mark: str) -> set[str]:
    return {name for found in getattr(test, "pytestmark", []) if found.name == mark for name in found.args}


def clauses() -> list[str]:
    """The clauses in the contract's docstrings, in the order of the text."""
    return re.findall(r"^ +(R\d+) ", inspect.getsource(BaseStorage), re.MULTILINE)


def imports(path: pathlib.Path) -> set[str]:
    """Modules that a file imports when it is loaded, and not only for the type checker."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module))
    return found


def test_the_contract_numbers_its_clauses() -> None:
    found = clauses()
    assert len(found) >= 24
    assert sorted(found, key=lambda name: int(name[1:])) == [f"R{number}" for number in range(1, len(found) + 1)]


def test_every_test_names_clauses_that_exist() -> None:
    wrong = {
        name: marked(test, "clause")
        for name, test in functions()
        if not marked(test, "clause") or marked(test, "clause") - set(clauses())
    }
    assert wrong == {}


def test_every_clause_has_a_test() -> None:
    assert set(clauses()) - {clause for _, test in functions() for clause in marked(test, "clause")} == set()


def test_capabilities_are_known_and_each_is_asked_for() -> None:
    asked = {name for _, test in functions() for mark in ("needs", "assumes") for name in marked(test, mark)}
    assert asked == set(vars(Capabilities.full()))


@pytest.mark.parametrize("path", sorted(HERE.rglob("*.py")), ids=lambda path: path.name)
def test_no_engine_is_named(path: pathlib.Path) -> None:
    names = ENGINES | {scheme for kind in registry.kinds() for scheme in registry.schemes(kind)}
    text = path.read_text().lower()
    assert {name for name in names if re.search(rf"(?<![a-z]){re.escape(name)}", text)} == set()


def test_the_oracle_shares_no_code_with_the_product() -> None:
    found = imports(HERE / "rating_oracle.py")
    assert {name.partition(".")[0] for name in found} <= sys.stdlib_module_names


def test_the_plugin_loads_nothing_but_pytest() -> None:
    found = imports(HERE / "plugin.py")
    assert {name.partition(".")[0] for name in found} - sys.stdlib_module_names == {"pytest"}


def test_no_test_is_passed_over_by_itself() -> None:
    """Only the plugin turns a test into a gap, and only for what a driver declares."""
    for path in SUITES:
        assert not re.search(r"pytest\.(skip|xfail|importorskip)|mark\.(skip|skipif|xfail)", path.read_text()), path.name


@pytest.mark.parametrize(
    ("name", "kind"), [("test_rating_push.py", "rating"), ("test_events.py", "events"), ("messaging/test_claim.py", "messaging")]
)
def test_a_file_is_about_a_kind(name: str, kind: str) -> None:
    assert kind_of(HERE / name) == kind


def test_a_store_is_shown_without_its_password() -> None:
    target = Target("rating", "some", "some://user:secret@host:1/name?x=secret")
    assert "secret" not in repr(target)
    assert target.host == "host"
    assert Target("rating", "some", "some:///{tmp}/x").host is None

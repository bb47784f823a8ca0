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
from undercroft.core import kinds, registry
from undercroft.datasources import DataSourceBase
from undercroft.events import Capabilities as EventCapabilities
from undercroft.events import Store as EventStore
from undercroft.messaging import (
    CatalogueBase,
    Claim,
    DataDriverBase,
    Features,
    FlavorsBase,
    Message,
    Outbox,
    PoolsBase,
    Queue,
    Subscription,
    Topic,
)
from undercroft.metering import Capabilities as SampleCapabilities
from undercroft.metering import Store as SampleStore
from undercroft.rating import BaseStorage
from undercroft.rating import Capabilities as RatingCapabilities

HERE = pathlib.Path(undercroft.conformance.__file__).parent
SUITES = sorted(HERE.rglob("test_*.py"))
# Of issues to come, too: what a test must not name is any engine.
ENGINES = {
    "sqlite", "postgres", "postgresql", "psycopg", "mariadb", "mysql", "mongo", "mongodb", "opensearch", "elasticsearch", "redis",
    "valkey", "clickhouse", "chdb", "duckdb", "influxdb",
}  # fmt: skip


# The contract of each kind, the letters of its clauses, and what a driver may lack.
CONTRACTS: dict[str, tuple[Any, str, Any]] = {
    "rating": (BaseStorage, "R", RatingCapabilities),
    "events": (EventStore, "E", EventCapabilities),
    "metering": (SampleStore, "M", SampleCapabilities),
    # One of several classes: a driver has controllers.
    "messaging": (
        (DataDriverBase, Queue, Topic, Message, Claim, Subscription, Outbox, PoolsBase, FlavorsBase, CatalogueBase),
        "QOP",
        Features,
    ),
    # Sources are only read: what one cannot do is among the answers that the contract names.
    "datasources": (DataSourceBase, "S", None),
}
STORING = [kind for kind, (_, _, capabilities) in CONTRACTS.items() if capabilities is not None]
# Clauses of a contract, at least.
CLAUSES = {"datasources": 13}
each_kind = pytest.mark.parametrize("kind", CONTRACTS)


def functions(kind: str) -> Iterator[tuple[str, Any]]:
    """Every test of a kind's suite, with its name."""
    for path in (path for path in SUITES if kind_of(path) == kind):
        module = importlib.import_module(f"undercroft.conformance.{kind}.{path.stem}")
        for name, value in vars(module).items():
            if name.startswith("test_") and value.__module__ == module.__name__:
                yield f"{path.stem}::{name}", value


def marks_of(test: Any) -> list[Any]:
    """The marks of a test and of its module."""
    module = getattr(sys.modules[test.__module__], "pytestmark", [])
    return [*(module if isinstance(module, list) else [module]), *getattr(test, "pytestmark", [])]


def marked(test: Any, mark: str) -> set[str]:
    """What a test, or its module, is marked with."""
    return {name for found in marks_of(test) if found.name == mark for name in found.args}


def clauses(kind: str) -> list[str]:
    """The clauses in the contract's docstrings, in the order of the text."""
    contract, letters, _ = CONTRACTS[kind]
    classes = contract if isinstance(contract, tuple) else (contract,)
    return [name for each in classes for name in re.findall(rf"^ +([{letters}]\d+) ", inspect.getsource(each), re.MULTILINE)]


def imports(path: pathlib.Path) -> set[str]:
    """Modules that a file imports when it is loaded, and not only for the type checker."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module))
    return found


def test_every_suite_is_about_a_contract() -> None:
    assert {kind_of(path) for path in SUITES} == CONTRACTS.keys() == set(registry.kinds())


@each_kind
def test_the_contract_numbers_its_clauses(kind: str) -> None:
    found, letters = clauses(kind), CONTRACTS[kind][1]
    assert len(found) >= CLAUSES.get(kind, 20)
    for letter in letters:
        own = sorted(int(name[1:]) for name in found if name[0] == letter)
        assert own == list(range(1, len(own) + 1))
        assert own


@each_kind
def test_every_test_names_clauses_that_exist(kind: str) -> None:
    wrong = {
        name: marked(test, "clause")
        for name, test in functions(kind)
        if not marked(test, "clause") or marked(test, "clause") - set(clauses(kind))
    }
    assert wrong == {}


@each_kind
def test_every_clause_has_a_test(kind: str) -> None:
    assert set(clauses(kind)) - {clause for _, test in functions(kind) for clause in marked(test, "clause")} == set()


@pytest.mark.parametrize("kind", STORING)
def test_capabilities_are_known_and_each_is_asked_for(kind: str) -> None:
    asked = {name for _, test in functions(kind) for mark in ("needs", "assumes") for name in marked(test, mark)}
    assert asked == set(vars(CONTRACTS[kind][2].full()))


@pytest.mark.parametrize(
    ("kind", "writes"), [("rating", "push"), ("events", "record"), ("metering", "record"), ("messaging", "post")]
)
def test_second_stores_run_contract_writes_concurrency_and_walks(kind: str, writes: str) -> None:
    found = {name.partition("::")[0] for name, test in functions(kind) if any(mark.name == "essential" for mark in marks_of(test))}
    assert found == {f"test_{part}" for part in ("contract", writes, "concurrency", "state_machine")}


# What writes to one backend names it; tests do not.
SHARED = sorted(path for path in HERE.rglob("*.py") if "feeders" not in path.parts)


@pytest.mark.parametrize("path", SHARED, ids=lambda path: str(path.relative_to(HERE)))
def test_no_engine_is_named(path: pathlib.Path) -> None:
    # The backends of sources are programs that tests of samples mention.
    named = registry.kinds() if "datasources" in path.parts else STORING
    names = ENGINES | {scheme for kind in named for scheme in registry.schemes(kind)}
    text = path.read_text().lower()
    # A short name is an English word, or a part of one, too: only as a scheme or as text of its own is it an engine's.
    forms = {name: rf"(?<![a-z]){re.escape(name)}" if len(name) > 3 else rf"(?<![a-z]){name}://|['\"]{name}['\"]" for name in names}
    assert {name for name, form in forms.items() if re.search(form, text)} == set()


@each_kind
def test_the_oracle_shares_no_code_with_the_product(kind: str) -> None:
    found = imports(HERE / kind / "oracle.py")
    assert {name.partition(".")[0] for name in found} <= sys.stdlib_module_names


def test_the_plugin_loads_nothing_but_pytest() -> None:
    found = imports(HERE / "plugin.py")
    assert {name.partition(".")[0] for name in found} - sys.stdlib_module_names == {"pytest"}


def test_no_test_is_passed_over_by_itself() -> None:
    """Only the plugin turns a test into a gap, and only for what a driver declares."""
    for path in SUITES:
        assert not re.search(r"pytest\.(skip|xfail|importorskip)|mark\.(skip|skipif|xfail)", path.read_text()), path.name


@pytest.mark.parametrize("kind", kinds.installed())
def test_a_file_in_the_package_of_a_suite_is_about_its_kind(kind: str) -> None:
    assert kind_of(HERE / kind / "test_anything.py") == kind


@pytest.mark.parametrize("path", [HERE / "test_anything.py", pathlib.Path(__file__), pathlib.Path("/elsewhere/test_rating.py")])
def test_a_file_outside_the_suites_is_about_no_kind(path: pathlib.Path) -> None:
    assert kind_of(path) is None


def test_kinds_use_the_same_names_for_the_same_things() -> None:
    files = {"__init__.py", "data.py", "oracle.py", "state_machine.py", "workers.py"}
    for kind in STORING:
        assert {path.name for path in (HERE / kind).glob("*.py") if not path.name.startswith("test_")} == files


def test_a_store_is_shown_without_its_password() -> None:
    target = Target("rating", "some", "some://user:secret@host:1/name?x=secret")
    assert "secret" not in repr(target)
    assert target.host == "host"
    assert Target("rating", "some", "some:///{tmp}/x").host is None

"""Targets of the export worker. Tests that ask for `place` run once for each SQL engine of the run, each on tables of its own.

Other folders take them by `from tests.export.conftest import place, pytest_generate_tests, target_url`.
"""

from __future__ import annotations

import pathlib
import uuid
from collections.abc import Iterator

import pytest

from tests.conftest import sample, stores
from tests.export.places import Place
from undercroft.conformance.plugin import Target as Store

# The kind whose stores are targets as well: each is in an SQL engine.
KIND = "metering"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "target_engine" in metafunc.fixturenames:
        nothing = pytest.param(None, marks=pytest.mark.skip(reason="NOT RUN: no engine of this run can be a target"))
        found = sample(metafunc.definition, stores(metafunc.config, KIND))
        metafunc.parametrize("target_engine", [pytest.param(one, id=one.driver) for one in found] or [nothing], scope="module")


@pytest.fixture
def target_url(target_engine: Store, tmp_path: pathlib.Path) -> str:
    """The database of the test; other tests may use it, too."""
    return target_engine.url.replace("{tmp}", str(tmp_path))


@pytest.fixture
def place(target_url: str) -> Iterator[Place]:
    """The database, and the name of a table that nobody else uses; it is dropped, with what belongs to it, at the end."""
    found = Place(target_url, f"t{uuid.uuid4().hex[:12]}")
    yield found
    found.clear()

"""Stores of the servers that a module is about: those whose URLs begin as its SCHEMES say."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from tests.conftest import opener_of, stores
from undercroft.conformance.plugin import Target
from undercroft.messaging import DataDriverBase


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" not in metafunc.fixturenames:
        return
    schemes = metafunc.module.SCHEMES
    found = [store for store in stores(metafunc.config, "messaging") if store.url.startswith(schemes)]
    nothing = pytest.mark.skip(reason=f"NOT RUN: none of this run's engines is spoken to by {' or '.join(schemes)}")
    metafunc.parametrize("server", [pytest.param(store, id=store.driver) for store in found] or [pytest.param(None, marks=nothing)])


@pytest.fixture
def store(server: Target, tmp_path: pathlib.Path) -> Iterator[DataDriverBase]:
    """A store on a namespace of its own, on each of the servers."""
    opener = opener_of(server, tmp_path)
    yield opener()
    opener.clear()

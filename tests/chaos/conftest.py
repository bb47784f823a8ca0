"""Every test here is marked `chaos`; how much it does depends on UCTEST_CHAOS."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from tests.chaos import servers
from tests.chaos.servers import Server
from tests.chaos.workloads import WORKLOADS
from tests.conftest import WHOLE, first_of_each, kinds_of

HERE = pathlib.Path(__file__).parent
T = TypeVar("T")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.chaos)


@pytest.fixture
def figure() -> Callable[[T, T], T]:
    """`figure(ci, full)`: the smallest figure at which the twins fail with certainty, or that of `make chaos`."""
    full = os.environ.get("UCTEST_CHAOS") == "full"
    return lambda ci, at_full: at_full if full else ci


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    nothing = pytest.mark.skip(reason="NOT RUN: none of this run's engines is such a server")
    for fixture in {"durable", "fast"} & set(metafunc.fixturenames):
        if "kind" in metafunc.fixturenames:
            pairs = [(kind, name) for kind in WORKLOADS for name in servers.names(kind)]
            if fixture == "fast" and not WHOLE:
                pairs = first_of_each(pairs, lambda pair: pair[0])
            pairs.sort(key=lambda pair: pair[1])
            given = [pytest.param(*pair, id="-".join(pair)) for pair in pairs] or [pytest.param("", "", marks=nothing)]
            metafunc.parametrize(("kind", fixture), given, indirect=[fixture], scope="module")
        else:
            (kind,) = kinds_of(metafunc.definition)
            metafunc.parametrize(fixture, servers.names(kind) or [pytest.param("", marks=nothing)], indirect=True, scope="module")


@pytest.fixture(scope="module")
def durable(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server whose commits are durable."""
    with servers.own(request.param, durable=True) as found:
        yield found


@pytest.fixture(scope="module")
def fast(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server whose commits are not."""
    with servers.own(request.param, durable=False) as found:
        yield found

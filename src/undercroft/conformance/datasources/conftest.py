"""Fixtures of the suite: the world is fed to each backend once per process, and a source is opened for each test."""

from __future__ import annotations

import contextlib
import datetime as dt
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import undercroft
from undercroft.conformance.clock import now
from undercroft.conformance.datasources import data
from undercroft.conformance.datasources.asking import Asked
from undercroft.conformance.datasources.data import World
from undercroft.conformance.datasources.feeding import feeder
from undercroft.conformance.plugin import Target, kind_of, targets
from undercroft.core import time
from undercroft.datasources import DataSourceBase

Fed = Callable[[Target], tuple[str, World]]


@pytest.fixture(scope="session")
def fed(tmp_path_factory: pytest.TempPathFactory) -> Fed:
    """The URL of a backend that has the world, and this world."""
    found: dict[Target, str] = {}
    # One for all backends, so that their answers can be compared.
    shared = data.make(time.now().replace(second=0, microsecond=0) - dt.timedelta(minutes=1))

    def give(target: Target) -> tuple[str, World]:
        if target not in found:
            folder = tmp_path_factory.mktemp("source")
            url = target.url.replace("{tmp}", str(folder)).replace("{name}", f"t{uuid.uuid4().hex[:16]}")
            with contextlib.closing(feeder(url)) as writer:
                writer.feed(list(shared.series.values()))
            found[target] = url
        return found[target], shared

    return give


@pytest.fixture
def world(target: Target, fed: Fed) -> Iterator[World]:
    """What the backend was fed with; the clock stands at its `now`."""
    found = fed(target)[1]
    with now(found.now):
        yield found


@pytest.fixture
def url(target: Target, fed: Fed) -> str:
    """The backend's URL."""
    return fed(target)[0]


@pytest.fixture
def source(url: str, world: World) -> Iterator[DataSourceBase]:
    """A source of the backend."""
    with contextlib.closing(undercroft.connect("datasources", url)) as found:
        yield found


@pytest.fixture
def ask(source: DataSourceBase, world: World) -> Asked:
    """Asks the source and the oracle the same."""
    return Asked(source, world)


@pytest.fixture
def all_asked(request: pytest.FixtureRequest, fed: Fed) -> Iterator[list[Asked]]:
    """One for every first backend of the run: they were fed with the same world."""
    known: list[Any] = [one for one in targets(request.config).get(kind_of(request.node.path) or "", []) if not one.second]
    with contextlib.ExitStack() as stack:
        made = []
        for target in known:
            where, found = fed(target)
            made.append(Asked(stack.enter_context(contextlib.closing(undercroft.connect(target.kind, where))), found))
        stack.enter_context(now(made[0].world.now))
        yield made

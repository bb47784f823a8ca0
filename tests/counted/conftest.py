"""A filled store per engine for the tests that count; UCTEST_COUNTED says of how many points."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import opener_of
from tests.counted.tally import Tally, tally
from tests.counted.usage import fill
from undercroft.conformance.plugin import Opener, Target
from undercroft.rating import BaseStorage


@dataclasses.dataclass
class Filled:
    """A store with usage.

    Attributes:
        points: how many.
        periods: in how many periods; each has a point of every resource.
    """

    opener: Opener
    points: int
    periods: int

    @contextlib.contextmanager
    def fresh(self) -> Iterator[BaseStorage]:
        """A store object that knows nothing yet, on a connection of its own."""
        store: Any = self.opener(init=False)
        try:
            yield store
        finally:
            self.opener.opened.remove(store)
            store.close()

    def count(self, method: str, *arguments: Any, **named: Any) -> tuple[Any, Tally]:
        """The answer of a method of a fresh store, and what it exchanged with the engine."""
        with tally() as counted, self.fresh() as store:
            answer = getattr(store, method)(*arguments, **named)
            if isinstance(answer, Iterator):
                answer = list(answer)
        return answer, counted


def points() -> int:
    """How many points a filled store has."""
    full = os.environ.get("UCTEST_CHAOS") == "full"
    return int(os.environ.get("UCTEST_COUNTED") or (1_000_000 if full else 100_000))


@pytest.fixture(scope="module")
def filled(engine: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    opener = opener_of(engine, tmp_path_factory.mktemp("filled"))
    periods = fill(opener(), points())
    yield Filled(opener, points(), periods)
    opener.clear()

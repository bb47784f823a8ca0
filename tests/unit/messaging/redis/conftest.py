"""Stores on a real server of the tests' own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests.unit.engines.redis.conftest import started, url
from undercroft.messaging.drivers.redis import DataDriver

__all__ = ["started", "url"]


@pytest.fixture
def connect(url: str) -> Iterator[Callable[[], DataDriver]]:
    """Opens stores; the server is emptied at the end."""
    with contextlib.ExitStack() as opened:

        def at() -> DataDriver:
            found = DataDriver.open(url)
            opened.callback(found.close)
            return found

        opened.callback(lambda: at().store.redis.command(None, "FLUSHALL", writes=True))
        yield at


@pytest.fixture
def store(connect: Callable[[], DataDriver]) -> DataDriver:
    return connect()


def commands(store: DataDriver, name: str) -> int:
    """How often the server has run a command, within scripts too; "" for all but those that ask this."""
    found = store.store.redis.command(None, "INFO", "commandstats").decode()
    calls = [line.removeprefix("cmdstat_").partition(":calls=")[::2] for line in found.splitlines() if line.startswith("cmdstat_")]
    asking = {"info", "evalsha", "time", "config|resetstat"}
    return sum(int(rest.partition(",")[0]) for each, rest in calls if (each == name if name else each not in asking))

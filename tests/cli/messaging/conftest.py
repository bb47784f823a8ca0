"""A store of messages in a file, and the commands on it."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Callable, Iterator

import click.testing
import pytest

import undercroft
from tests.cli.conftest import Run
from undercroft.core import settings

Command = Callable[..., click.testing.Result]


@pytest.fixture
def place(tmp_path: pathlib.Path) -> str:
    """The URL of an empty store."""
    url = f"sqlite:///{tmp_path}/messaging.db"
    with contextlib.closing(undercroft.connect("messaging", url)) as store:
        store.init()
    return url


@pytest.fixture
def queue(run: Run, place: str) -> Command:
    """Run `undercroft queue COMMAND` on the store."""
    return _group("queue", run, place)


@pytest.fixture
def pool(run: Run, place: str) -> Command:
    """Run `undercroft pool COMMAND` on the store."""
    return _group("pool", run, place)


@pytest.fixture
def flavor(run: Run, place: str) -> Command:
    """Run `undercroft flavor COMMAND` on the store."""
    return _group("flavor", run, place)


def _group(name: str, run: Run, place: str) -> Command:
    def call(command: str, *arguments: object, code: int = 0, stdin: bytes | str | None = None) -> click.testing.Result:
        return run(name, command, "--store", place, *arguments, code=code, stdin=stdin)

    return call


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Set options of [messaging]."""

    def call(**options: object) -> None:
        for name, value in options.items():
            monkeypatch.setenv(f"UNDERCROFT_MESSAGING__{name.upper()}", str(value))
        settings.current.cache_clear()

    yield call
    monkeypatch.undo()
    settings.current.cache_clear()

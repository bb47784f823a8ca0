"""The command line on a real SQLite file."""

from __future__ import annotations

import datetime as dt
import inspect
import pathlib
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import click.testing
import msgspec
import pytest

import undercroft
from tests.conftest import kinds_of
from undercroft.cli.main import root
from undercroft.conformance.clock import now
from undercroft.core import settings
from undercroft.rating import BaseStorage, DataFrame, DataPoint

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def runner() -> click.testing.CliRunner:
    """A runner that keeps stdout and stderr apart, which click before 8.2 has to be told."""
    apart = {"mix_stderr": False} if "mix_stderr" in inspect.signature(click.testing.CliRunner).parameters else {}
    return click.testing.CliRunner(**apart)  # type: ignore[arg-type]


Run = Callable[..., click.testing.Result]


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    from undercroft.core import kinds

    monkeypatch.delenv("UNDERCROFT_CONFIG", raising=False)
    for kind in kinds.installed():
        monkeypatch.delenv(f"UNDERCROFT_{kind.upper()}__CONNECTION", raising=False)
    settings.current.cache_clear()


@pytest.fixture
def run() -> Run:
    """Run `undercroft` with these arguments; fails unless it ends with `code`."""

    def call(*arguments: object, code: int = 0, stdin: bytes | str | None = None) -> click.testing.Result:
        result = runner().invoke(root, [str(argument) for argument in arguments], input=stdin, prog_name="undercroft")
        assert result.exit_code == code, f"{result.exit_code}: {result.stderr}{result.stdout}"
        return result

    return call


@pytest.fixture
def examined(run: Run, request: pytest.FixtureRequest) -> Callable[..., dict[str, dict[str, str]]]:
    """What `undercroft doctor` finds in a store of the test's kind, by check."""
    (kind,) = kinds_of(request.node)

    def call(url: str, *more: str, code: int = 0) -> dict[str, dict[str, str]]:
        done = run("doctor", "--kind", kind, "--store", url, *more, "--format", "json", code=code)
        return {one["check"]: one for one in msgspec.json.decode(done.stdout)}

    return call


@pytest.fixture
def an_hour(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the test's kind stores is kept for an hour."""
    (kind,) = kinds_of(request.node)
    monkeypatch.setenv(f"UNDERCROFT_{kind.upper()}__TIME_TO_LIVE", "1h")
    settings.current.cache_clear()
    yield
    monkeypatch.undo()
    settings.current.cache_clear()


@pytest.fixture
def later() -> Iterator[None]:
    """It is an hour after five minutes and a half of START."""
    with now(START + dt.timedelta(hours=1, minutes=5, seconds=30)):
        yield
    settings.current.cache_clear()


@pytest.fixture
def url(tmp_path: pathlib.Path) -> str:
    """A store with its tables."""
    url = f"sqlite:///{tmp_path}/rating.db"
    with_tables = undercroft.connect("rating", url)
    with_tables.init()
    with_tables.close()
    return url


@pytest.fixture
def storage(url: str) -> Iterator[BaseStorage]:
    """The store, opened beside the command line."""
    opened = undercroft.connect("rating", url)
    yield opened
    opened.close()


@pytest.fixture
def frame() -> Callable[..., DataFrame]:
    """Make a frame of the hour `hour` with a cpu point for each of `ids`."""

    def make(hour: int, *ids: str, qty: Any = "1.5", price: Any = "0.25", **attributes: Any) -> DataFrame:
        start = START + dt.timedelta(hours=hour)
        points = [DataPoint("h", Decimal(qty), Decimal(price), {"id": id_, **attributes}, {"name": f"n-{id_}"}) for id_ in ids]
        return DataFrame(start, start + dt.timedelta(hours=1), {"cpu": points})

    return make


@pytest.fixture
def jsonl(tmp_path: pathlib.Path) -> Callable[..., pathlib.Path]:
    """Write frames, or lines of text, to a file of JSON lines."""

    def write(*lines: DataFrame | str, name: str = "usage.jsonl") -> pathlib.Path:
        path = tmp_path / name
        path.write_text("".join((line if isinstance(line, str) else line.json()) + "\n" for line in lines), "utf-8")
        return path

    return write


@pytest.fixture
def stored(storage: BaseStorage) -> Callable[[], list[DataFrame]]:
    """What the store holds of the year 2026."""

    def read() -> list[DataFrame]:
        found = storage.retrieve(dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2027, 1, 1, tzinfo=dt.UTC), paginate=False)
        frames: list[DataFrame] = found["dataframes"]
        return frames

    return read

"""Services on real stores. Tests that ask for `service` run once for each store of the run."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from tests.api.service import TOKENS, Service, serving
from tests.conftest import opener_of, url_of
from undercroft.conformance.plugin import Opener, Target

T = TypeVar("T")


@pytest.fixture(scope="module")
def place(engine: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opener]:
    """A namespace of the module's own, with its tables."""
    opener = opener_of(engine, tmp_path_factory.mktemp("store"))
    opener()
    yield opener
    opener.clear()


@pytest.fixture
def figure() -> Callable[[T, T], T]:
    """`figure(ci, full)`: the smallest figure at which the twins fail with certainty, or that of `make chaos`."""
    full = os.environ.get("UCTEST_CHAOS") == "full"
    return lambda ci, at_full: at_full if full else ci


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A file of tokens."""
    file = tmp_path_factory.mktemp("tokens") / "tokens"
    file.write_text(TOKENS)
    return file


@contextlib.contextmanager
def beside(place: Opener, kind: str) -> Iterator[Opener]:
    """A store of another kind in the same database."""
    opener = Opener(Target(kind, place.target.driver, place.target.url), place.url, place.namespace)
    opener()
    yield opener
    opener.clear()


@pytest.fixture(scope="module")
def event_place(place: Opener) -> Iterator[Opener]:
    """A store of events."""
    with beside(place, "events") as opener:
        yield opener


@pytest.fixture(scope="module")
def metering_place(place: Opener) -> Iterator[Opener]:
    """A store of samples."""
    with beside(place, "metering") as opener:
        yield opener


@pytest.fixture(scope="module")
def messaging_place(place: Opener) -> Iterator[Opener]:
    """A store of messages."""
    with beside(place, "messaging") as opener:
        yield opener


@pytest.fixture(scope="module")
def others(event_place: Opener, metering_place: Opener, messaging_place: Opener) -> dict[str, Any]:
    """The stores beside that of rated usage, as `serving` takes them, with all that makes routes be there."""
    urls = {"events": url_of(event_place), "metering": url_of(metering_place), "messaging": url_of(messaging_place)}
    return urls | {"messaging_settings": {"admin_mode": "true", "pooling": "true", "enable_virtual_pool": "true"}}


@pytest.fixture(scope="module")
def service(place: Opener, others: dict[str, Any], tokens: pathlib.Path) -> Iterator[Service]:
    """A service of all kinds, with tokens."""
    with serving(url_of(place), auth="tokens", token_file=tokens, **others) as found:
        yield found


@pytest.fixture
def empty(service: Service, place: Opener) -> Service:
    """The service, with nothing stored."""
    place.opened[0].delete()
    return service

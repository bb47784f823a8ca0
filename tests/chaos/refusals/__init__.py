"""Ways in which an engine refuses what is written to it, none of them for an item's values; one module a family of engines.

Each way is a context manager. It gets an opener whose tables are there, and gives a `Refusal`: the URL to write to, and how to let
the engine refuse, and take things again. What engines say for it holds the word of `TOLD`, which no caller of a service may read.
"""

from __future__ import annotations

import contextlib
import importlib
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import pytest

from undercroft.conformance.plugin import Opener

TOLD = "canary-of-the-engine"


class Refusal(NamedTuple):
    """An engine that can be made to refuse.

    Attributes:
        url: of the store, with its namespace.
        begin: from now on it refuses.
        end: from now on it does not.
        in_service: whether a process that has the store open already meets it, too.
    """

    url: str
    begin: Callable[[], object]
    end: Callable[[], object]
    in_service: bool = True


Way = Callable[[Opener], contextlib.AbstractContextManager[Refusal]]
_MODULES = {"opensearch": "search", "es": "elasticsearch"}


def ways(opener: Opener) -> Mapping[str, Way]:
    """The ways of an opener's engine, by name."""
    name = _MODULES.get(opener.target.driver, opener.target.driver)
    if name == "pooled":
        pytest.skip("NOT RUN: pools refuse as the engines that they are")
    found: Mapping[str, Way] = importlib.import_module(f"{__name__}.{name}").WAYS
    return found


@contextlib.contextmanager
def prepared(opener: Opener) -> Iterator[dict[str, Refusal]]:
    """All the ways of an opener's engine, whose tables are there, by name."""
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(way(opener)) for name, way in ways(opener).items()}


@contextlib.contextmanager
def refusing(way: Refusal) -> Iterator[None]:
    """The block, while the engine refuses."""
    way.begin()
    try:
        yield
    finally:
        way.end()


def named(opener: Opener, url: str | None = None, **options: str) -> str:
    """The URL of the opener's namespace, of another place or user where one is given."""
    base = url or opener.url
    query = urllib.parse.urlencode({"namespace": opener.namespace, **options})
    return f"{base}{'&' if '?' in base else '?'}{query}"


def as_user(opener: Opener, user: str) -> str:
    """The same URL for another user."""
    parts = urllib.parse.urlsplit(opener.url)
    return parts._replace(netloc=f"{user}@{parts.hostname}:{parts.port}").geturl()

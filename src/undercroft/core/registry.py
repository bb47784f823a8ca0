"""Drivers are found by entry point: group `undercroft.<kind>`, name = URL scheme. Nothing else knows which drivers exist."""

from __future__ import annotations

import functools
import importlib.metadata
from typing import Any

from undercroft.core import url as urls
from undercroft.core.errors import ConfigInvalid

GROUP = "undercroft."

# Other names of a scheme, as host projects write them, or clients for TLS.
SYNONYMS = {"mysql": "mariadb", "rediss": "redis"}
# Schemes whose client library comes with an extra of another name.
_EXTRAS = {**SYNONYMS, "es": "opensearch"}


@functools.cache
def _installed() -> importlib.metadata.EntryPoints:
    """Every entry point of the environment. Finding them reads the metadata of all packages, which a process does once."""
    found: importlib.metadata.EntryPoints = importlib.metadata.entry_points()  # type: ignore[assignment]  # of Python 3.9
    return found


def entries(group: str) -> importlib.metadata.EntryPoints:
    """The entry points of the group `undercroft.<group>`."""
    return _installed().select(group=GROUP + group)


def kinds() -> list[str]:
    """The names of the kinds of data that are installed; `undercroft.core.kinds` has their values."""
    return sorted({entry.name for entry in entries("kinds")})


def schemes(kind: str) -> list[str]:
    """The URL schemes that `kind` has drivers for."""
    return sorted({entry.name for entry in entries(kind)})


def load(kind: str, scheme: str) -> Any:
    """The driver class for `scheme`.

    Raises:
        ConfigInvalid: no such kind or scheme (the message lists the known ones), or its client library is missing.
    """
    for entry in entries(kind):
        if entry.name == scheme:
            try:
                return entry.load()
            except ImportError as error:
                if error.name is None or error.name.partition(".")[0] == "undercroft":
                    raise
                raise missing_library(scheme, error) from error
    if kind not in kinds():
        raise urls.unknown("kind", kind, kinds())
    raise urls.unknown(f"{kind} driver", scheme, schemes(kind))


def options(kind: str, url: str) -> frozenset[str]:
    """Names of the options that the driver for `url` takes; none where it does not say.

    Raises:
        ConfigInvalid: as `load`.
    """
    driver = load(kind, urls.scheme(url))
    # A driver over other drivers takes those of the one that its URL names, too.
    if (ask := getattr(driver, "options_of", None)) is not None:
        found: frozenset[str] = ask(url)
        return found
    return frozenset(getattr(getattr(driver, "Options", None), "__struct_fields__", ()))


def missing_library(scheme: str, error: ImportError) -> ConfigInvalid:
    """The error for an engine whose client library is not installed."""
    return missing_extra(f"the driver for {scheme!r}", _EXTRAS.get(scheme, scheme), error)


def missing_extra(what: str, extra: str, error: ImportError) -> ConfigInvalid:
    """The error for a part of Undercroft whose libraries are not installed.

    Args:
        what: the part, for the message.
        extra: the extra that brings them.
        error: names the module.
    """
    return ConfigInvalid(f"{what} needs the Python module {error.name!r}: pip install 'undercroft[{extra}]'")


def connect(kind: str, url: str, **options: Any) -> Any:
    """Open a store.

    Args:
        kind: the name of a kind of data; `kinds` lists them.
        url: where, and with which options: `sqlite:////var/lib/undercroft/undercroft.db?timezone=Europe/Paris`.
        options: the same options by keyword; they win over the URL's.

    Returns:
        an object of the kind's contract class. It may be shared by threads.

    Raises:
        ConfigInvalid: unknown kind, scheme or option, or a missing client library.
        Unavailable: the engine does not answer.
    """
    driver = load(kind, urls.scheme(url))
    return driver.open(url, **options)

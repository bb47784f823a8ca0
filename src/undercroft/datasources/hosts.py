"""Hosts are found by full name, else by the part before the first dot, in both directions."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")
LOG = logging.getLogger(__name__)


class Hosts:
    """The host names that a backend has.

    Args:
        names: full ones, short ones, or both.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = set(names)
        self._full: dict[str, list[str]] = {}
        for name in self._names:
            if short(name) != name:
                self._full.setdefault(short(name), []).append(name)

    def find(self, name: str) -> str | None:
        """The backend's name of a host; None where it is not known, or where several hosts of that short name are."""
        if name in self._names:
            return name
        if short(name) != name:
            # Another host of the same short name, in another domain, is not meant.
            return short(name) if short(name) in self._names else None
        found = self._full.get(name, [])
        if len(found) > 1:
            LOG.warning("host %.80r is ambiguous: %s; none is taken", name, ", ".join(sorted(found)[:5]))
            return None
        return found[0] if found else None


def short(name: str) -> str:
    """The part of a host name before its first dot."""
    return name.partition(".")[0]


def by_host(found: Mapping[str, T]) -> dict[str, T]:
    """What Ceilometer's agents know by `HOST_HOST`, or by the host name alone, by host name; the first form wins."""
    named: dict[str, T] = {}
    for key, value in found.items():
        middle = len(key) // 2
        if key[:middle] == key[middle + 1 :] and key[middle : middle + 1] == "_":
            named[key[:middle]] = value
        else:
            named.setdefault(key, value)
    return named


def resource_id(host: str) -> str:
    """The id that Ceilometer's agents give a host."""
    return f"{host}_{host}"

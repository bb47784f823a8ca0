"""Metadata without nesting: as the API shows them, and as filters compare them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# Levels of nesting that are followed; what lies deeper is one value.
_DEEPEST = 64


def shown(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Metadata as the API shows them: every value is text, the first separator a dot, later ones colons (`a.b:c`)."""
    found = {}
    for path, value in _leaves(metadata):
        first, *others = ".".join(path).split(".")
        found[f"{first}.{':'.join(others)}" if others else first] = str(value)
    return found


def compared(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata as filters compare them: names of nested keys joined by dots, values as they are."""
    return {".".join(path): value for path, value in _leaves(metadata)}


def _leaves(metadata: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in metadata.items():
        if isinstance(value, Mapping) and value and len(path) < _DEEPEST:
            yield from _leaves(value, (*path, str(key)))
        elif not isinstance(value, (set, frozenset)):
            yield (*path, str(key)), value

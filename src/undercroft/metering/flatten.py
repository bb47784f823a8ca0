"""The metadata of samples with one level of keys: as text for answers, and with their types for filters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

SEPARATOR = "."
_FURTHER = ":"
# Levels of nesting that are followed; what lies deeper is one value.
_DEEPEST = 64


def shown(metadata: Mapping[str, Any] | None) -> dict[str, str]:
    """Metadata as the API gives them: `{"a": {"b": {"c": 1}}}` becomes `{"a.b:c": "1"}`.

    The first separator is a dot, all others are colons; dots and colons within keys are separators, too. Values become text as
    Python prints them. Sets are left out, and so is an object without keys. Of two values with the same key the one counts that
    is last in the order of the original keys.
    """
    return {
        key.replace(SEPARATOR, _FURTHER).replace(_FURTHER, SEPARATOR, 1): value if isinstance(value, str) else str(value)
        for key, value in _leaves(metadata or {})
        if not isinstance(value, (set, frozenset))
    }


def compared(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """Metadata as filters compare them: keys joined by dots, values as they are."""
    return dict(_leaves(metadata or {}))


def _leaves(metadata: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Values that are not objects, with the path of their keys, in the order of the keys."""
    rest = [iter(sorted(metadata.items()))]
    path: list[str] = []
    while rest:
        name, value = next(rest[-1], (None, None))
        if name is None:
            rest.pop()
            if path:
                path.pop()
        elif isinstance(value, Mapping) and len(path) < _DEEPEST:
            path.append(name)
            rest.append(iter(sorted(value.items())))
        else:
            yield SEPARATOR.join([*path, name]), list(value) if isinstance(value, tuple) else value

"""Names that nobody knows: one way to say so, with the nearest known name."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

from undercroft.core.errors import InvalidInput

# Characters of an unknown name that a message repeats.
_SHOWN = 64


def nearest(name: str, known: Collection[str]) -> str | None:
    """The known name that `name` was probably meant to be; None when none comes near."""
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return near[0]
    same = [each for each in known if each.lower() == name.lower()]
    return same[0] if same else None


def unknown(what: str, name: str, known: Collection[str]) -> str:
    """The message for a name that is not among `known`: lists them, and the nearest.

    Args:
        what: what it should be the name of, such as `option`.
        name: the name; as much of it as a message should repeat is shown.
        known: the names that there are.
    """
    near = nearest(name, known)
    hint = f"; did you mean {near!r}?" if near else "."
    return f"unknown {what} {name[:_SHOWN]!r}{hint} Known: {', '.join(sorted(known)) or 'none'}"


def check_keys(given: Iterable[object], known: Collection[str], field: str) -> None:
    """Refuse a mapping from outside that has a key which means nothing.

    Args:
        given: the mapping, or its keys.
        known: the keys that mean something.
        field: how the error calls the mapping.

    Raises:
        InvalidInput: a key is unknown.
    """
    for key in given:
        if key not in known:
            raise InvalidInput(field, "has " + unknown("key", str(key), known))

"""The scripts of the data plane."""

from __future__ import annotations

import importlib.resources

from undercroft.engines.redis import Script

_PRELUDE = "queue.lua"


def load(name: str, *more: str, reads: bool = False) -> Script:
    """A script, behind what all begin with.

    Args:
        name: of its file.
        more: files of functions that it needs, too.
        reads: it changes nothing that anybody sees, so that it may be repeated.
    """
    folder = importlib.resources.files(__package__) / "scripts"
    return Script.from_text(name, b"".join((folder / each).read_bytes() for each in (_PRELUDE, *more, name)), reads=reads)

"""Scripts in Lua, which the server runs as one step."""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
from typing import NamedTuple

Word = bytes | str | int


class Script(NamedTuple):
    """A script. The server keeps it by its digest, and is sent the text only when it has lost it.

    Attributes:
        name: of the file, for messages.
        text: what the server runs.
        digest: the server's name of it.
        reads: True when it changes nothing: it may be run again where its outcome is unknown.
    """

    name: str
    text: bytes
    digest: bytes
    reads: bool

    @classmethod
    def of(cls, package: str, name: str, *, prelude: str | None = None, reads: bool = False) -> Script:
        """The script of a file in the folder `scripts` of a package.

        Args:
            package: the dotted name of the package.
            name: of the file.
            prelude: a file of functions that is put in front.
            reads: see the class.
        """
        text = (_text(package, prelude) if prelude else b"") + _text(package, name)
        return cls.from_text(name, text, reads=reads)

    @classmethod
    def from_text(cls, name: str, text: bytes, *, reads: bool = False) -> Script:
        """A script of this text."""
        # The server's own name of it: nothing rests on its strength.
        return cls(name, text, hashlib.sha1(text, usedforsecurity=False).hexdigest().encode(), reads)


class Call(NamedTuple):
    """A script with what it is run on.

    Attributes:
        script: what to run.
        key: the first of its keys; all others that it names in itself are in the same slot.
        arguments: its ARGV.
    """

    script: Script
    key: str
    arguments: tuple[Word, ...] = ()


@functools.cache
def _text(package: str, name: str) -> bytes:
    return importlib.resources.files(package).joinpath("scripts", name).read_bytes()

"""The lines of a file: counted, hashed and bounded, so that errors name a line, and an import can go on after one."""

from __future__ import annotations

import codecs
import hashlib
from typing import IO, Any, NamedTuple

from undercroft.core.errors import ConfigInvalid, InvalidInput

# Bytes of a line; one line is held in memory.
LONGEST = 64 << 20
# What is kept of a longer one.
_KEPT = 64 << 10
# How files begin that have no lines.
_BINARY = {
    b"\x1f\x8b": "is compressed by gzip: pass on what `zcat` gives, and - as the file",
    b"\xfd7zXZ": "is compressed by xz: pass on what `xzcat` gives, and - as the file",
    b"\x28\xb5\x2f\xfd": "is compressed by zstd: pass on what `zstdcat` gives, and - as the file",
    b"PAR1": "is a Parquet file: JSON lines and CSV can be imported",
}


class Mark(NamedTuple):
    """A place between two lines: the bytes and lines before it, and the hash of those bytes."""

    offset: int
    line: int
    hashed: hashlib.blake2b

    @property
    def digest(self) -> str:
        """The hash as text."""
        return self.hashed.hexdigest()


class Line(NamedTuple):
    """A line of a file.

    Attributes:
        number: from 1.
        data: its bytes with its end; the beginning of one that is too long.
        is_whole: False for one that is too long.
        after: the place behind it.
    """

    number: int
    data: bytes
    is_whole: bool
    after: Mark


class BadLine(InvalidInput):
    """A line of a file is wrong.

    Attributes:
        line: its number.
    """

    line: int = 0


class Refused(NamedTuple):
    """Lines that cannot be stored, and why.

    Attributes:
        lines: one, or the lines of one row.
        error: names what is wrong in them.
    """

    lines: list[Line]
    error: InvalidInput

    @property
    def after(self) -> Mark:
        """The place behind them."""
        return self.lines[-1].after

    def located(self, file: str) -> BadLine:
        """The error with its place in the file."""
        found = BadLine(f"{file}:{self.lines[0].number}: {self.error.field}", self.error.problem)
        found.line = self.lines[0].number
        return found


class Item(NamedTuple):
    """What was made of lines: one, or the lines of one row."""

    value: Any
    lines: list[Line]

    @property
    def after(self) -> Mark:
        """The place behind them."""
        return self.lines[-1].after


def too_long() -> InvalidInput:
    """The error of a line that is not whole."""
    return InvalidInput("line", f"is longer than {LONGEST:,} bytes")


def check_text(stream: IO[bytes], name: str) -> None:
    """Refuse a file that has no lines, before each of them is called wrong.

    Args:
        stream: the input, at its beginning; it stays there.
        name: how errors call it.

    Raises:
        InvalidInput: it is compressed, or a Parquet file.
    """
    peek = getattr(stream, "peek", None)
    head = b"" if peek is None else peek(8)
    for magic, problem in _BINARY.items():
        if head.startswith(magic):
            raise InvalidInput(name, problem)


class Source:
    """The lines of a binary stream.

    Args:
        stream: the input.
        name: how errors call it.
    """

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self.name = name
        self.offset = 0
        self.line = 0
        self._stream = stream
        self._hash = hashlib.blake2b(digest_size=16)

    def read(self) -> Line | None:
        """The next line; None at the end of the input. A byte order mark before the first line is left out."""
        data = self._stream.readline(LONGEST + 1)
        if not data:
            return None
        first = self.offset == 0
        self._took(data)
        self.line += 1
        is_whole = len(data) <= LONGEST
        if not is_whole:
            rest = data
            while rest and not rest.endswith(b"\n"):
                rest = self._stream.readline(1 << 20)
                self._took(rest)
            data = data[:_KEPT]
        return Line(self.line, data.removeprefix(codecs.BOM_UTF8) if first else data, is_whole, self.mark())

    def mark(self) -> Mark:
        """The place after the last line read."""
        return Mark(self.offset, self.line, self._hash.copy())

    def skip(self, offset: int, line: int, digest: str) -> None:
        """Go to a place that was marked in an earlier run.

        Raises:
            ConfigInvalid: what lies before it is not what it was then.
        """
        while self.offset < offset:
            block = self._stream.read(min(1 << 20, offset - self.offset))
            if not block:
                break
            self._took(block)
        if self.offset != offset or self._hash.hexdigest() != digest:
            raise ConfigInvalid(
                f"{self.name}: its beginning, which is stored, has changed since the import broke off; --restart begins anew"
            )
        self.line = line

    def _took(self, data: bytes) -> None:
        self.offset += len(data)
        self._hash.update(data)

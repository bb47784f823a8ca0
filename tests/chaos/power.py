"""A disk that loses power: what a traced process wrote to it, and what is left of that at a cut.

It is rebuilt from `strace`: a write counts as kept once the file was synced after it, a new name once its folder was. What was not
synced may be lost, may be there, and may be there in part, in any order.
"""

from __future__ import annotations

import collections
import dataclasses
import pathlib
import random
import re
import subprocess
from collections.abc import Iterator, Sequence
from typing import NamedTuple

TRACED = "openat,write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,ftruncate,fallocate,unlink,unlinkat,rename,renameat"
_LINE = re.compile(r"\d+ +(\w+)\((.*)\) = (\d+)")
_ON_FILE = re.compile(r"\d+<([^>]*)>(?:, (?:\"([^\"]*)\"(\.\.\.)?, )?(.*))?")
_NAMED = re.compile(r"(?:AT_FDCWD<[^>]*>, )?\"([^\"]*)\"(?:, ([A-Z_|]+))?")
# What a disk writes at once.
_SECTOR = 512


class Call(NamedTuple):
    """One system call on a file; `data` and `at` of a write, `at` of a truncation; `at` is None for a write at the end."""

    name: str
    path: str
    data: bytes = b""
    at: int | None = None


def tracer(log: pathlib.Path) -> list[str]:
    """The words before a command that is to be traced."""
    strace = ["strace", "-f", "--seccomp-bpf", "-y", "-xx", "-s", "10000000", "-e", f"trace={TRACED}", "-e", "signal=none"]
    return [*strace, "-o", str(log)]


def trace(command: Sequence[str], log: pathlib.Path, folder: pathlib.Path, **options: object) -> list[Call]:
    """Run a command under strace; its calls on the files of `folder`, in order."""
    subprocess.run([*tracer(log), *command], check=True, **options)  # type: ignore[call-overload]
    return list(calls(log, folder))


def calls(log: pathlib.Path, folder: pathlib.Path, told: bytes | None = None) -> Iterator[Call]:
    """The calls that changed something in `folder`; and one named `told` for each that says these words elsewhere."""
    inside = str(folder)
    # Looked for as strace writes it: to decode what the writers write would take most of the test's time.
    escaped = _escaped(inside.encode())
    words = told and _escaped(told)
    with log.open() as lines:
        for line in lines:
            if escaped not in line and inside not in line:
                if words and words in line and "write" in line:
                    yield Call("told", "")
                continue
            # Two threads at once would leave the order open; the writers here have one.
            assert "unfinished ..." not in line, _text(line[:4096])
            found = _LINE.match(line)
            if found and (call := _call(found[1], found[2], int(found[3]))) and call.path.startswith(inside):
                yield call


def _escaped(data: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in data)


def _call(name: str, arguments: str, result: int) -> Call | None:
    if name in ("openat", "unlink", "unlinkat"):
        named = _NAMED.match(arguments)
        assert named, arguments
        made = name == "openat" and "O_CREAT" in (named[2] or "")
        assert not made or "O_TRUNC" not in named[2], arguments
        return Call("create" if made else "remove", _text(named[1])) if made or name != "openat" else None
    on_file = _ON_FILE.match(arguments)
    assert on_file, f"a call that is not understood: {name}({arguments[:200]}"
    path, data, cut, rest = on_file.groups()
    if name in {"write", "pwrite64"}:
        assert not cut, "strace has cut the data"
        written = bytes.fromhex(data.replace("\\x", ""))[:result]
        return Call("write", _text(path), written, int(rest.rpartition(", ")[2]) if name == "pwrite64" else None)
    if name == "ftruncate":
        return Call("truncate", _text(path), at=int(rest))
    assert name in ("fsync", "fdatasync"), f"a call that is not understood: {name}"
    return Call("sync", _text(path))


def _text(escaped: str) -> str:
    return re.sub(r"(?:\\x[0-9a-f]{2})+", lambda found: bytes.fromhex(found[0].replace("\\x", "")).decode("latin-1"), escaped)


@dataclasses.dataclass
class File:
    """What is certainly on the disk, and what was written since."""

    kept: bytearray
    pending: list[Call] = dataclasses.field(default_factory=list)

    def sync(self) -> None:
        """All that was written is kept."""
        for call in self.pending:
            _do(self.kept, call)
        self.pending.clear()

    def left(self, rng: random.Random | None) -> bytes:
        """The contents after a power cut: what was kept and, with `rng`, some of the rest, in whole sectors."""
        found = bytearray(self.kept)
        for call in self.pending if rng else []:
            assert rng
            if rng.random() < 0.5:
                sectors = rng.randint(0, len(call.data) // _SECTOR)
                _do(found, call if rng.random() < 0.8 else call._replace(data=call.data[: sectors * _SECTOR]))
        return bytes(found)


def _do(contents: bytearray, call: Call) -> None:
    if call.name == "truncate":
        assert call.at is not None
        del contents[call.at :]
        contents.extend(bytes(call.at - len(contents)))
        return
    at = len(contents) if call.at is None else call.at
    contents.extend(bytes(max(0, at - len(contents))))
    contents[at : at + len(call.data)] = call.data


class Disk:
    """The files of one folder, as they are before the first call."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = str(folder)
        self._names = {str(path): File(bytearray(path.read_bytes())) for path in folder.iterdir()}
        self._kept = dict(self._names)
        self.syncs: collections.Counter[str] = collections.Counter()

    def do(self, call: Call) -> None:
        """Make one call."""
        if call.name == "create":
            self._names.setdefault(call.path, File(bytearray()))
        elif call.name == "remove":
            self._names.pop(call.path, None)
        elif call.name == "sync":
            self.syncs[pathlib.Path(call.path).name] += 1
            if call.path == self.folder:
                self._kept = dict(self._names)
            elif call.path in self._names:
                self._names[call.path].sync()
        elif call.path in self._names:
            self._names[call.path].pending.append(call)

    def cut(self, into: pathlib.Path, rng: random.Random | None) -> None:
        """Write what a power cut leaves of the files to another folder; without `rng`, nothing that was not synced."""
        into.mkdir()
        for path, file in self._kept.items():
            # The index of a SQLite log is memory that processes share, and is made anew from the log.
            if not path.endswith("-shm"):
                (into / pathlib.Path(path).name).write_bytes(file.left(rng))

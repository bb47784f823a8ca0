"""Processes to be killed. They are forked from one that has imported everything already, so that a life is short and full."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import multiprocessing.context
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

from undercroft.core import kinds, registry

HERE = pathlib.Path(__file__).parent
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    [
        "tests.chaos.writers",
        "tests.chaos.export.lives",
        *sorted({entry.module for kind in kinds.installed() for entry in registry.entries(kind)}),
        *(f"tests.chaos.{kind}.{path.stem}" for kind in kinds.installed() for path in sorted(HERE.glob(f"{kind}/[!t]*.py"))),
        "sqlalchemy.dialects.postgresql.psycopg",
    ]
)
# Far above what anything takes here; ends a test that hangs.
PATIENCE = 60


class Life:
    """One process, from its start to its end."""

    def __init__(self, work: Callable[..., None], *arguments: Any) -> None:
        self._end, theirs = _context.Pipe()
        self._process = _context.Process(target=work, args=(theirs, *arguments))
        self._process.start()
        theirs.close()

    def hear(self, patience: float = PATIENCE) -> Any:
        """The next thing that the process says.

        Raises:
            EOFError: it has ended.
        """
        if not self._end.poll(patience):
            raise TimeoutError("the process says nothing")
        return self._end.recv()

    def speaks(self) -> bool:
        """Whether there is something to hear, an end included."""
        return self._end.poll()

    def tell(self, what: Any) -> None:
        """Say something to the process."""
        self._end.send(what)

    def kill(self) -> None:
        """kill -9; nothing when it has ended: its number may be another's by now."""
        self._process.kill()
        self._process.join()

    def signal(self, number: int) -> None:
        """Send a signal; the process must be there."""
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def end(self) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        self._process.join(PATIENCE)
        if self._process.exitcode is None:
            self.kill()
            raise TimeoutError("the process does not end")
        return self._process.exitcode

    def close(self) -> None:
        """Leave nothing of it behind."""
        self.kill()
        self._end.close()
        self._process.close()


@contextlib.contextmanager
def life(work: Callable[..., None], *arguments: Any) -> Iterator[Life]:
    """A process that runs `work(pipe, *arguments)` and does not outlive the block."""
    started = Life(work, *arguments)
    try:
        yield started
    finally:
        started.close()


class Acknowledgements:
    """A file with a line for every call that returned, flushed by the process that dies and read by the one that does not."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path

    def open(self) -> int:
        """For writing, at the end."""
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    @staticmethod
    def write(file: int, number: int) -> None:
        """Acknowledge one call."""
        os.write(file, b"%d\n" % number)
        os.fsync(file)

    def read(self) -> list[int]:
        """What was acknowledged, in order."""
        return [int(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

"""A database server of a test's own, to be killed."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import signal
import time
import uuid
from collections.abc import Iterator

from tests.conftest import WHOLE, first_of_each
from tests.engines import run
from undercroft.conformance.plugin import Opener, Target
from undercroft.core import registry

# Far above what an end takes; ends a test that hangs.
PATIENCE = 60


def names(kind: str) -> list[str]:
    """The engines of this run that are servers of a kind and keep what they hold; one of each driver, unless the run is whole.

    Without the runner, those that run everywhere.
    """
    known = run.table(run.TABLE)
    chosen = os.environ.get("UCTEST_ENGINES")
    wanted = chosen.split(",") if chosen else [engine.name for engine in known.values() if engine.everywhere]
    # What a server with odd defaults, or one behind a pooler, keeps when it is killed is what the ordinary one keeps.
    usable = (name for name in wanted if known[name].start and not known[name].forgets and not known[name].whole)
    # Of pools, which are several servers, none is the one to kill.
    found = [name for name in usable if kind in known[name].kinds and name in registry.schemes(kind)]
    return found if WHOLE else first_of_each(found, lambda name: registry.load(kind, name))


@dataclasses.dataclass
class Server:
    """A running server."""

    engine: run.Engine
    url: str
    folder: pathlib.Path
    port: int

    def kill(self) -> None:
        """kill -9 of all its processes."""
        file = self.folder / "server.pid"
        pid = int(file.read_text())
        # Stopped, it cannot have another child while we look.
        os.kill(pid, signal.SIGSTOP)
        doomed = [pid, *_children(pid)]
        for each in doomed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        end = time.monotonic() + PATIENCE
        # Until they are reaped, too: to PostgreSQL a lock file's owner lives until then.
        while any(map(_stat, doomed)):
            assert time.monotonic() < end, "the server does not die"
            time.sleep(0.01)
        file.unlink()

    def start(self) -> None:
        """Start it again, on what it left."""
        started = run.start(self.engine, self.folder, self.port)
        assert started.get("url") == self.url, started


def _children(pid: int) -> list[int]:
    everybody = [int(entry.name) for entry in pathlib.Path("/proc").iterdir() if entry.name.isdigit()]
    return [each for each in everybody if _stat(each)[1:2] == [str(pid)]]


def _stat(pid: int) -> list[str]:
    """State, parent and more of a process; nothing when there is none."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


@contextlib.contextmanager
def own(name: str, *, durable: bool) -> Iterator[Server]:
    """A server that nobody else uses, with or without what makes its commits durable. It ends with the block, or with us."""
    engine = run.table(run.TABLE)[name]
    engine = dataclasses.replace(engine, environment={**engine.environment, "UCTEST_DURABLE": str(int(durable))})
    before = os.environ.get("UCTEST_DURABLE")
    os.environ["UCTEST_DURABLE"] = str(int(durable))
    try:
        # In memory, MariaDB's log is a part of the file at once: nothing would be written late.
        with run.engines_running(run.TABLE, [engine], on_disk=True) as running:
            result = running.started[name]
            assert "url" in result, result
            yield Server(engine, result["url"], pathlib.Path(result["folder"]), int(result["port"]))
    finally:
        if before is None:
            del os.environ["UCTEST_DURABLE"]
        else:
            os.environ["UCTEST_DURABLE"] = before


def opener_on(server: Server, kind: str) -> Opener:
    """Opens stores on a namespace of its own."""
    return Opener(Target(kind, server.engine.name, server.url), server.url, f"k{uuid.uuid4().hex[:12]}")

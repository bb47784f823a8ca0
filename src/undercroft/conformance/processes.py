"""Several processes at once, for the suites' tests of concurrency. Started once, they do the work of one test after another."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import multiprocessing.synchronize
import traceback
from collections.abc import Callable
from typing import Any

PROCESSES = 4
_PATIENCE = 90
_crew: Crew | None = None


class Crew:
    """Processes that have nothing in common with this one, or with each other, but a barrier."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        # Kept here: without an owner it is gone before the processes have found it.
        self._barrier = context.Barrier(PROCESSES)
        self._workers: list[tuple[Any, multiprocessing.connection.Connection]] = []
        for number in range(PROCESSES):
            ours, theirs = context.Pipe()
            worker = context.Process(target=_serve, args=(number, self._barrier, theirs), daemon=True)
            worker.start()
            theirs.close()
            self._workers.append((worker, ours))

    def run(self, work: Callable[..., None], arguments: tuple[Any, ...]) -> list[str]:
        """Have all do the same work; what went wrong."""
        for _, pipe in self._workers:
            pipe.send((work, arguments))
        problems = []
        for number, (_, pipe) in enumerate(self._workers):
            if not pipe.poll(_PATIENCE):
                problems.append(f"process {number} did not end within {_PATIENCE} s")
            elif (problem := _received(pipe)) is not None:
                problems.append(f"process {number}: {problem}")
        return problems

    def kill(self) -> None:
        """End the processes, whatever they do."""
        for worker, pipe in self._workers:
            worker.kill()
            worker.join()
            pipe.close()


def _received(pipe: multiprocessing.connection.Connection) -> Any:
    try:
        return pipe.recv()
    except (EOFError, ConnectionError):
        return "it ended"


def _serve(number: int, barrier: multiprocessing.synchronize.Barrier, pipe: multiprocessing.connection.Connection) -> None:
    """Do what the pipe says until it is closed; answer with the traceback of what failed, or None."""
    while True:
        try:
            work, arguments = pipe.recv()
        except EOFError:
            return
        try:
            work(number, barrier, *arguments)
        except Exception:  # noqa: BLE001 - the test tells it
            pipe.send(traceback.format_exc())
        else:
            pipe.send(None)


def run(work: Callable[..., None], *arguments: Any) -> None:
    """Run `work(number, barrier, *arguments)` in several processes at once; all must end well."""
    global _crew  # noqa: PLW0603 - started once a test process, because a start costs more than most works
    _crew = _crew or Crew()
    problems = _crew.run(work, arguments)
    if problems:
        # Some may still be at work, and the barrier may be broken.
        _crew.kill()
        _crew = None
    assert not problems, "\n".join(problems)

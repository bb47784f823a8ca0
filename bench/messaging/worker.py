"""One client in a process of its own: does one thing again and again for a time, and tells how often and how long each took.

python -m bench.messaging.worker SUBJECT URL
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from bench.harness import obey, own_stdout
from bench.messaging import subjects, workload


class Worker:
    """Takes orders.

    Args:
        name: of the subject.
        url: of its store.
    """

    def __init__(self, name: str, url: str) -> None:
        self.subject = subjects.subject(name, url)
        self._claims: list[Any] = []

    def prepare(self) -> dict[str, Any]:
        """Make what is needed."""
        self.subject.prepare()
        return {}

    def fill(self, count: int) -> dict[str, Any]:
        """Post so many messages."""
        for begin in range(0, count, workload.MOST):
            self.subject.send(min(workload.MOST, count - begin))
        return {}

    def subscribe(self, uris: list[str]) -> dict[str, Any]:
        """Let these be told of what is posted from now on."""
        ours = self.subject
        assert isinstance(ours, subjects.Ours)
        ours.subscribe(uris)
        return {}

    def take(self, count: int) -> dict[str, Any]:
        """Claim so many messages, and keep them claimed."""
        taken = 0
        while taken < count and self.subject.read(workload.MOST):
            taken += workload.MOST
        return {"taken": taken}

    def run(self, what: str, seconds: float, count: int = 1, rate: float | None = None) -> dict[str, Any]:
        """Do one thing for a time.

        Args:
            what: send, read, each, bulk, both (a post, a claim, a deletion).
            seconds: how long.
            count: messages of a call.
            rate: calls a second; None for as many as there can be.

        Returns:
            calls, messages, how long they took together, the seconds of each call.
        """
        step: Callable[[], int] = getattr(self, f"_{what}")(count)
        taken: list[float] = []
        messages = 0
        began = time.perf_counter()
        while (now := time.perf_counter()) - began < seconds:
            if rate is not None and (wait := began + len(taken) / rate - now) > 0:
                time.sleep(wait)
            start = time.perf_counter()
            done = step()
            if not done:
                # The queue is empty: the time until then counts.
                break
            taken.append(time.perf_counter() - start)
            messages += done
        return {"calls": len(taken), "messages": messages, "seconds": time.perf_counter() - began, "taken": taken}

    def crowd(self, count: int) -> dict[str, Any]:
        """Let so many calls wait, each for a queue where nothing comes, until this process ends."""

        ours = self.subject
        assert isinstance(ours, subjects.Ours)

        def wait(number: int) -> None:
            while True:
                ours.wait(number)

        for number in range(count):
            threading.Thread(target=wait, args=(number,), daemon=True).start()
        threading.Event().wait(1)
        return {}

    def _send(self, count: int) -> Callable[[], int]:
        def step() -> int:
            self.subject.send(count)
            return count

        return step

    def _read(self, count: int) -> Callable[[], int]:
        return lambda: count if self.subject.read(count) else 0

    def _finish(self, count: int, delete: Callable[[Any], None]) -> Callable[[], int]:
        def step() -> int:
            claim = self.subject.read(count)
            if not claim:
                return 0
            delete(claim)
            return count

        return step

    def _each(self, count: int) -> Callable[[], int]:
        return self._finish(count, self.subject.delete_each)

    def _bulk(self, count: int) -> Callable[[], int]:
        return self._finish(count, self.subject.delete_all)

    def _both(self, count: int) -> Callable[[], int]:
        send, finish = self._send(count), self._bulk(count)
        return lambda: send() and finish()

    def time(self, what: str, times: int) -> dict[str, Any]:
        """How long calls without an argument take, in seconds, and what the last one gave."""
        taken, answer = [], None
        for _ in range(times):
            start = time.perf_counter()
            answer = getattr(self.subject, what)()
            taken.append(time.perf_counter() - start)
        return {"taken": taken, "answer": answer}


def main() -> None:
    """Obey."""
    answers = own_stdout()
    obey(Worker(*sys.argv[1:3]), answers)


if __name__ == "__main__":
    main()

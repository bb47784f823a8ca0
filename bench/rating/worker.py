"""One subject in a process of its own: reads orders as JSON lines, answers each with one."""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from bench.harness import obey, own_stdout, peak_memory
from bench.rating import workload
from bench.rating.subjects import SUBJECTS, Subject
from bench.rating.workload import MONTH_END, START, Data

PAGE = 100


def questions(subject: Subject, points: int) -> dict[str, Callable[[], Any]]:
    """What is asked, by name. Everything is asked of the month of January, of which the data fill the beginning."""
    storage = subject.storage
    month: dict[str, Any] = {"begin": START, "end": MONTH_END}

    def total(groupby: list[str] | None = None, **filters: str) -> Callable[[], Any]:
        return lambda: storage.total(groupby=groupby, filters=filters or None, **month, **whole)

    def page(offset: int) -> Callable[[], Any]:
        return lambda: storage.retrieve(offset=offset, limit=PAGE, **month)

    # The adapter of v1 knows no pages.
    whole: dict[str, Any] = {} if "page first" in subject.lacks else {"paginate": False}
    return {
        "project and type": total(["project_id", "type"]),
        "type": total(["type"]),
        "ungrouped": total(),
        "time": total(["time"]),
        "time-d": total(["time-d"]),
        "project": total(["project_id"], project_id=workload.project(250)),
        "resource": total(id=workload.resource(7_007)),
        "page first": page(0),
        "page middle": page(points // 2),
        "page last": page(points - PAGE),
    }


class Worker:
    """Carries out orders."""

    def __init__(self, subject: Subject, data: Data, pusher: int = 0) -> None:
        self._subject = subject
        self._frames: Iterator[Any] = workload.scopes(data, subject.point, subject.frame, pusher)
        self._made: list[Any] = []
        self._points = workload.points(data, subject.point)
        self._stored = 0
        self._compared: set[str] = set()

    def push(self, points: int, call: int) -> dict[str, Any]:
        """Push the next points; only the time within `push` counts, not that of making the frames."""
        seconds = 0.0
        for first in range(0, points, call):
            frames = workload.call(self._points, min(call, points - first), self._subject.frame)
            start = time.perf_counter()
            self._subject.push(frames)
            seconds += time.perf_counter() - start
        self._stored += points
        self._compared.clear()
        return {"seconds": seconds}

    def make(self, pushes: int) -> dict[str, Any]:
        """Make what `race` pushes."""
        self._made = list(itertools.islice(self._frames, pushes))
        # Nobody has so many frames at hand: they are none of the garbage collector's business.
        gc.collect()
        gc.freeze()
        return {}

    def race(self, at: float) -> dict[str, Any]:
        """Wait for a moment of the clock that all processes of the machine share, then push what was made, frame by frame."""
        made, self._made = self._made, []
        pushes: list[float] = []
        time.sleep(max(0.0, at - time.monotonic()))
        began = time.monotonic()
        for frame in made:
            start = time.perf_counter()
            self._subject.push([frame])
            pushes.append(time.perf_counter() - start)
        return {"began": began, "ended": time.monotonic(), "pushes": pushes}

    def count(self) -> dict[str, Any]:
        """How many points are stored."""
        return {"points": self._subject.storage.retrieve(begin=START, end=MONTH_END, limit=1)["total"]}

    def settle(self) -> dict[str, Any]:
        """Do what was put off; its time is the pushes', too."""
        start = time.perf_counter()
        self._subject.settle()
        return {"seconds": time.perf_counter() - start}

    def by_hand(self, name: str) -> dict[str, Any]:
        """Answer one question by hand; the answer must be the store's."""
        asked = self._subject.by_hand.questions(self._stored, PAGE)[name]  # type: ignore[attr-defined]
        start = time.perf_counter()
        answer = asked()
        seconds = time.perf_counter() - start
        if name not in self._compared:
            self._compared.add(name)
            if answer != questions(self._subject, self._stored)[name]():
                raise SystemExit(f"by hand the answer to {name!r} is another one")
        return {"seconds": seconds}

    def ask(self, name: str) -> dict[str, Any]:
        """Ask one question; `rows` and `rate` show that something was answered."""
        if name in self._subject.lacks:
            return {}
        asked = questions(self._subject, self._stored)[name]
        start = time.perf_counter()
        answer = asked()
        seconds = time.perf_counter() - start
        if "results" in answer:
            rate = sum(row["rate"] or 0 for row in answer["results"])
            return {"seconds": seconds, "rows": len(answer["results"]), "rate": str(rate)}
        return {"seconds": seconds, "rows": sum(1 for frame in answer["dataframes"] for _ in frame.iterpoints())}

    def delete(self, begin: int, end: int, project: int | None = None) -> dict[str, Any]:
        """Delete what starts in these hours, of one project or of all; how many points went."""
        if "delete" in self._subject.lacks:
            return {}
        filters = None if project is None else {"project_id": workload.project(project)}
        bounds = {"begin": START + begin * workload.HOUR, "end": START + end * workload.HOUR}
        start = time.perf_counter()
        self._subject.storage.delete(**bounds, filters=filters)
        seconds = time.perf_counter() - start
        stored, self._stored = self._stored, self.count()["points"]
        self._compared.clear()
        return {"seconds": seconds, "rows": stored - self._stored}

    def floor(self, points: int, call: int) -> dict[str, Any]:
        """Write rows already encoded."""
        return {"seconds": self._subject.floor.run(points, call)}  # type: ignore[attr-defined]

    def facts(self) -> dict[str, Any]:
        """Size on disk, and the most memory that this process has had since the facts were last asked."""
        return {"bytes": self._subject.size(), "peak_memory": peak_memory(), "version": self._subject.version()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("subject", choices=SUBJECTS)
    parser.add_argument("url")
    parser.add_argument("--folder", default="")
    parser.add_argument("--data", type=json.loads, default={})
    parser.add_argument("--pusher", type=int, default=0, help="its number among processes that push at once")
    arguments = parser.parse_args()
    data = Data(**arguments.data)
    answers = own_stdout()
    subject = SUBJECTS[arguments.subject](arguments.url, arguments.folder, data.digits)
    obey(Worker(subject, data, arguments.pusher), answers)


if __name__ == "__main__":
    main()

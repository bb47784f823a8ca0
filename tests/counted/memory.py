"""One job in a process of its own, whose peak of memory it prints: python -m tests.counted.memory JOB POINTS URL NAMESPACE"""

from __future__ import annotations

import itertools
import json
import pathlib
import re
import sys
import tempfile
from typing import Any

import undercroft
from tests.counted.usage import DAYS, HOUR, START, calls
from undercroft.rating import BaseStorage

RESOURCES = 2000
EVER: dict[str, Any] = {"begin": START, "end": START + DAYS * 24 * HOUR}


def push(store: BaseStorage, points: int) -> None:
    """Push in calls of 10,000 points."""
    for call in calls(points, RESOURCES):
        store.push(call)


def total(store: BaseStorage, points: int) -> None:
    """Ask for sums of every granularity."""
    for groupby in ([], ["project_id", "type"], ["id"], ["time-d", "project_id"], ["month"]):
        assert store.total(groupby, **EVER, paginate=False)["total"]
    (row,) = store.total([], **EVER, custom_fields="COUNT(qty) AS points")["results"]
    assert row["points"] == points


def page(store: BaseStorage, points: int) -> None:
    """Read pages of 1,000 points all over the store."""
    for offset in range(0, points, points // 20):
        found = store.retrieve(**EVER, offset=offset, limit=1000)
        assert found["total"] == points
        assert found["dataframes"]


def walk(store: BaseStorage, points: int) -> None:
    """Walk through all points."""
    found = sum(len(list(frame.iterpoints())) for frame in store.iter_frames(**EVER))
    assert found == points


def export(store: BaseStorage, points: int) -> None:
    """Write all points into files, by the command."""
    from undercroft.cli.main import root

    with tempfile.TemporaryDirectory() as folder:
        place = f"{sys.argv[3]}{'&' if '?' in sys.argv[3] else '?'}namespace={sys.argv[4]}"
        bounds = ["--begin", EVER["begin"].isoformat(), "--end", EVER["end"].isoformat()]
        root(["rating", "export", f"{folder}/all", "--store", place, "--format", "csv", *bounds], standalone_mode=False)
        assert json.loads((pathlib.Path(folder) / "all" / "manifest.json").read_bytes())["points"] == points


def keep(store: BaseStorage, points: int) -> None:
    """What the others must not do, for comparison: hold all points."""
    found = store.retrieve(**EVER, paginate=False)
    assert found["total"] == points


JOBS = {job.__name__: job for job in (push, total, page, walk, export, keep)}


def peak() -> int:
    """This process's largest resident set in KiB; getrusage would tell the starting process's, where that was larger."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)[0])


def main() -> None:
    name, points, url, namespace = sys.argv[1:]
    store = undercroft.connect("rating", url, namespace=namespace)
    # Everything that is loaded or compiled once, whatever the number of points.
    for _ in itertools.islice(store.iter_frames(**EVER, max_points=10), 1):
        pass
    JOBS[name](store, int(points))
    print(peak())
    store.close()


if __name__ == "__main__":
    main()

"""One subject in a process of its own: our store, or Panko's SQLAlchemy driver. Takes orders, see `bench.harness`."""

from __future__ import annotations

import argparse
import datetime as dt
import logging
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

from bench.events import workload
from bench.harness import obey, own_stdout, peak_memory

PAGE = 100


class Ours:
    """Undercroft on any of its engines."""

    def __init__(self, url: str) -> None:
        import undercroft
        from undercroft import events
        from undercroft.core import time as clock

        self.models = events
        self.url = url
        self.store = undercroft.connect("events", url)
        self.store.upgrade()
        self._bind = clock.bind

    def at(self, moment: dt.datetime) -> None:
        """Set the clock by which expiry goes."""
        self._bind(lambda: moment.replace(tzinfo=dt.UTC))

    def plan(self, event_filter: Any, page: dict[str, Any]) -> list[str]:
        """How the engine goes about a question; nothing where it is not asked in SQL."""
        import sqlalchemy as sa

        if not hasattr(self.store, "_db"):
            return []

        seen: list[tuple[str, Any]] = []

        def note(_c: Any, _cursor: Any, text: str, values: Any, *_: Any) -> None:
            seen.append((text, values))

        engine = self.store._db.engine
        sa.event.listen(engine, "before_cursor_execute", note)
        list(self.store.get_events(event_filter, page))
        sa.event.remove(engine, "before_cursor_execute", note)
        text, values = seen[-1]
        words = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
        rows = self.store._db.alone(lambda c: c.exec_driver_sql(words + text, values).all())
        return [str(row[-1] if engine.dialect.name != "mariadb" else tuple(row)) for row in rows]


class Panko:
    """Panko's own driver, as its own service opens it."""

    def __init__(self, url: str) -> None:
        from oslo_utils import timeutils
        from panko import service, storage
        from panko.storage import models

        conf = service.prepare_service([], [])
        logging.disable(logging.INFO)
        warnings.simplefilter("ignore")
        self.store = storage.get_connection(url.replace("postgresql://", "postgresql+psycopg2://"), conf)
        self.store.upgrade()
        self.models = type("Models", (), {"Event": models.Event, "Trait": models.Trait, "EventFilter": storage.EventFilter})
        self._timeutils = timeutils

    def at(self, moment: dt.datetime) -> None:
        """Set the clock by which expiry goes."""
        self._timeutils.set_time_override(moment)


class Worker:
    """Carries out orders."""

    def __init__(self, subject: Any) -> None:
        self._subject = subject
        self._store = subject.store
        self._models = subject.models
        self._stored = 0

    def record(self, count: int, call: int) -> dict[str, Any]:
        """Record the next events; making them is not counted."""
        seconds = 0.0
        for first in range(self._stored, self._stored + count, call):
            numbers = range(first, min(first + call, self._stored + count))
            events = [workload.event(number, self._models.Event, self._models.Trait) for number in numbers]
            start = time.perf_counter()
            self._store.record_events(events)
            seconds += time.perf_counter() - start
        self._stored += count
        return {"seconds": seconds}

    def _questions(self) -> dict[str, Callable[[int], tuple[dict[str, Any], dict[str, Any]]]]:
        """Filter and page of each question, for one of many choices."""

        def some(choice: int) -> int:
            return choice * 7_907 % self._stored

        def text(name: str, value: str) -> dict[str, Any]:
            return {"key": name, "string": value, "op": "eq"}

        down = [("generated", "desc"), ("message_id", "desc")]
        by_id = [("message_id", "asc")]
        middle = workload.message_id(self._stored // 2)
        return {
            "first page": lambda _: ({}, {"limit": PAGE}),
            "newest page": lambda _: ({}, {"limit": PAGE, "sort": down}),
            "a page in the middle": lambda _: ({}, {"limit": PAGE, "marker": middle}),
            "by message id, in the middle": lambda _: ({}, {"limit": PAGE, "marker": middle, "sort": by_id}),
            "one message id": lambda n: ({"message_id": workload.message_id(some(n))}, {"limit": PAGE}),
            "one request id": lambda n: ({"traits_filter": [text("request_id", workload.request(some(n)))]}, {"limit": PAGE}),
            "project and user": lambda n: (
                {"traits_filter": [text("project_id", workload.project(some(n))), text("user_id", workload.user(some(n)))]},
                {"limit": PAGE},
            ),
            "admin_proj": lambda n: ({"admin_proj": workload.project(some(n))}, {"limit": PAGE}),
            "three ranges": lambda n: (
                {
                    "traits_filter": [
                        {"key": "memory_mb", "op": "ge", "integer": 512 << n % 7},
                        {"key": "disk_gb", "op": "lt", "integer": 100 + n * 97 % 700},
                        {"key": "load", "op": "gt", "float": n * 13 % 90 / 100},
                    ]
                },
                {"limit": PAGE},
            ),
        }

    def ask(self, name: str, times: int) -> dict[str, Any]:
        """Ask a question several times, each time about something else."""
        taken, events = [], 0
        for number in range(times):
            event_filter, page = self._questions()[name](number + 1)
            asked = self._models.EventFilter(**event_filter)
            start = time.perf_counter()
            events += len(list(self._store.get_events(asked, page)))
            taken.append(time.perf_counter() - start)
        taken.sort()
        middle, late = taken[len(taken) // 2], taken[min(len(taken) - 1, round(len(taken) * 0.95))]
        return {"median": middle, "p95": late, "events": events, "times": times}

    def plan(self, name: str) -> list[str]:
        """The engine's plan for a question."""
        event_filter, page = self._questions()[name](1)
        found: list[str] = self._subject.plan(self._models.EventFilter(**event_filter), page)
        return found

    def floor(self, events: int, call: int) -> dict[str, Any]:
        """Write the first events again, by the engine's own client and by us."""
        from bench.events import floor

        models = self._models
        return floor.compare(self._subject.url, events, call, lambda n: workload.event(n, models.Event, models.Trait))

    def walk(self) -> dict[str, Any]:
        """Everything, event by event."""
        peak_memory()
        start = time.perf_counter()
        events = sum(1 for _ in self._store.get_events(self._models.EventFilter()))
        return {"seconds": time.perf_counter() - start, "events": events, "peak_memory": peak_memory()}

    def expire(self, before: int) -> dict[str, Any]:
        """Let the events up to that number expire."""
        self._subject.at(workload.moment(before) + dt.timedelta(seconds=1))
        start = time.perf_counter()
        gone = self._expire()
        return {"seconds": time.perf_counter() - start, "events": gone}

    def expire_beside(self, before: int) -> dict[str, Any]:
        """The same, while another thread records single events: how long did one of them take at most?"""
        waits: list[float] = []
        done = threading.Event()

        def write() -> None:
            number = self._stored + 10_000
            while not done.is_set():
                event = workload.event(number, self._models.Event, self._models.Trait)
                start = time.perf_counter()
                self._store.record_events([event])
                waits.append(time.perf_counter() - start)
                number += 1
                done.wait(0.02)

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        found = self.expire(before)
        done.set()
        writer.join()
        return {**found, "longest wait": max(waits)}

    def _expire(self) -> int:
        # As the host's command does by default: hundreds until none is left.
        if isinstance(self._subject, Ours):
            return int(self._store.clear_expired_data(1))
        gone = 0
        while deleted := self._store.clear_expired_data(1, 100):
            gone += deleted
        return gone


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("subject", choices=["ours", "panko"])
    parser.add_argument("url")
    arguments = parser.parse_args()
    answers = own_stdout()
    obey(Worker({"ours": Ours, "panko": Panko}[arguments.subject](arguments.url)), answers)


if __name__ == "__main__":
    main()

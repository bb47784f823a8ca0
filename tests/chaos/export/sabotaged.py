"""Workers with a protection taken away: those the audit must catch. Each is made in the process that is the worker."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from tests.chaos.workloads import COMMIT_SECONDS
from undercroft.engines import http
from undercroft.engines.sql import raw
from undercroft.export import worker
from undercroft.export.client import Client
from undercroft.export.dialects.base import Dialect, Row
from undercroft.export.errors import SourceUnavailable
from undercroft.export.sample import COLUMNS
from undercroft.export.source import Source
from undercroft.export.storing import Storing
from undercroft.export.target import Target
from undercroft.export.windows import MICROSECOND

# What comes before the real method.
Method = Callable[..., Any]


def _replace(owner: Any, name: str, by: Any) -> None:
    setattr(owner, name, by)


def _in_two(first: str) -> Callable[[Any], None]:
    """Rows and point in transactions of their own, in this order, with a moment between them."""

    def make(_: Any) -> None:
        whole: Method = Target.store

        def store(self: Target, unit: Any, samples: Any, position: Any, unread: Any = ()) -> Any:
            if first == "point":
                whole(self, unit, [], position, unread)
                time.sleep(COMMIT_SECONDS)
                return whole(self, unit, samples, None, unread)
            # Rows that nobody counted, if it ends here.
            done = whole(self, unit, samples, None, unread)
            time.sleep(COMMIT_SECONDS)
            whole(self, unit, [], position, unread)
            return done

        _replace(Target, "store", store)

    return make


def _exclusive(_: Any) -> None:
    """Complex questions ask for `>` where they should for `>=`."""
    whole: Method = Source._complex

    def asked(self: Source, filter_: Any, meter: str, begin: Any, end: Any, limit: int) -> Any:
        return whole(self, filter_, meter, begin if begin is None else begin + MICROSECOND, end, limit)

    _replace(Source, "_complex", asked)


def _without_overlap(_: Any) -> None:
    begin: Method = worker.Worker._begin

    def without(self: worker.Worker, filter_: Any, unit: Any, end: dt.datetime) -> Any:
        point = self._points.get(unit)
        return begin(self, filter_, unit, end) if point is None else point.position

    _replace(worker.Worker, "_begin", without)


def _without_key(_: Any) -> None:
    """A table without a key, into which rows are inserted as they come."""
    made: Method = Dialect.making

    def making(self: Dialect, table: sa.Table) -> list[str]:
        if table is not self.t.samples:
            return list(made(self, table))
        parts = ", ".join(self.column(column) for column in table.columns)
        return [f"CREATE TABLE IF NOT EXISTS {self.name(table)} ({parts}){self.tail}"]

    def insert(self: Dialect, connection: sa.Connection, rows: Sequence[Row]) -> int:
        places = ", ".join([self.placeholder] * len(COLUMNS))
        statement = f"INSERT INTO {self.samples} ({self._columns}) VALUES ({places})"
        for row in rows:
            raw.changed(connection, statement, row)
        return len(rows)

    def problems(*_: Any) -> Iterator[Any]:
        return iter(())

    for dialect in (Dialect, *Dialect.__subclasses__()):
        for name, method in (("making", making), ("insert", insert), ("problems", problems)):
            _replace(dialect, name, method)


def _ahead(_: Any) -> None:
    """The point goes as far as the newest sample."""

    class Ahead:
        @staticmethod
        def now() -> dt.datetime:
            return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=10)

    _replace(worker, "time", Ahead)


def _swallowing(_: Any) -> None:
    """A batch that failed is passed over."""
    whole: Method = Storing.store
    state = {"count": 0}

    def store(self: Storing, unit: Any, batch: Any, *arguments: Any, **named: Any) -> Any:
        state["count"] += 1
        if state["count"] % 5 == 0:
            batch = batch._replace(samples=batch.samples[1:])
        return whole(self, unit, batch, *arguments, **named)

    _replace(Storing, "store", store)


def _halves_for_whole(_: Any) -> None:
    """An answer that breaks off is taken for one of no samples."""
    whole: Method = Client._once

    def once(self: Client, *arguments: Any) -> Any:
        try:
            return whole(self, *arguments)
        except SourceUnavailable:
            return http.Answer(200, {}, b"[]")

    _replace(Client, "_once", once)


def _slow(pipe: Any) -> None:
    """Not a twin: a transaction that takes a while once rows are in it, and says so."""
    whole: Method = Dialect.note
    state = {"is_told": False}

    def note(self: Dialect, connection: sa.Connection, noted: Any) -> None:
        whole(self, connection, noted)
        if noted.rows and not state["is_told"]:
            state["is_told"] = True
            pipe.send(noted.rows)
            time.sleep(0.5)

    _replace(Dialect, "note", note)


def _tells_when_it_stores(pipe: Any) -> None:
    """Not a twin: says when it is about to store rows, and waits for an answer before it goes on within the transaction."""
    whole: Method = Dialect.note

    def note(self: Dialect, connection: sa.Connection, noted: Any) -> None:
        pipe.send("in a transaction")
        pipe.recv()
        whole(self, connection, noted)

    _replace(Dialect, "note", note)


def _tells_when_it_looks(pipe: Any) -> None:
    """Not a twin: the same before it looks at the points, when nothing is being stored."""
    whole: Method = Dialect.noted

    def noted(self: Dialect, connection: sa.Connection, endpoint_id: str) -> Any:
        pipe.send("before a look at the points")
        pipe.recv()
        return whole(self, connection, endpoint_id)

    _replace(Dialect, "noted", noted)


def _slow_and_broken_off(pipe: Any) -> None:
    """The same, with a signal that ends it wherever it is."""
    _slow(pipe)
    _replace(Storing, "is_under_way", property(lambda _: False, lambda *_: None))


# The audit has to find something with each of these, whatever is killed or not.
HARMFUL = ("point first", "counted apart", "exclusive bound", "no overlap", "no key", "ahead of time", "a sample swallowed")
TWINS: dict[str, Callable[[Any], None]] = {
    "point first": _in_two("point"),
    "counted apart": _in_two("rows"),
    "exclusive bound": _exclusive,
    "no overlap": _without_overlap,
    "no key": _without_key,
    "ahead of time": _ahead,
    "a sample swallowed": _swallowing,
    "half answers taken for whole": _halves_for_whole,
    "tells when it stores": _tells_when_it_stores,
    "tells when it looks": _tells_when_it_looks,
    "slow": _slow,
    "slow and broken off": _slow_and_broken_off,
}

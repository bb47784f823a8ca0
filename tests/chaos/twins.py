"""Writers with a protection taken away: those the audit must catch. Each gets a store, and gives what runs an operation on it."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any

from tests.chaos import event_operations
from tests.chaos.operations import Operation
from undercroft.events import Store
from undercroft.events.drivers import mongodb, opensearch
from undercroft.events.record import Record
from undercroft.rating import BaseStorage, DataFrame

Run = Callable[[Any], None]
Twin = Callable[[Any], Run]
# As long as a busy engine may take between two commits.
_MOMENT = 0.01


# -- rated usage -----------------------------------------------------------------------------------------------------


def in_parts(store: BaseStorage, done: Operation) -> None:
    """A call that is many transactions: what a driver without transactions would do."""
    if done.kind in ("delete", "replace"):
        store.delete(done.begin, done.end, done.filters)
    for frame in done.frames:
        for type_, points in frame.itertypes():
            store.push([DataFrame(frame.start, frame.end, {type_: points})])


def sums_apart(store: Any) -> Run:
    """A store that commits points first and the sums beside them afterwards."""
    writes, database = store._dialect, store._db
    add, add_sums, commit = writes.add, writes.add_sums, database.write
    late: list[Any] = []

    def postpone(_connection: Any, sums: Any) -> None:
        late.append(sums)

    def add_points(connection: Any, points: Any, sums: Any) -> None:
        add(connection, points, [])
        late.append(sums)

    def write_twice(work: Callable[[Any], Any]) -> Any:
        result = commit(work)
        threading.Event().wait(_MOMENT)
        for sums in late:
            commit(lambda connection, sums=sums: add_sums(connection, sums))
        late.clear()
        return result

    writes.add = add_points
    writes.add_sums = postpone
    database.write = write_twice
    return lambda done: done.run(store)


RATING: dict[str, Twin] = {"in parts": lambda store: functools.partial(in_parts, store), "sums apart": sums_apart}

# -- events ----------------------------------------------------------------------------------------------------------


def one_by_one(store: Store, done: event_operations.Operation) -> None:
    """A call that is a transaction for each of its events."""
    if done.kind == "expire":
        done.run(store)
    for event in done.events:
        store.record_events([event])


def traits_apart(store: Any) -> Run:
    """A store that keeps events without their traits first, and with them a moment later."""
    whole = store._record

    def record(records: Sequence[Record]) -> list[str]:
        known: list[str] = whole([each._replace(traits=[]) for each in records])
        threading.Event().wait(_MOMENT)
        if fresh := [each for each in records if each.message_id not in known]:
            _forget(store, [each.message_id for each in fresh])
            whole(fresh)
        return known

    store._record = record
    return lambda done: done.run(store)


def _forget(store: Any, message_ids: list[str]) -> None:
    """Delete events without traits, which no call of the contract does."""
    if isinstance(store, mongodb.Connection):
        store._events_in.delete_many({"_id": {"$in": message_ids}})
    elif isinstance(store, opensearch.Connection):
        named = {"query": {"terms": {"message_id": message_ids}}}
        store._client.call("POST", f"/{store._all}/_delete_by_query", named, refresh="true")
    else:
        event = store._tables.event
        store._db.write(lambda connection: connection.execute(event.delete().where(event.c.message_id.in_(message_ids))))


def written_late(store: Any) -> None:
    """What makes a server acknowledge before it writes, where that is a setting of the indices and not of the server."""
    if isinstance(store, opensearch.Connection):
        path = f"/_index_template/{store._prefix}template"
        template = store._client.call("GET", path)["index_templates"][0]["index_template"]
        template["template"]["settings"]["index"]["translog"] = {"durability": "async", "sync_interval": "60s"}
        store._client.call("PUT", path, template, writes=True)


EVENTS: dict[str, Twin] = {"one by one": lambda store: functools.partial(one_by_one, store), "traits apart": traits_apart}

"""Writers of events with a protection taken away: those the audit must catch."""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from typing import Any

from tests.chaos.events.operations import Operation
from tests.chaos.workloads import COMMIT_SECONDS, Run, Sabotage
from undercroft.events import Store
from undercroft.events.drivers import mongodb, opensearch
from undercroft.events.record import Record


def one_by_one(store: Store, done: Operation) -> None:
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
        threading.Event().wait(COMMIT_SECONDS)
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


SABOTAGED: dict[str, Sabotage] = {"one by one": lambda store: functools.partial(one_by_one, store), "traits apart": traits_apart}

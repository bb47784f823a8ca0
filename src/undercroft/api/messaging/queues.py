"""Queues and topics: make, list, change and delete them."""

from __future__ import annotations

from typing import Any

from undercroft.api.call import Answer
from undercroft.api.messaging import attributes, door, patches, queries
from undercroft.api.messaging.bodies import check_integers
from undercroft.api.messaging.door import MessagingCall, Place
from undercroft.api.messaging.refusals import BODY, Refused
from undercroft.api.messaging.schemas import Edge, MessageCounts, NextLink, QueueOut, Queues, QueuesQuery, StatsOut, Topics
from undercroft.core import deadline
from undercroft.core.names import unknown
from undercroft.messaging import DoesNotExist

_RESOURCES = ("messages", "subscriptions")
# Messages and subscriptions that a purge removes at once.
_AT_ONCE = 500


def list_queues(call: MessagingCall) -> Answer:
    """List the project's queues, in the order of their names."""
    return Answer(200, Queues(*_page(call, call.store.queue_controller, "/v2/queues")))


def list_topics(call: MessagingCall) -> Answer:
    """List the project's topics, in the order of their names."""
    return Answer(200, Topics(*_page(call, call.store.topic_controller, "/v2/topics")))


def _page(call: MessagingCall, controller: Any, path: str) -> tuple[list[QueueOut], list[NextLink], int | None]:
    asked: QueuesQuery = call.query
    most = door.limit(asked.limit, call.conf.messaging.max_queues_per_page)
    page = controller.list(
        door.project(call), asked.marker, most, asked.detailed, kfilter=asked.metadata or None, name=asked.name or None
    )
    rows = list(next(page))
    found = [
        QueueOut(
            row["name"], f"{path}/{row['name']}", attributes.shown(row["metadata"], call.conf) if "metadata" in row else None
        )
        for row in rows
    ]  # fmt: skip
    count = controller.calculate_resource_count(door.project(call)) if asked.with_count else None
    return found, queries.next_links(call, next(page), is_empty=not found), count


def put_queue(call: MessagingCall) -> Answer:
    """Make a queue, or leave the one of this name as it is."""
    at = door.place(call)
    metadata = call.body or {}
    attributes.check(metadata, call, at.project)
    is_new = at.queues.create(at.name, metadata, at.project)
    return Answer(201 if is_new else 204, headers={"Location": at.path})


def get_queue(call: MessagingCall) -> Answer:
    """Give the metadata of a queue, with the defaults of what they lack; those of an unknown queue, too."""
    at = door.place(call)
    return Answer(200, attributes.shown(metadata_of(at) or {}, call.conf))


def metadata_of(at: Place) -> dict[str, Any] | None:
    """The metadata as they are stored; None for an unknown queue."""
    try:
        found: dict[str, Any] = at.queues.get_metadata(at.name, at.project)
    except DoesNotExist:
        return None
    return found


def patch_queue(call: MessagingCall) -> Answer:
    """Change the metadata of a queue, key by key."""
    at = door.place(call)
    check_integers(call.body, "body")
    metadata = patches.patched(at.queues.get_metadata(at.name, at.project), call.body)
    attributes.check(metadata, call, at.project)
    at.queues.set_metadata(at.name, metadata, at.project)
    return Answer(200, attributes.shown(metadata, call.conf))


def delete_queue(call: MessagingCall) -> Answer:
    """Delete a queue with its messages and claims; its subscriptions stay."""
    at = door.place(call)
    at.queues.delete(at.name, at.project)
    return Answer(204)


def stats(call: MessagingCall) -> Answer:
    """Tell how many messages a queue has, and which are its first and last."""
    at = door.place(call)
    try:
        found = at.queues.stats(at.name, at.project)["messages"]
    except DoesNotExist:
        return Answer(200, StatsOut(MessageCounts(0, 0, 0)))
    edges = [
        Edge(f"{at.path}/messages/{found[name]['id']}", found[name]["age"], found[name]["created"]) if name in found else None
        for name in ("oldest", "newest")
    ]
    return Answer(200, StatsOut(MessageCounts(found["claimed"], found["free"], found["total"], *edges)))


# -- purge -------------------------------------------------------------------------------------------------------------


def purge(call: MessagingCall) -> Answer:
    """Remove all messages of a queue, claimed and delayed ones, too, and all its subscriptions, or one of both."""
    at = door.place(call)
    wanted = list(_RESOURCES) if call.body is None else call.body.resource_types
    for name in wanted:
        if name not in _RESOURCES:
            raise Refused(BODY, "resource_types has " + unknown("type", name, _RESOURCES))
    if "messages" in wanted:
        _purge_messages(call, at)
    if "subscriptions" in wanted:
        _purge_subscriptions(call, at)
    return Answer(204)


def _purge_messages(call: MessagingCall, at: Place) -> None:
    messages, marker = call.store.message_controller, None
    while True:
        deadline.check()
        page = messages.list(at.key, at.project, marker, _AT_ONCE, echo=True, include_claimed=True, include_delayed=True)
        ids = [one["id"] for one in next(page)]
        marker = next(page)
        messages.bulk_delete(at.key, ids, at.project)
        if len(ids) < _AT_ONCE:
            return


def _purge_subscriptions(call: MessagingCall, at: Place) -> None:
    subscriptions = call.store.subscription_controller
    while True:
        deadline.check()
        found = list(next(subscriptions.list(at.key, at.project, None, _AT_ONCE)))
        for one in found:
            subscriptions.delete(at.key, one["id"], at.project)
        if len(found) < _AT_ONCE:
            return

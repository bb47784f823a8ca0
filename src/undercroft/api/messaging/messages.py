"""Messages: post, list, get, delete, pop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from undercroft.api import idempotency, wire
from undercroft.api.call import Answer
from undercroft.api.messaging import attributes, door, queries
from undercroft.api.messaging.bodies import check_integers
from undercroft.api.messaging.door import MessagingCall, Place
from undercroft.api.messaging.queues import metadata_of
from undercroft.api.messaging.refusals import API, BODY, UNABLE_TO_DELETE, Claimed, Missing, Refused
from undercroft.api.messaging.schemas import (
    DeleteMessagesQuery,
    MessageOut,
    Messages,
    MessagesQuery,
    NewMessage,
    Popped,
    PoppedMessage,
    Posted,
    Resources,
)
from undercroft.messaging import ClaimDoesNotExist, ClaimDoesNotMatch, MessageNotClaimed, NotPermitted
from undercroft.messaging.attributes import DEFAULT_DELAY, DEFAULT_TTL, ENCRYPT, MAX_POST_SIZE
from undercroft.messaging.contract.message import checksum
from undercroft.messaging.sealing import SETTING, Unopened

# Ids that fit into a header, whatever reads it.
_IN_HEADER = 100


def shown(call: MessagingCall, at: Place, found: Mapping[str, Any]) -> MessageOut:
    """A message as clients get it: not one key more."""
    claim = found["claim_id"]
    href = f"{at.path}/messages/{found['id']}"
    body = call.beside.sealer.open(found["body"], at.project)
    return MessageOut(
        found["id"], f"{href}?claim_id={claim}" if claim else href, found["ttl"], found["age"], body, _checksum(call, body)
    )


def _checksum(call: MessagingCall, body: Any) -> str | None:
    """That of the body as it was posted; the controllers see what is stored, which may be encrypted."""
    return checksum(body) if call.conf.messaging.enable_checksum else None


# -- post --------------------------------------------------------------------------------------------------------------


def post_messages(call: MessagingCall) -> Answer:
    """Store messages, all or none; a queue that does not exist is made."""
    at = door.place(call)
    posted: Posted = call.body
    if not posted.messages:
        raise Refused(BODY, "No messages were found in the request body.")
    for place, message in enumerate(posted.messages):
        _check(call, message, place)
    metadata = metadata_of(at)
    _check_size(call, metadata or {})
    messages = [_completed(call, at, message, metadata or {}) for message in posted.messages]
    if metadata is None:
        at.queues.create(at.name, {}, at.project)
    client, controller = call.headers[door.CLIENT], call.store.message_controller
    if call.receipt is None:
        ids = controller.post(at.key, messages, client, at.project)
        return _posted(at, ids, Resources(_hrefs(at, ids)))
    if not call.store.capabilities.store_once:
        raise Refused(API, f"{idempotency.HEADER} is not kept by this store; give each message a dedup_id instead")
    told = controller.post_once(
        at.key, messages, client, at.project, receipt=call.receipt(b""), answer=lambda ids: wire.encode(Resources(_hrefs(at, ids)))
    )
    hrefs: list[str] = msgspec.json.decode(told)["resources"]
    return _posted(at, [href.rpartition("/")[2] for href in hrefs], msgspec.Raw(told))


def _check(call: MessagingCall, message: NewMessage, place: int) -> None:
    most = call.conf.messaging
    check_integers(message.body, f"messages[{place}].body")
    _check_seconds(message.ttl, attributes.SHORTEST_TTL, most.max_message_ttl, f"messages[{place}].ttl")
    _check_seconds(message.delay, 0, most.max_message_delay, f"messages[{place}].delay")


def _check_seconds(given: int | None, least: int, most: int, field: str) -> None:
    if given is not None and not least <= given <= most:
        raise Refused(API, f"{field} is from {least} to {most} seconds, not {given}")


def _check_size(call: MessagingCall, metadata: Mapping[str, Any]) -> None:
    most = min(
        call.conf.messaging.max_messages_post_size, metadata.get(MAX_POST_SIZE) or call.conf.messaging.max_messages_post_size
    )
    if call.size > most:
        raise Refused(API, f"the post has {call.size:,} bytes; this queue takes {most:,}: post the messages in parts")


def _completed(call: MessagingCall, at: Place, message: NewMessage, metadata: Mapping[str, Any]) -> dict[str, Any]:
    sealer = call.beside.sealer
    if metadata.get(ENCRYPT):
        if not sealer.is_able:
            raise Refused(API, f"the queue encrypts its messages, and this service has no key: its operator sets {SETTING}")
        body = sealer.seal(message.body, at.key, at.project)
    else:
        body = sealer.shield(message.body)
    ttl = metadata.get(DEFAULT_TTL, call.conf.messaging.default_message_ttl) if message.ttl is None else message.ttl
    delay = metadata.get(DEFAULT_DELAY, call.conf.messaging.default_message_delay) if message.delay is None else message.delay
    found = {"ttl": ttl, "delay": delay, "body": body}
    return found if message.dedup_id is None else {**found, "dedup_id": message.dedup_id}


def _hrefs(at: Place, ids: Sequence[str]) -> list[str]:
    return [f"{at.path}/messages/{each}" for each in ids]


def _posted(at: Place, ids: Sequence[str], value: Any) -> Answer:
    location = f"{at.path}/messages"
    return Answer(201, value, headers={"Location": f"{location}?ids={','.join(ids)}" if len(ids) <= _IN_HEADER else location})


# -- get ---------------------------------------------------------------------------------------------------------------


def list_messages(call: MessagingCall) -> Answer:
    """List messages of a queue in the order in which they were posted, or give those of some ids."""
    asked: MessagesQuery = call.query
    at = door.place(call)
    messages, most = call.store.message_controller, call.conf.messaging.max_messages_per_page
    if asked.ids:
        if asked.wait is not None:
            raise Refused(API, "wait goes with a page, not with ids")
        door.limit(len(asked.ids), most, field="the number of ids")
        found = [shown(call, at, each) for each in messages.bulk_get(at.key, asked.ids, at.project)]
        if not found:
            raise Missing(f"none of these messages exists in {at.path}")
        return Answer(200, Messages(found))
    page = messages.list(
        at.key, at.project, asked.marker, door.limit(asked.limit, most), asked.echo, call.headers[door.CLIENT],
        asked.include_claimed, include_delayed=asked.include_delayed, wait=call.wait,
    )  # fmt: skip
    found = [shown(call, at, each) for each in next(page)]
    return Answer(200, Messages(found, queries.next_links(call, next(page), is_empty=not found)))


def get_message(call: MessagingCall) -> Answer:
    """Give one message."""
    at = door.place(call)
    return Answer(200, shown(call, at, call.store.message_controller.get(at.key, call.path["message_id"], at.project)))


# -- delete ------------------------------------------------------------------------------------------------------------


def delete_messages(call: MessagingCall) -> Answer:
    """Delete messages by their ids, or remove the oldest ones and give them back."""
    asked: DeleteMessagesQuery = call.query
    at = door.place(call)
    if bool(asked.ids) == (asked.pop is not None):
        raise Refused(API, "either ids or pop is needed, and not both")
    if asked.pop is not None:
        return _pop(call, at, asked.pop)
    door.limit(len(asked.ids), call.conf.messaging.max_messages_per_page, field="the number of ids")
    claims = None
    if call.conf.messaging.message_delete_with_claim_id:
        if not asked.claim_ids:
            raise Refused(API, "claim_ids is needed, the ids of the claims that the messages are under")
        claims = asked.claim_ids
    try:
        call.store.message_controller.bulk_delete(at.key, asked.ids, at.project, claim_ids=claims)
    except (MessageNotClaimed, ClaimDoesNotMatch) as error:
        raise Refused(UNABLE_TO_DELETE, str(error)) from None
    return Answer(204)


def _pop(call: MessagingCall, at: Place, wanted: int) -> Answer:
    if call.query.claim_ids:
        raise Refused(API, "claim_ids goes with ids, not with pop")
    door.limit(wanted, call.conf.messaging.max_messages_per_claim_or_pop, field="pop")
    messages, sealer = call.store.message_controller, call.beside.sealer
    if ENCRYPT in (metadata_of(at) or {}):
        # What cannot be opened must not be removed: with another key every pop would fail, and change the order of the queue.
        for each in next(messages.list(at.key, at.project, None, wanted, echo=True)):
            sealer.open(each["body"], at.project)
    found = messages.pop(at.key, wanted, at.project)
    try:
        opened = [{**each, "body": sealer.open(each["body"], at.project)} for each in found]
    except Unopened:
        messages.post(at.key, [{"ttl": each["ttl"], "body": each["body"]} for each in found], call.headers[door.CLIENT], at.project)
        raise
    return Answer(200, Popped([PoppedMessage(**{**each, "checksum": _checksum(call, each["body"])}) for each in opened]))


def delete_message(call: MessagingCall) -> Answer:
    """Delete a message; one under a claim is deleted with the claim's id only."""
    at = door.place(call)
    try:
        call.store.message_controller.delete(at.key, call.path["message_id"], at.project, call.query.claim_id)
    except ClaimDoesNotExist as error:
        raise Refused(UNABLE_TO_DELETE, f"{error}, or has expired") from None
    except MessageNotClaimed as error:
        raise Refused(UNABLE_TO_DELETE, f"{error}: delete it without claim_id") from None
    except NotPermitted as error:
        raise Claimed(f"{error}: it is deleted with the id of its claim only") from None
    return Answer(204)

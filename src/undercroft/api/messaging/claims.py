"""Claims: messages that one worker has for a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from undercroft.api.call import Answer
from undercroft.api.messaging import door
from undercroft.api.messaging.door import MessagingCall, Place
from undercroft.api.messaging.messages import shown
from undercroft.api.messaging.refusals import API, Refused
from undercroft.api.messaging.schemas import ClaimOut, Lease, MessageOut, Messages
from undercroft.messaging.sealing import Unopened

SHORTEST = 60


def post_claim(call: MessagingCall) -> Answer:
    """Claim the oldest messages that are free; 204 where there is none."""
    at = door.place(call)
    lease = _lease(call, call.body or Lease(), SHORTEST)
    most = door.limit(call.query.limit, call.conf.messaging.max_messages_per_claim_or_pop)
    claim, found = call.store.claim_controller.create(at.key, lease, at.project, most, wait=call.wait)
    if claim is None or not found:
        return Answer(204)
    if call.wait and call.hang_up is not None and call.hang_up.fired:
        # Its client went while it waited: others have these messages at once.
        call.store.claim_controller.delete(at.key, claim, at.project)
        return Answer(204)
    try:
        messages = _messages(call, at, claim, found)
    except Unopened:
        call.store.claim_controller.delete(at.key, claim, at.project)
        raise
    return Answer(201, Messages(messages), headers={"Location": f"{at.path}/claims/{claim}"})


def _lease(call: MessagingCall, given: Lease, least_grace: int) -> dict[str, int]:
    settings = call.conf.messaging
    found = {
        "ttl": settings.default_claim_ttl if given.ttl is None else given.ttl,
        "grace": settings.default_claim_grace if given.grace is None else given.grace,
    }
    for name, least, most in (("ttl", SHORTEST, settings.max_claim_ttl), ("grace", least_grace, settings.max_claim_grace)):
        if not least <= found[name] <= most:
            raise Refused(API, f"{name} is from {least} to {most} seconds, not {found[name]}")
    return found


def _messages(call: MessagingCall, at: Place, claim: str, found: Sequence[Mapping[str, Any]]) -> list[MessageOut]:
    return [shown(call, at, {**each, "claim_id": claim}) for each in found]


def get_claim(call: MessagingCall) -> Answer:
    """Give a claim with its messages."""
    at = door.place(call)
    claim = call.path["claim_id"]
    meta, found = call.store.claim_controller.get(at.key, claim, at.project)
    return Answer(200, ClaimOut(meta["age"], meta["ttl"], _messages(call, at, claim, found), f"{at.path}/claims/{claim}"))


def patch_claim(call: MessagingCall) -> Answer:
    """Renew a claim: its time begins anew."""
    at = door.place(call)
    call.store.claim_controller.update(at.key, call.path["claim_id"], _lease(call, call.body, 0), at.project)
    return Answer(204)


def delete_claim(call: MessagingCall) -> Answer:
    """Release a claim: its messages are free at once."""
    at = door.place(call)
    call.store.claim_controller.delete(at.key, call.path["claim_id"], at.project)
    return Answer(204)

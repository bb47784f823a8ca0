"""What lanes hold: messages for one subscription, and what asks it to confirm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from undercroft.messaging.contract.arguments import TOPIC
from undercroft.messaging.delivery.notification import Notification
from undercroft.messaging.models import Posted
from undercroft.messaging.sealing import MARK, Sealer

# No body without it is sealed, and needs to be read.
_MARK = MARK.encode()


class Letter(NamedTuple):
    """A message of a lane.

    Attributes:
        id: in the lane.
        claims: how many claims took it.
        message: the id of the message; that of the lane, for what asks to confirm.
        ttl, expires: its seconds, and when it is over, in milliseconds since 1970; None for when the lane says.
        body: JSON text as it was stored.
        confirmation: what asks to confirm; None for a message.
    """

    id: str
    claims: int
    message: str
    ttl: int
    expires: int | None
    body: bytes
    confirmation: bytes | None


class _Held(msgspec.Struct):
    """The body of a lane's message. That of the message is text: its depth is bounded, and may be used up."""

    id: str = ""
    body: str = "null"
    ttl: int = 0
    expires: int | None = None
    confirmation: dict[str, Any] | None = None


def held(posted: Posted) -> dict[str, Any]:
    """An entry of the outbox as the body of a lane's message."""
    return {"id": posted.id, "body": posted.body.decode(), "ttl": posted.ttl, "expires": posted.expires}


def letter(message: Mapping[str, Any]) -> Letter | None:
    """A message of a lane; None for one of no form that was ever stored."""
    try:
        found = msgspec.convert(message["body"], _Held)
    except msgspec.ValidationError:
        return None
    return Letter(
        message["id"],
        message["claim_count"],
        found.id or message["id"],
        found.ttl or message["ttl"],
        found.expires,
        found.body.encode(),
        None if found.confirmation is None else msgspec.json.encode(found.confirmation),
    )


def notification(found: Letter, subscription: Mapping[str, Any], project: str, sealer: Sealer) -> Notification:
    """A letter as it is sent.

    Args:
        found: the letter.
        subscription: its subscription.
        project: whose.
        sealer: opens what is encrypted.

    Raises:
        Unopened: it cannot be decrypted.
    """
    return Notification(
        subscription["subscriber"],
        subscription["options"],
        subscription["source"].removeprefix(TOPIC),
        project,
        subscription["id"],
        found.message,
        found.ttl,
        _opened(found.body, project, sealer),
        found.confirmation,
    )


def _opened(body: bytes, project: str, sealer: Sealer) -> bytes:
    return msgspec.json.encode(sealer.open(msgspec.json.decode(body), project)) if _MARK in body else body

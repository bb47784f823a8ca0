"""Asks the receivers of subscriptions whether they agree: with a signature by which they answer without a token."""

from __future__ import annotations

import datetime as dt

from oslo_config import cfg

from undercroft.api.messaging import signatures
from undercroft.api.messaging.door import MessagingCall, Place
from undercroft.core import time
from undercroft.core.errors import ConfigInvalid
from undercroft.messaging.contract.outbox import lane
from undercroft.messaging.delivery import confirmation
from undercroft.messaging.models import Subscribed

# Who posts them, as the id of a client.
_CLIENT = "undercroft-confirmation"
# Seconds: a signature is of use for as long as its subscription, but no moment leaves the calendar.
_LONGEST = 10 * 365 * 86_400


def check(conf: cfg.ConfigOpts) -> None:
    """Refuse settings with which nothing could be confirmed.

    Raises:
        ConfigInvalid: it says what is missing.
    """
    if conf.messaging.require_confirmation and not conf.messaging.secret_key:
        raise ConfigInvalid(f"[messaging] require_confirmation needs {signatures.SETTING}, which signs the calls that confirm")


def ask(call: MessagingCall, at: Place, subscription: str, ttl: int) -> None:
    """Send a subscriber what it is to confirm; nothing where no confirmation is needed.

    Args:
        call: the request.
        at: the queue or topic.
        subscription: its id.
        ttl: seconds that it lives.
    """
    if not call.conf.messaging.require_confirmation:
        return
    path = f"{at.path}/subscriptions/{subscription}/confirm"
    asked = confirmation.message(at.name, _base(call) + path, _signed(call, at, path, ttl))
    letter = {"ttl": ttl, "body": {"confirmation": asked}}
    call.store.message_controller.post(lane(subscription), [letter], _CLIENT, at.project)
    call.store.outbox.wake([Subscribed(at.project, at.key, subscription)])


def _base(call: MessagingCall) -> str:
    return (call.conf.messaging.public_url or call.base).rstrip("/")


def _signed(call: MessagingCall, at: Place, path: str, ttl: int) -> dict[str, str]:
    """Headers that give access to the one call."""
    expires = signatures.written(time.now() + dt.timedelta(seconds=min(ttl, _LONGEST)))
    key = call.conf.messaging.secret_key
    return {
        "URL-Signature": signatures.signature(key, [path], ["PUT"], at.project, expires),
        "URL-Methods": "PUT",
        "URL-Paths": path,
        "URL-Expires": expires,
        "X-Project-ID": at.project,
    }

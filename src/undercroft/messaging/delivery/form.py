"""The form of a webhook: what receivers that were written for the host get, with the headers of Standard Webhooks beside it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from undercroft.core import document, registry, time
from undercroft.core.errors import InvalidInput
from undercroft.messaging.delivery.notification import Notification

try:
    from standardwebhooks import Webhook
except ImportError as error:
    raise registry.missing_extra("signing webhooks", "server", error) from error

HEADERS, DATA, SECRET = "post_headers", "post_data", "webhook_secret"
# Where the text of `post_data` has this, quotes included, the message goes.
_PLACE = '"$zaqar_message$"'
# Headers of the connection, and those by which receivers tell what comes from us.
_OURS = frozenset(("host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer", "expect"))
_OUR_PREFIXES = ("webhook-", "proxy-")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}", re.ASCII)
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,8192}")
_MOST_HEADERS = 64
# A short text with many places would make a request of gigabytes out of one message; so would the options of many subscriptions,
# which are read together.
_MOST_PLACES, _MOST_BYTES = 8, 65_536
_PREFIX, _LEAST_SECRET, _MOST_SECRET = "whsec_", 24, 64
_encoder = msgspec.json.Encoder()


class _Message(msgspec.Struct):
    body: msgspec.Raw
    ttl: int
    Message_Type: str
    queue_name: str


def message(notification: Notification) -> bytes:
    """The message as receivers of the host know it, as JSON."""
    if notification.confirmation is not None:
        return notification.confirmation
    return _encoder.encode(_Message(msgspec.Raw(notification.body), notification.ttl, "Notification", notification.queue))


def body(notification: Notification) -> bytes:
    """What is posted: the message, or the text of `post_data` around it.

    Raises:
        InvalidInput: that text has the message too often.
    """
    text = notification.options.get(DATA)
    if not isinstance(text, str):
        return message(notification)
    _check_places(text)
    return text.encode().replace(_PLACE.encode(), message(notification))


def headers(notification: Notification, posted: bytes, login: str | None) -> dict[str, str]:
    """The headers of the request that posts it.

    Args:
        notification: what is sent.
        posted: the body.
        login: the header Authorization, unless the subscription has one.

    Raises:
        InvalidInput: a header or the secret of the subscription cannot be used.
    """
    found = {"accept": "*/*", "content-type": "application/json", "user-agent": "undercroft"}
    if login is not None:
        found["authorization"] = login
    given = _object(notification.options.get(HEADERS))
    check_headers(given)
    found.update({name.lower(): value for name, value in given.items() if not is_ours(name)})
    return {**found, **_signed(notification, posted)}


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _signed(notification: Notification, posted: bytes) -> dict[str, str]:
    """The headers of Standard Webhooks."""
    now = time.now()
    found = {"webhook-id": notification.message, "webhook-timestamp": str(time.to_micros(now) // 1_000_000)}
    secret = notification.options.get(SECRET)
    if secret is None:
        return found
    check_secret(secret)
    return {**found, "webhook-signature": Webhook(secret).sign(notification.message, now, posted.decode())}


# -- checks ------------------------------------------------------------------------------------------------------------


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse options of a subscription with which nothing could be sent, or not what is meant.

    Raises:
        InvalidInput: it says which, and what it takes.
    """
    size = len(document.encoded(options, "options").encode())
    if size > _MOST_BYTES:
        raise InvalidInput("options", f"{size:,} bytes as JSON are more than {_MOST_BYTES:,}")
    given = options.get(HEADERS, {})
    if not isinstance(given, Mapping):
        raise InvalidInput(f"options.{HEADERS}", 'is an object of headers, such as {"X-Route": "a"}')
    check_headers(given)
    for name in given:
        if is_ours(name):
            raise InvalidInput(f"options.{HEADERS}", f"{name[:64]} is set by the service")
    text = options.get(DATA, "")
    if not isinstance(text, str):
        raise InvalidInput(f"options.{DATA}", f"is text, in which {_PLACE} is replaced by the message")
    _check_places(text)
    if SECRET in options:
        check_secret(options[SECRET])


def _check_places(text: str) -> None:
    if (places := text.count(_PLACE)) > _MOST_PLACES:
        raise InvalidInput(f"options.{DATA}", f"has {_PLACE} {places:,} times, more than {_MOST_PLACES}")


def is_ours(name: str) -> bool:
    """Whether a header is not for subscriptions to set."""
    return name.lower() in _OURS or name.lower().startswith(_OUR_PREFIXES)


def check_headers(given: Mapping[Any, Any]) -> None:
    """Refuse names and values that HTTP does not allow in a header.

    Raises:
        InvalidInput: it says which.
    """
    if len(given) > _MOST_HEADERS:
        raise InvalidInput(f"options.{HEADERS}", f"{len(given)} headers are more than {_MOST_HEADERS}")
    for name, value in given.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InvalidInput(f"options.{HEADERS}", f"{str(name)[:64]!r} is not the name of a header")
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            raise InvalidInput(
                f"options.{HEADERS}", f"the value of {name[:64]} is not text of at most 8,192 characters of ISO 8859-1, in one line"
            )


def check_secret(secret: Any) -> None:
    """Refuse what cannot sign.

    Raises:
        InvalidInput: it is not of the form of Standard Webhooks.
    """
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (AttributeError, binascii.Error, ValueError):
        key = b""
    if not (isinstance(secret, str) and secret.startswith(_PREFIX) and _LEAST_SECRET <= len(key) <= _MOST_SECRET):
        raise InvalidInput(
            f"options.{SECRET}", f"is {_PREFIX} and the base64 of {_LEAST_SECRET} to {_MOST_SECRET} random bytes behind it"
        )

"""What a subscriber's URI names: a receiver of webhooks, or a mailbox. What it cannot name is refused.

A URI is taken apart once, here, and what is found is what is connected to: two parsers that read one URI differently are how
checks of addresses are passed by.
"""

from __future__ import annotations

import base64
import re
import urllib.parse
from typing import NamedTuple

from undercroft.core.errors import InvalidInput
from undercroft.engines.webhooks import Target

WEBHOOKS, MAIL = ("http", "https"), "mailto"
_FIELD = "subscriber"
# Names as they are looked up, addresses of IPv4 in whatever spelling; addresses of IPv6.
_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_-]{1,63})*\.?", re.ASCII)
_SIX = re.compile(r"\[([0-9A-Fa-f:.]{2,45})\]", re.ASCII)
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
# What a path and a query may be made of, beside what is percent-encoded.
_PLAIN = "/%:@!$&'()*+,;=?~-._"
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", re.ASCII)


class Receiver(NamedTuple):
    """What takes webhooks.

    Attributes:
        target: where requests go.
        login: the header Authorization that the URI's user and password make; None without them.
    """

    target: Target
    login: str | None


class Mailbox(NamedTuple):
    """What takes mail; the subject is None where the URI has none."""

    address: str
    subject: str | None


def scheme(uri: str) -> str:
    """What a URI begins with, in small letters; empty for what is not one."""
    return uri.partition(":")[0].lower() if ":" in uri else ""


def receiver(uri: str) -> Receiver:
    """The receiver that an http or https URI names.

    Raises:
        InvalidInput: it names none.
    """
    try:
        found = urllib.parse.urlsplit(_checked(uri))
    except InvalidInput:
        raise
    except ValueError:
        raise InvalidInput(_FIELD, "is not a URI: its host is malformed") from None
    login, _, place = found.netloc.rpartition("@")
    host, port = _host_and_port(place)
    is_tls = found.scheme.lower() == "https"
    number = int(port) if port else 443 if is_tls else 80
    if not 1 <= number <= 65_535:
        raise InvalidInput(_FIELD, f"{number} is not a port")
    path = urllib.parse.quote(found.path or "/", safe=_PLAIN)
    query = f"?{urllib.parse.quote(found.query, safe=_PLAIN)}" if found.query else ""
    return Receiver(Target(is_tls, host, number, path + query), _basic(login) if login else None)


def _checked(uri: str) -> str:
    # urlsplit takes line ends and tabs out, and some programs take a backslash for a slash.
    if any(character <= " " or character in "\\\x7f" for character in uri):
        raise InvalidInput(_FIELD, "has spaces, control characters or backslashes")
    if not re.match(r"https?://", uri, re.ASCII | re.IGNORECASE):
        raise InvalidInput(_FIELD, "needs a host, such as https://example.org/messages")
    return uri


def _host_and_port(place: str) -> tuple[str, str]:
    six = _SIX.match(place)
    host, rest = (six[1], place[six.end() :]) if six else _parted(place)
    if not host:
        raise InvalidInput(_FIELD, "needs a host, such as https://example.org/messages")
    if not host.isascii():
        raise InvalidInput(_FIELD, "the host has letters beyond ASCII: write it in the form that begins with xn--")
    if rest and not _PORT.fullmatch(rest[1:]):
        raise InvalidInput(_FIELD, "the port is not a number")
    if six is None and not _NAME.fullmatch(host):
        raise InvalidInput(_FIELD, "the host is neither a name nor an address")
    return host.lower().removesuffix("."), rest[1:]


def _parted(place: str) -> tuple[str, str]:
    host, colon, port = place.partition(":")
    return host, colon + port


def _basic(login: str) -> str:
    user, _, password = login.partition(":")
    text = f"{urllib.parse.unquote(user)}:{urllib.parse.unquote(password)}"
    return f"Basic {base64.b64encode(text.encode()).decode()}"


def mailbox(uri: str) -> Mailbox:
    """The mailbox that a mailto URI names; of what follows its question mark only the subject counts.

    Raises:
        InvalidInput: it names none, or more than one.
    """
    address, _, query = uri.partition(":")[2].partition("?")
    address = urllib.parse.unquote(address)
    if not _ADDRESS.fullmatch(address):
        raise InvalidInput(_FIELD, "mailto needs one address, such as mailto:ops@example.org")
    given = {name.lower(): value for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True)}
    return Mailbox(address, one_line(given["subject"], _FIELD) if "subject" in given else None)


def one_line(text: str, field: str) -> str:
    """Text that is the value of a header of mail.

    Raises:
        InvalidInput: it would begin another one.
    """
    if len(text) > 500 or not all(character.isprintable() for character in text):
        raise InvalidInput(field, "a subject has at most 500 characters, none of them a control character or a line's end")
    return text

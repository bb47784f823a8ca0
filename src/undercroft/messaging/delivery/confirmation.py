"""What asks a subscriber to confirm: a message with the signature that lets it do so without a token."""

from __future__ import annotations

import shlex
import urllib.parse
import uuid
from collections.abc import Mapping

import msgspec

TYPE = "SubscriptionConfirmation"
_SIGNED = ("URL-Signature", "URL-Expires", "URL-Methods", "URL-Paths", "X-Project-ID")


def message(queue: str, url: str, signed: Mapping[str, str]) -> dict[str, object]:
    """The message that asks.

    Args:
        queue: what was subscribed to.
        url: of the call that confirms.
        signed: headers of that call.
    """
    return {
        "Message_Type": TYPE,
        "Message": f"You have chosen to subscribe to the queue: {queue}",
        **signed,
        "WSGISubscribeURL": url,
        "SubscribeBody": {"confirmed": True},
        "UnsubscribeBody": {"confirmed": False},
        "queue_name": queue,
    }


def text(asked: bytes, queue: str, page: str | None) -> str:
    """The text of the mail that asks.

    Args:
        asked: the message, as JSON.
        queue: what was subscribed to.
        page: the operator's page that confirms when it is opened; None for none.
    """
    found = msgspec.json.decode(asked, type=dict[str, object])
    given = {name: str(found.get(name, "")) for name in (*_SIGNED, "WSGISubscribeURL")}
    beginning = f"This address was subscribed to the queue {queue} of project {given['X-Project-ID']}.\n\n"
    end = "\nWithout a confirmation nothing else is sent. If you did not ask for this, ignore this mail.\n"
    if page:
        return f"{beginning}To confirm the subscription, open:\n\n{_link(page, queue, given)}\n{end}"
    return f"{beginning}To confirm the subscription, run:\n\n{_command(given)}\n{end}"


def _link(page: str, queue: str, given: Mapping[str, str]) -> str:
    """The page with the parameters of the host's."""
    parameters = {
        "Signature": given["URL-Signature"],
        "Methods": given["URL-Methods"],
        "Paths": given["URL-Paths"],
        "Project": given["X-Project-ID"],
        "Expires": given["URL-Expires"],
        "Url": given["WSGISubscribeURL"],
        "Queue": queue,
    }
    return f"{page}{'&' if '?' in page else '?'}{urllib.parse.urlencode(parameters)}"


def _command(given: Mapping[str, str]) -> str:
    headers = {**{name: given[name] for name in _SIGNED}, "Client-ID": str(uuid.uuid4()), "Content-Type": "application/json"}
    lines = ["curl -X PUT", *(f"  -H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items())]
    return " \\\n".join([*lines, "  -d '{\"confirmed\": true}'", f"  {shlex.quote(given['WSGISubscribeURL'])}"])

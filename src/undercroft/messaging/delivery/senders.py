"""What sends a notification, by the scheme of the subscriber's URI, with the settings of the process."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from undercroft.engines.addresses import Guard, literal
from undercroft.engines.resolving import Resolver
from undercroft.engines.webhooks import SECONDS, Poster
from undercroft.messaging import settings
from undercroft.messaging.delivery import form, mail, uris
from undercroft.messaging.delivery.authorities import trusted
from undercroft.messaging.delivery.mail import MailSender, Server
from undercroft.messaging.delivery.notification import Kind, Notification, Outcome, Sender
from undercroft.messaging.delivery.webhook import WebhookSender

_ALLOW = "[messaging] notify_allow"


class Senders:
    """Sends to every kind of subscriber; threads may share it.

    Args:
        conf: an oslo.config object.
        resolver: finds the addresses of receivers; None for the system's.
        seconds: that a notification may take.

    Raises:
        ConfigInvalid: a setting cannot be used.
    """

    def __init__(self, conf: Any, resolver: Resolver | None = None, seconds: float = SECONDS) -> None:
        cafile = settings.value(conf, "notify_cafile")
        # What the machine trusts takes a while to be read, and not all have receivers with TLS.
        tls = functools.cache(lambda: trusted(cafile))
        if cafile is not None:
            tls()
        self._poster = Poster(guard(conf), tls, resolver, seconds)
        webhooks = WebhookSender(self._poster)
        mailer = MailSender(Server.of(conf))
        self._by_scheme: dict[str, Sender] = {**dict.fromkeys(uris.WEBHOOKS, webhooks), uris.MAIL: mailer}

    def send(self, notification: Notification) -> Outcome:
        """See `notification.Sender`."""
        sender = self._by_scheme.get(uris.scheme(notification.subscriber))
        if sender is None:
            return Outcome(Kind.REFUSED, "the subscriber is of a type that is not notified")
        return sender.send(notification)

    def close(self) -> None:
        """Close the connections that are kept."""
        self._poster.close()


def guard(conf: Any) -> Guard:
    """Tells which addresses subscribers may have.

    Raises:
        ConfigInvalid: a network of the settings is not one.
    """
    return Guard(settings.value(conf, "notify_allow"), _ALLOW)


def check_subscriber(uri: str, permitted: Guard) -> None:
    """Refuse a URI of http, https or mailto to which nothing can be sent; names of hosts are looked at when something is.

    Raises:
        InvalidInput: it is malformed.
        Forbidden: it names an address that must not be reached.
    """
    if uris.scheme(uri) == uris.MAIL:
        uris.mailbox(uri)
        return
    address = literal(uris.receiver(uri).target.host)
    if address is not None:
        permitted.check([address])


def check_options(options: Mapping[str, Any], uri: str | None) -> None:
    """Refuse options of a subscription with which nothing could be sent to a URI; None for one that is not known.

    Raises:
        InvalidInput: it says which, and what it takes.
    """
    form.check_options(options)
    if uri is not None and uris.scheme(uri) == uris.MAIL:
        mail.check_options(options)

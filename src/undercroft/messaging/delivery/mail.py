"""Sends notifications to mailto subscribers, through the mail server of the operator."""

from __future__ import annotations

import contextlib
import email.message
import email.policy
import email.utils
import hashlib
import smtplib
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Self

from undercroft.core import deadline, time
from undercroft.core.errors import ConfigInvalid, InvalidInput
from undercroft.engines.watchdog import limited
from undercroft.messaging import settings
from undercroft.messaging.delivery import authorities, confirmation, form, uris
from undercroft.messaging.delivery.notification import Kind, Notification, Outcome

# Seconds that a mail may take, and each step of it.
_SECONDS, _STEP = 30.0, 10.0
_SENDER = "[messaging] smtp_sender"


class Server(NamedTuple):
    """The mail server, as the settings name it; `host` is None for none."""

    host: str | None
    port: int
    security: str
    user: str | None
    password: str
    sender: str
    cafile: str | None
    page: str | None

    @classmethod
    def of(cls, conf: Any) -> Self:
        """The one of the configuration."""

        def of(name: str) -> Any:
            return settings.value(conf, name)

        return cls(
            of("smtp_host"), of("smtp_port"), of("smtp_security"), of("smtp_user"), of("smtp_password") or "", of("smtp_sender"),
            of("notify_cafile"), of("external_confirmation_url"),
        )  # fmt: skip


class MailSender:
    """Sends mail, one connection each.

    Args:
        server: takes it.

    Raises:
        ConfigInvalid: a setting cannot be used.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._domain = _domain(server.sender)
        self._tls = authorities.trusted(server.cafile) if server.host else None

    def send(self, notification: Notification) -> Outcome:
        """See `notification.Sender`."""
        if not self._server.host:
            return Outcome(Kind.REFUSED, "this service sends no mail: [messaging] smtp_host is not set")
        try:
            mail = self._mail(notification)
        except InvalidInput as error:
            return Outcome(Kind.REFUSED, str(error))
        try:
            with deadline.within(_SECONDS), self._connected(self._server.host) as server:
                server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            (code, _), *_ = error.recipients.values()
            return _refused("the mailbox", code)
        except smtplib.SMTPDataError as error:
            return _refused("the mail", error.smtp_code)
        except smtplib.SMTPResponseException as error:
            return Outcome(Kind.RETRY, f"the mail server answers {error.smtp_code} ({type(error).__name__})")
        except ssl.SSLCertVerificationError as error:
            return Outcome(Kind.RETRY, f"the certificate of the mail server is not valid: {error.verify_message}")
        except (OSError, smtplib.SMTPException) as error:
            return Outcome(Kind.RETRY, f"the mail server did not take it: {type(error).__name__}")
        return Outcome(Kind.DELIVERED)

    @contextlib.contextmanager
    def _connected(self, host: str) -> Iterator[smtplib.SMTP]:
        own = self._server
        if own.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, own.port, self._domain, timeout=_STEP, context=self._tls)
        else:
            server = smtplib.SMTP(host, own.port, self._domain, timeout=_STEP)
        # What was sent is sent, whether or not the server says good-bye.
        with contextlib.closing(server), limited(server, _cut):
            if own.security == "starttls":
                server.starttls(context=self._tls)
            if own.user:
                server.login(own.user, own.password)
            yield server

    def _mail(self, notification: Notification) -> email.message.EmailMessage:
        box = uris.mailbox(notification.subscriber)
        options = notification.options
        mail = email.message.EmailMessage(policy=email.policy.SMTP)
        mail["From"], mail["To"], mail["Subject"] = self._server.sender, box.address, _subject(notification, box)
        if (answers := _answers(options)) is not None:
            # A tenant does not choose the sender of the operator's mail.
            mail["Reply-To"] = answers
        mail["Date"] = email.utils.format_datetime(time.now())
        # The same each time that it is sent, so that a mailbox can tell.
        number = hashlib.blake2b(f"{notification.subscription} {notification.message}".encode(), digest_size=16).hexdigest()
        mail["Message-ID"] = f"<{number}@{self._domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        if notification.confirmation is None:
            mail.set_content(form.message(notification).decode())
        else:
            mail.set_content(confirmation.text(notification.confirmation, notification.queue, self._server.page))
        return mail


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse options of a subscription with which no mail could be sent.

    Raises:
        InvalidInput: it says which, and what it takes.
    """
    _answers(options)
    if isinstance(given := options.get("subject"), str):
        uris.one_line(given, "options.subject")


def _answers(options: Mapping[str, Any]) -> str | None:
    """The address that answers go to; None for none of their own."""
    given = options.get("from")
    if not isinstance(given, str) or not given:
        return None
    try:
        return uris.mailbox(f"mailto:{given}").address
    except InvalidInput:
        raise InvalidInput("options.from", "is one address, such as ops@example.org") from None


def _subject(notification: Notification, box: uris.Mailbox) -> str:
    if notification.confirmation is not None:
        return f"Confirm the subscription to queue {notification.queue}"
    given = notification.options.get("subject")
    if box.subject is not None:
        return box.subject
    return uris.one_line(given, "options.subject") if isinstance(given, str) else f"Message of queue {notification.queue}"


def _refused(what: str, code: int) -> Outcome:
    """The outcome of a refusal: of 500 and more it is for good."""
    return Outcome(Kind.REFUSED if code >= 500 else Kind.RETRY, f"the mail server refused {what}: {code}")


def _domain(sender: str) -> str:
    try:
        return uris.mailbox(f"mailto:{sender}").address.partition("@")[2]
    except InvalidInput:
        raise ConfigInvalid(f"{_SENDER} is an address such as undercroft@example.org, not {sender[:64]!r}") from None


def _cut(server: smtplib.SMTP) -> None:
    """End what is waited for, from another thread."""
    if server.sock is not None:
        with contextlib.suppress(OSError):
            server.sock.shutdown(socket.SHUT_RDWR)

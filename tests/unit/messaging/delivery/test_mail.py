"""Mail to subscribers, on a real server of mail: the form, who refuses what, and that the connection is encrypted."""

from __future__ import annotations

import contextlib
import email
import email.message
import email.policy
import socket
import ssl
import threading
import time as clock
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.export.certificates import self_signed
from tests.unit.messaging.delivery.authority import Authority
from tests.unit.messaging.delivery.sending import kind, senders, sent
from undercroft.conformance.limits import within
from undercroft.core.errors import ConfigInvalid, InvalidInput
from undercroft.messaging.delivery import confirmation, mail, uris
from undercroft.messaging.delivery.notification import Kind, Outcome
from undercroft.messaging.delivery.senders import check_options, check_subscriber, guard

# aiosmtpd's own; it says what to use in its next version.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:aiosmtpd")
TO = "ops@example.org"
SIGNED = {
    "URL-Signature": "0123abcd", "URL-Methods": "PUT", "URL-Paths": "/v2/queues/fizbit/subscriptions/s1/confirm",
    "URL-Expires": "2030-01-31T12:00:00", "X-Project-ID": "p1's",
}  # fmt: skip
ASKED = confirmation.message("fizbit", "https://cloud.example/messaging/v2/queues/fizbit/subscriptions/s1/confirm", SIGNED)


class Post:
    """Takes mail, unless it is told to answer otherwise.

    Attributes:
        answers: by the command.
        taken: what came, with its envelope, and whether over TLS.
    """

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.taken: list[tuple[Any, email.message.EmailMessage, bool]] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if "RCPT" in self.answers:
            return self.answers["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if "MAIL" in self.answers:
            return self.answers["MAIL"]
        envelope.mail_from = address
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if "DATA" in self.answers:
            return self.answers["DATA"]
        found: Any = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.taken.append((envelope, found, session.ssl is not None))
        return "250 OK"

    def one(self) -> email.message.EmailMessage:
        """The mail that came."""
        ((_, found, _),) = self.taken
        return found


@contextlib.contextmanager
def serving(post: Post, implicit: ssl.SSLContext | None = None, **more: Any) -> Iterator[int]:
    """The port of a server of mail."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    controller = Controller(post, hostname="127.0.0.1", port=port, ssl_context=implicit, **more)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def posted(post: Post, subscriber: str = f"mailto:{TO}", options: Any = None, settings: Any = None, **changes: Any) -> Outcome:
    """What becomes of a message that is sent in the clear."""
    own = {"smtp_host": "127.0.0.1", "smtp_security": "none", "smtp_sender": "cloud@example.net", **(settings or {})}
    with serving(post) as port, senders(smtp_port=port, **own) as found:
        return sent(found, subscriber, options, **changes)


# -- the form ----------------------------------------------------------------------------------------------------------


def test_a_mail_has_the_message_as_text():
    post = Post()
    body = '{"e":"\u00e9\U0001f600","long":"'.encode() + b"x" * 5_000 + b'","dots":"\\n.\\n"}'
    assert posted(post, f"mailto:{TO}?subject=Fizz%20%C3%BC&body=no&cc=other@example.org", body=body).kind is Kind.DELIVERED
    ((envelope, found, _),) = post.taken
    assert (envelope.mail_from, envelope.rcpt_tos) == ("cloud@example.net", [TO])
    assert (found["From"], found["To"], found["Subject"], found["Cc"]) == ("cloud@example.net", TO, "Fizz \u00fc", None)
    assert found["Auto-Submitted"] == "auto-generated"
    assert found.get_content_type() == "text/plain"
    text = found.get_content().rstrip("\r\n")
    assert text.encode() == b'{"body":' + body + b',"ttl":300,"Message_Type":"Notification","queue_name":"fizbit"}'


def test_the_same_message_has_the_same_id_each_time():
    numbers = []
    for message in ("m1", "m1", "m2"):
        post = Post()
        posted(post, message=message)
        numbers.append(post.one()["Message-ID"])
    assert numbers[0] == numbers[1] != numbers[2]
    assert numbers[0].endswith("@example.net>")


@pytest.mark.parametrize(
    ("query", "options", "subject"),
    [("", {}, "Message of queue fizbit"), ("", {"subject": "Theirs"}, "Theirs"), ("?Subject=", {"subject": "Theirs"}, ""),
     ("?subject=a%26b", {"subject": "Theirs"}, "a&b"), ("", {"subject": 5}, "Message of queue fizbit")],
)  # fmt: skip
def test_subjects(query, options, subject):
    post = Post()
    assert posted(post, f"mailto:{TO}{query}", options).kind is Kind.DELIVERED
    assert (post.one()["Subject"] or "") == subject


def test_who_subscribes_does_not_say_whom_the_mail_comes_from():
    post = Post()
    assert posted(post, options={"from": "ceo@example.com"}).kind is Kind.DELIVERED
    assert (post.one()["From"], post.one()["Reply-To"], post.taken[0][0].mail_from) == (
        "cloud@example.net", "ceo@example.com", "cloud@example.net",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("subscriber", "options"),
    [
        (f"mailto:{TO}?subject=a%0D%0ABcc:%20x@example.org", {}), (f"mailto:{TO}?subject=a%0Ab", {}),
        (f"mailto:{TO}?subject=%00", {}),
        (f"mailto:{TO}%0D%0ABcc:x@example.org", {}), (f"mailto:{TO},x@example.org", {}), (f"mailto:{TO}%20x@example.org", {}),
        ("mailto:<a@b>", {}), ("mailto:", {}), ("mailto:@", {}), ("mailto:a", {}), ("mailto:\u00e9@example.org", {}),
        (f"mailto:{TO}", {"subject": "a\r\nBcc: x@example.org"}), (f"mailto:{TO}", {"subject": "a\u2028b"}),
        (f"mailto:{TO}", {"from": "a@b\r\nBcc: x@example.org"}), (f"mailto:{TO}", {"from": "a@b, c@d"}),
        (f"mailto:{TO}?subject=" + "x" * 501, {}), (f"mailto:{TO}?subject=a%0DX", {}),
    ],
)  # fmt: skip
def test_what_would_be_another_header_or_another_mailbox_is_refused(subscriber, options):
    post = Post()
    assert posted(post, subscriber, options).kind is Kind.REFUSED
    assert post.taken == []
    if not options:
        with pytest.raises(InvalidInput, match="subscriber"):
            check_subscriber(subscriber, guard(None))
    else:
        with pytest.raises(InvalidInput, match=r"options\.(subject|from)"):
            check_options(options, subscriber)
        check_options(options, "https://example.org/")


def test_a_confirmation_says_which_call_confirms():
    post = Post()
    asked = msgspec.json.encode(ASKED)
    assert posted(post, f"mailto:{TO}?subject=theirs", {"subject": "theirs"}, confirmation=asked).kind is Kind.DELIVERED
    found = post.one()
    assert found["Subject"] == "Confirm the subscription to queue fizbit"
    text = found.get_content()
    for line in (
        "curl -X PUT", "-H 'URL-Signature: 0123abcd'", "-H 'URL-Methods: PUT'", "-H 'URL-Expires: 2030-01-31T12:00:00'",
        "-H 'URL-Paths: /v2/queues/fizbit/subscriptions/s1/confirm'", """-H 'X-Project-ID: p1'"'"'s'""",
        '-d \'{"confirmed": true}\'',
        "https://cloud.example/messaging/v2/queues/fizbit/subscriptions/s1/confirm", "-H 'Client-ID: ",
    ):  # fmt: skip
        assert line in text, line
    post = Post()
    posted(post, confirmation=asked, settings={"external_confirmation_url": "https://page.example/confirm"})
    assert (
        "https://page.example/confirm?Signature=0123abcd&Methods=PUT&Paths=%2Fv2%2Fqueues%2Ffizbit%2Fsubscriptions%2Fs1%2Fconfirm"
        "&Project=p1%27s&Expires=2030-01-31T12%3A00%3A00&Url=https%3A%2F%2Fcloud.example%2Fmessaging%2Fv2%2Fqueues%2Ffizbit%2F"
        "subscriptions%2Fs1%2Fconfirm&Queue=fizbit" in post.one().get_content()
    )


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "answer", "expected"),
    [
        ("RCPT", "550 no such mailbox canary", Kind.REFUSED), ("RCPT", "450 busy canary", Kind.RETRY),
        ("DATA", "554 canary", Kind.REFUSED), ("DATA", "451 canary", Kind.RETRY),
        # Whom our mail comes from is the operator's matter, and can be mended.
        ("MAIL", "550 canary", Kind.RETRY), ("MAIL", "421 canary", Kind.RETRY),
    ],
)  # fmt: skip
def test_what_a_refusal_means(command, answer, expected):
    post = Post()
    post.answers[command] = answer
    outcome = posted(post)
    assert (outcome.kind, post.taken) == (expected, [])
    assert answer[:3] in outcome.reason
    assert "canary" not in outcome.reason
    assert TO not in outcome.reason


def test_without_a_server_nothing_is_sent_and_it_is_said():
    with senders() as found:
        outcome = sent(found, f"mailto:{TO}")
        assert outcome == Outcome(Kind.REFUSED, "this service sends no mail: [messaging] smtp_host is not set")


def test_a_server_that_is_not_there_is_tried_again():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with senders(smtp_host="127.0.0.1", smtp_port=port) as found:
        assert kind(found, f"mailto:{TO}") is Kind.RETRY


def test_a_server_that_drips_is_given_up(monkeypatch):
    monkeypatch.setattr(mail, "_SECONDS", 0.5)
    stopped = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"220 hello\r\n250-")
            while not stopped.wait(0.05):
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,), daemon=True)
        thread.start()
        with senders(smtp_host="127.0.0.1", smtp_port=listener.getsockname()[1], smtp_security="none") as found:
            began = clock.monotonic()
            assert kind(found, f"mailto:{TO}") is Kind.RETRY
            within(clock.monotonic() - began, 5)
        stopped.set()
        thread.join()


@pytest.mark.parametrize("sender", ["", "cloud", "Cloud <cloud@example.net>", "a@b\r\nBcc: x@y"])
def test_a_sender_that_is_not_an_address_is_a_setting_that_is_wrong(sender):
    with pytest.raises(ConfigInvalid, match="smtp_sender"), senders(smtp_sender=sender):
        pass


# -- encryption --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Signs certificates."""
    return Authority(tmp_path_factory.mktemp("authority"))


def encrypted(post: Post, security: str, context: ssl.SSLContext, **settings: Any) -> Outcome:
    """What becomes of a message that goes to a server with that certificate."""
    way: Any = {"implicit": context} if security == "tls" else {"tls_context": context, "require_starttls": True}
    own = {"smtp_host": "127.0.0.1", "smtp_security": security, **settings}
    with serving(post, **way) as port, senders(smtp_port=port, **own) as found:
        return sent(found, f"mailto:{TO}")


SECURITIES = pytest.mark.parametrize("security", ["starttls", "tls"])


@SECURITIES
@pytest.mark.promise("S10")
def test_mail_goes_over_tls_to_a_server_whose_certificate_is_valid(authority, security):
    post = Post()
    outcome = encrypted(post, security, authority.context("127.0.0.1"), notify_cafile=str(authority.file))
    # The server tells of TLS that began later only; with the other it understands nothing else.
    assert (outcome.kind, [over or security == "tls" for _, _, over in post.taken]) == (Kind.DELIVERED, [True])


@SECURITIES
@pytest.mark.promise("S10")
@pytest.mark.parametrize("what", ["another name", "expired", "another authority", "unknown authority"])
def test_a_server_whose_certificate_is_not_valid_gets_no_mail(authority, security, what, tmp_path):
    contexts = {
        "another name": lambda: authority.context("other.example"),
        "expired": lambda: authority.context("127.0.0.1", days=-1),
        "another authority": lambda: Authority(tmp_path / "other").context("127.0.0.1"),
        "unknown authority": lambda: self_signed(tmp_path)[0],
    }
    post = Post()
    outcome = encrypted(post, security, contexts[what](), notify_cafile=str(authority.file))
    assert (outcome.kind, post.taken) == (Kind.RETRY, [])
    assert outcome.reason.startswith("the certificate of the mail server is not valid")


@pytest.mark.promise("S10")
def test_a_server_without_tls_gets_no_mail_unless_the_operator_says_so():
    post = Post()
    assert posted(post, settings={"smtp_security": "starttls"}).kind is Kind.RETRY
    assert post.taken == []


@pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")
def test_a_login():
    seen: list[Any] = []

    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        seen.append(given)
        return AuthResult(success=given == LoginPassword(b"user", b"canary"))

    def outcome(post: Post, password: str) -> Outcome:
        with serving(post, authenticator=check, auth_required=True, auth_require_tls=False) as port:
            own: dict[str, Any] = {"smtp_security": "none", "smtp_user": "user", "smtp_password": password}
            with senders(smtp_host="127.0.0.1", smtp_port=port, **own) as found:
                return sent(found, f"mailto:{TO}")

    post = Post()
    assert outcome(post, "canary").kind is Kind.DELIVERED
    assert len(post.taken) == 1
    refused = outcome(post, "canary2")
    assert refused.kind is Kind.RETRY
    assert "canary" not in refused.reason


def test_a_mailbox_is_taken_apart():
    assert uris.mailbox("MAILTO:a%2Bb@example.org?SUBJECT=x") == uris.Mailbox("a+b@example.org", "x")
    assert uris.mailbox("mailto:a@localhost") == uris.Mailbox("a@localhost", None)

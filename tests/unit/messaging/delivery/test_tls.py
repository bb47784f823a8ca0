"""Certificates of receivers are checked, by the name of the URI although an address is connected to. With its twins."""

from __future__ import annotations

import pathlib
import ssl
import time as clock
from typing import Any

import pytest

from tests.datasources.broken import Broken, answers, broken, keeps
from tests.export.certificates import self_signed
from tests.unit.messaging.delivery.authority import Authority
from tests.unit.messaging.delivery.sending import LATE, SOON, Names, configured, kind, senders, sent
from undercroft.conformance.limits import within
from undercroft.core.errors import ConfigInvalid
from undercroft.messaging.delivery.notification import Kind
from undercroft.messaging.delivery.senders import Senders

pytestmark = pytest.mark.promise("S10")
NAME = "hooks.example.org"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Signs certificates."""
    return Authority(tmp_path_factory.mktemp("authority"))


def names() -> Names:
    return Names(hooks_example_org=[["127.0.0.1"]])


class Trusted(AssertionError):
    """A peer that must not be."""


def check_refused(found: Senders, server: Broken, host: str = NAME) -> None:
    outcome = sent(found, f"https://u:canary@{host}:{server.port}/canary")
    if server.requests or outcome.kind is not Kind.RETRY:
        raise Trusted(outcome)
    assert "canary" not in outcome.reason
    assert "the certificate is not valid" in outcome.reason


@pytest.mark.parametrize("host", [NAME, NAME.upper(), f"{NAME}.", "127.0.0.1"])
def test_a_certificate_of_the_name_is_taken_and_the_connection_is_used_again(authority, host):
    with broken(keeps(), context=authority.context(NAME, "127.0.0.1")) as server:
        with senders(names(), notify_cafile=str(authority.file)) as found:
            for _ in range(3):
                assert kind(found, f"https://{host}:{server.port}/a") is Kind.DELIVERED
        assert len(server.requests) == 3
        assert f"\r\nHost: {host.lower().removesuffix('.')}:{server.port}\r\n".encode() in server.requests[0]


def wrong(authority: Authority, what: str, folder: pathlib.Path) -> ssl.SSLContext:
    """The context of a server whose certificate has something wrong."""
    contexts = {
        "another name": lambda: authority.context("other.example.org", "127.0.0.1"),
        "a name below": lambda: authority.context(f"a.{NAME}"),
        "a star": lambda: authority.context("*.org"),
        "expired": lambda: authority.context(NAME, days=-1),
        "another authority": lambda: Authority(folder / "other").context(NAME),
        "its own authority": lambda: self_signed(folder)[0],
    }
    return contexts[what]()


WRONG = ["another name", "a name below", "a star", "expired", "another authority", "its own authority"]


@pytest.mark.parametrize("what", WRONG)
def test_a_certificate_that_is_not_valid_is_refused(authority, what, tmp_path):
    context = wrong(authority, what, tmp_path)
    with broken(answers(204), context=context) as server, senders(names(), notify_cafile=str(authority.file)) as found:
        check_refused(found, server)


def test_what_the_machine_does_not_trust_is_refused(authority, tmp_path):
    with broken(answers(204), context=authority.context(NAME)) as server, senders(names()) as found:
        check_refused(found, server)
    with broken(answers(204), context=self_signed(tmp_path)[0]) as server, senders() as found:
        check_refused(found, server, "127.0.0.1")


def unchecked(context: ssl.SSLContext) -> None:
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE


def nameless(context: ssl.SSLContext) -> None:
    context.check_hostname = False


@pytest.mark.parametrize(
    ("twin", "what"),
    [*((unchecked, what) for what in WRONG), *((nameless, what) for what in WRONG[:3])],
    ids=lambda given: getattr(given, "__name__", given),
)
def test_twin_trusts(authority, tmp_path, twin: Any, what: str):
    context = wrong(authority, what, tmp_path)
    with broken(answers(204), context=context) as server, senders(names(), notify_cafile=str(authority.file)) as found:
        twin(found._poster._tls())
        with pytest.raises(Trusted):
            check_refused(found, server)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_what_speaks_no_tls_or_an_old_one_is_tried_again(authority):
    old = authority.context(NAME)
    # What is old is what the machine's own policy refuses.
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with broken(answers(204)) as plain, broken(answers(204), context=old) as server:
        with senders(names(), notify_cafile=str(authority.file), seconds=SOON) as found:
            for port in (plain.port, server.port):
                began = clock.monotonic()
                outcome = sent(found, f"https://{NAME}:{port}/")
                assert outcome.kind is Kind.RETRY
                assert outcome.reason.startswith("TLS was not agreed on")
                within(clock.monotonic() - began, SOON + LATE)
        assert plain.requests == server.requests == []


def test_a_file_of_authorities_that_cannot_be_read_is_a_setting_that_is_wrong(tmp_path):
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for file in (empty, tmp_path / "none.pem"):
        with pytest.raises(ConfigInvalid, match=r"\[messaging\] notify_cafile: .*(holds no certificates|No such file)"):
            Senders(configured(notify_cafile=str(file)))

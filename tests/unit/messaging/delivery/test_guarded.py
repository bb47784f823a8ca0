"""Webhooks reach no address that a user must not reach, take no more time and no more bytes than they may. Each with its twins."""

from __future__ import annotations

import dataclasses
import ipaddress
import resource
import socket
import ssl
import threading
import time as clock
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from tests.datasources.broken import answers, broken, drips, keeps, read, silent
from tests.unit.messaging.delivery.sending import LATE, SOON, Names, configured, kind, senders, sent
from undercroft.core import deadline
from undercroft.core.errors import ConfigInvalid, Unavailable
from undercroft.engines import addresses, bounded, resolving, webhooks
from undercroft.messaging.delivery.notification import Kind
from undercroft.messaging.delivery.senders import Senders, check_subscriber, guard

pytestmark = pytest.mark.promise("S2")
# Spellings of 127.0.0.1, addresses that lead to it, and others that are not public, as hosts of URIs.
SPELLED = (
    "127.0.0.1", "127.0.0.1.", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7F.0.0.1", "0177.0.0.1", "017700000001",
    "[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "0.0.0.0", "0", "[::127.0.0.1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[::ffff:169.254.169.254]", "[::ffff:0:127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::127.0.0.1]", "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]", "[2002:7f00:0001::1]", "[2001:0:7f00:1::1]", "[fe80::1]", "[fec0::1]", "[fc00::1]", "[fd00:ec2::254]",
    "[ff02::1]", "[2001:db8::1]", "[100::1]", "169.254.169.254", "2852039166", "0xa9fea9fe", "10.0.0.1", "172.16.0.1",
    "192.168.0.1", "100.64.0.1", "100.100.100.200", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "168.63.129.16",
)  # fmt: skip
# Users before an @, and what a parser may take for the end of the host.
HIDDEN = ("example.org@127.0.0.1", "example.org:80@127.1", "a@b@127.0.0.1", "example.org%40127.0.0.1@127.0.0.1")
MALFORMED = (
    "example.org\\@127.0.0.1", "127.0.0.1\\.example.org", "127.0.0.1\t", "127.0.0.1%00", "127.0.0.1%2f.example.org", "[::1", "::1",
    "[fe80::1%25eth0]", "[::1]x", "[v1.x]", "\u2460\u2461\u2466.0.0.1", "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021",
    "\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3", "m\u00fcller.example", "a..b", ".a", "-a", "a b", "", "a:b",
    "a:99999", "a:0", "127.0.0.1:80:80", "a,b", "a;b", "a'b", "(a)",
)  # fmt: skip
# What names may resolve to, beside a public address; the loopback ones are reached where nothing is checked.
RESOLVED = (
    "127.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "10.0.0.1", "169.254.169.254", "100.64.0.1",
    "224.0.0.1", "fe80::1%eth0", "fd00::1", "0.0.0.0",
)  # fmt: skip


class Reached(AssertionError):
    """What a sender must not do."""


# -- twins -------------------------------------------------------------------------------------------------------------
# Each takes one protection away.


class Unguarded(addresses.Guard):
    def check(self, found: Any) -> None: ...


class Unlisted(addresses.Guard):
    """Believes the library's property."""

    def check(self, found: Any) -> None:
        if not all(each.is_global for each in found):
            raise addresses.Forbidden("not global")


class FirstAlone(addresses.Guard):
    def check(self, found: Any) -> None:
        super().check(list(found)[:1])


class ResolvesTwice(webhooks.Poster):
    """Checks what a name is, and connects to what it is then."""

    def _connected(self, receiver: webhooks.Target) -> Any:
        self._guard.check(self._resolver.addresses(receiver.host))
        unchecked = Unguarded([], "")
        checked, self._guard = self._guard, unchecked
        try:
            return super()._connected(receiver)
        finally:
            self._guard = checked


class Follows(webhooks.Poster):
    def post(self, target: webhooks.Target, headers: Any, body: bytes) -> webhooks.Answered:
        with socket.create_connection((target.host, target.port)) as connection:
            connection.sendall(f"POST {target.path} HTTP/1.1\r\nHost: {target.authority}\r\nContent-Length: 0\r\n\r\n".encode())
            answer = connection.recv(65_536).decode()
        place = answer.partition("Location: http://")[2].partition("/")[0]
        host, _, port = place.partition(":")
        return super().post(target._replace(host=host, port=int(port)), headers, body)


class Patient(bounded.Bounded):
    """Has a limit for each read, not for all."""

    def _left(self) -> float | None:
        return SOON


class Greedy(bounded.Bounded):
    def allow(self, most: int, remaining: Any) -> None:
        super().allow(1 << 40, remaining)


@dataclasses.dataclass(frozen=True)
class Twin:
    """A sender with one protection gone; that which is not given is ours."""

    guard: type[addresses.Guard] = addresses.Guard
    poster: type[webhooks.Poster] = webhooks.Poster
    bounded: type[bounded.Bounded] = bounded.Bounded

    def __str__(self) -> str:
        return "-".join(each.__name__ for each in dataclasses.astuple(self) if each.__module__ == __name__)


OURS = Twin()


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Senders]]:
    """Makes senders, ours or a twin's."""
    made: list[Any] = []

    def senders_of(twin: Twin, names: Names | None = None, seconds: float = SOON, **values: Any) -> Senders:
        conf = configured(**values)
        found = Senders(conf, None if names is None else resolving.Resolver(names), seconds)
        if twin is not OURS:
            monkeypatch.setattr(webhooks, "Bounded", twin.bounded)
            allowed = twin.guard(conf.messaging.notify_allow, "setting")
            own = twin.poster(allowed, ssl.create_default_context, None if names is None else resolving.Resolver(names), seconds)
            found._by_scheme["http"]._poster = own  # type: ignore[attr-defined]
            made.append(own)
        made.append(found)
        return found

    yield senders_of
    for each in made:
        each.close()


def caught(check: Callable[..., None], *given: Any) -> None:
    """Require that the check fails."""
    with pytest.raises(Reached):
        check(*given)


# -- addresses ---------------------------------------------------------------------------------------------------------


def check_refused(found: Senders, uri: str, requests: Sequence[bytes]) -> None:
    outcome = sent(found, uri)
    if requests or outcome.kind is not Kind.REFUSED:
        raise Reached(uri, outcome)


@pytest.mark.parametrize("host", [*SPELLED, *HIDDEN])
def test_an_address_in_any_spelling_is_refused(make, host):
    with broken(answers(204)) as server:
        uri = f"http://{host}:{server.port}/"
        check_refused(make(OURS, notify_allow=[]), uri, server.requests)
        with pytest.raises(addresses.Forbidden):
            check_subscriber(uri, guard(configured(notify_allow=[])))


@pytest.mark.parametrize("host", MALFORMED)
def test_a_host_that_is_neither_a_name_nor_an_address_is_refused(make, host):
    with broken(answers(204)) as server:
        check_refused(make(OURS), f"http://{host}/", server.requests)
        check_refused(make(OURS), f"http://{host}:{server.port}/", server.requests)


@pytest.mark.parametrize("address", RESOLVED)
@pytest.mark.parametrize("place", ["alone", "first", "last"])
def test_every_address_of_a_name_is_checked(make, address, place):
    found = {"alone": [address], "first": [address, "8.8.8.8"], "last": ["8.8.8.8", "2606:4700::1111", address]}[place]
    with broken(answers(204)) as server:
        check_refused(
            make(OURS, Names(evil_example=[found]), notify_allow=[]), f"http://evil.example:{server.port}/", server.requests
        )


@pytest.mark.parametrize(
    ("twin", "host"),
    [
        (Twin(guard=Unguarded), "127.0.0.1"), (Twin(guard=Unguarded), "2130706433"), (Twin(guard=Unguarded), "a@127.1"),
        (Twin(guard=Unlisted), "[64:ff9b::7f00:1]"), (Twin(guard=Unlisted), "[2002:7f00:1::]"), (Twin(guard=Unlisted), "224.0.0.1"),
        (Twin(guard=FirstAlone), "evil.example"),
    ],
    ids=str,
)  # fmt: skip
def test_twin_reaches_what_it_must_not(make, twin, host):
    names = Names(evil_example=[["8.8.8.8", "127.0.0.1"]])
    with broken(answers(204)) as server:
        caught(check_refused, make(twin, names, notify_allow=[]), f"http://{host}:{server.port}/", server.requests)


def check_one_answer(found: Senders, names: Names, port: int, secret: Sequence[bytes]) -> None:
    """The first answer of the resolver may be reached, what follows may not."""
    if kind(found, f"http://rebinding.example:{port}/") is not Kind.DELIVERED or secret or len(names.asked) != 1:
        raise Reached(names.asked)


def two_answers() -> Names:
    return Names(rebinding_example=[["127.0.0.1"], ["127.0.0.2"]])


@pytest.mark.parametrize("twin", [OURS, Twin(poster=ResolvesTwice)], ids=["ours", "twin"])
def test_a_resolver_whose_second_answer_differs(make, twin):
    names = two_answers()
    with broken(answers(204)) as server, broken(answers(204), host="127.0.0.2", port=server.port) as other:
        given = (make(twin, names), names, server.port, other.requests)
        if twin is OURS:
            check_one_answer(*given)
            # A further connection looks again, and finds what must not be reached.
            assert kind(given[0], f"http://rebinding.example:{server.port}/") is Kind.REFUSED
            assert (names.asked, other.requests) == (["rebinding.example"] * 2, [])
        else:
            caught(check_one_answer, *given)
            assert other.requests


def check_not_followed(found: Senders, uri: str, requests: Sequence[bytes]) -> None:
    outcome = sent(found, uri)
    if requests or outcome.kind is not Kind.REFUSED or "redirect" not in outcome.reason:
        raise Reached(outcome)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("place", ["127.0.0.2", "127.0.0.1", "localhost"])
def test_a_redirect_to_loopback_is_not_followed(make, status, place):
    with broken(answers(204), host=place.replace("localhost", "127.0.0.1")) as other:
        location = f"Location: http://{place}:{other.port}/"
        with broken(answers(status, b"", location)) as server:
            check_not_followed(make(OURS), server.url, other.requests)


def test_twin_follows_a_redirect(make):
    with broken(answers(204)) as other, broken(answers(302, b"", f"Location: http://127.0.0.1:{other.port}/")) as server:
        caught(check_not_followed, make(Twin(poster=Follows)), server.url, other.requests)


def test_what_an_operator_allows_is_reached():
    with broken(answers(204), host="127.0.0.2") as server, senders(notify_allow=["127.0.0.2/32"]) as found:
        assert kind(found, server.url) is Kind.DELIVERED
        assert kind(found, f"http://127.0.0.1:{server.port}") is Kind.REFUSED
        check_subscriber(server.url, guard(configured(notify_allow=["127.0.0.2/32"])))
    with (
        pytest.raises(ConfigInvalid, match=r"\[messaging\] notify_allow: 'loopback' is not a network"),
        senders(notify_allow=["loopback"]),
    ):
        pass


def test_the_environment_names_no_proxy_and_no_login(monkeypatch, tmp_path):
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login canary password canary\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    with broken(answers(204)) as proxy, broken(answers(204, b"", "Set-Cookie: canary=1")) as server, senders() as found:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for _ in range(2):
            assert kind(found, server.url) is Kind.DELIVERED
        assert proxy.requests == []
        assert not any(b"canary" in request or b"ookie" in request for request in server.requests)


# -- time --------------------------------------------------------------------------------------------------------------


def drips_head(server: Any, connection: socket.socket, _request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    # Long enough for what has no deadline to be noticed.
    end = clock.monotonic() + SOON + LATE + 1
    while clock.monotonic() < end and not server.stopped.wait(0.05):
        connection.sendall(b"x")


def check_in_time(found: Senders, uri: str, **changes: Any) -> None:
    began = clock.monotonic()
    sent(found, uri, **changes)
    if clock.monotonic() - began > SOON + LATE:
        raise Reached(clock.monotonic() - began)


@pytest.mark.parametrize("behaviour", [silent, drips, drips_head])
def test_an_exchange_ends_in_time(make, behaviour):
    with broken(behaviour) as server:
        check_in_time(make(OURS), server.url)


def test_twin_waits_for_one_that_drips(make):
    with broken(drips_head) as server:
        caught(check_in_time, make(Twin(bounded=Patient)), server.url)


def test_a_request_that_is_not_taken_ends_in_time(make):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        body = b'"' + b"x" * 30_000_000 + b'"'
        check_in_time(make(OURS), f"http://127.0.0.1:{listener.getsockname()[1]}/", body=body)


def test_a_host_that_takes_no_connections_ends_in_time(make):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        place = listener.getsockname()
        waiting = [socket.socket() for _ in range(8)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(place)
        check_in_time(make(OURS), f"http://127.0.0.1:{place[1]}/")
        for each in waiting:
            each.close()


def test_a_name_that_is_not_resolved_ends_in_time_and_holds_up_no_other(make):
    released = threading.Event()

    def look_up(host: str) -> Sequence[str]:
        if host.startswith("slow"):
            released.wait(60)
        return ["127.0.0.1"]

    resolver = resolving.Resolver(look_up, most=3)
    try:
        for _ in range(2):
            with deadline.within(0.1), pytest.raises(Unavailable, match="not resolved in time"):
                resolver.addresses("slow.example")
        assert list(resolver.addresses("quick.example")) == [ipaddress.ip_address("127.0.0.1")]
        for name in ("slow2.example", "slow3.example"):
            with deadline.within(0.1), pytest.raises(Unavailable, match="not resolved in time"):
                resolver.addresses(name)
        with deadline.within(0.1), pytest.raises(Unavailable, match="too many names"):
            resolver.addresses("quick.example")
    finally:
        released.set()


@pytest.mark.parametrize("error", [OSError("x"), socket.gaierror(-2, "Name or service not known"), UnicodeError("label too long")])
def test_a_name_that_is_not_known_is_tried_again(error):
    def look_up(_host: str) -> Sequence[str]:
        raise error

    with senders() as found:
        found._poster._resolver = resolving.Resolver(look_up)
        outcome = sent(found, "http://canary.example/canary")
        assert (outcome.kind, "canary" in outcome.reason) == (Kind.RETRY, False)
        found._poster._resolver = resolving.Resolver(lambda _host: [])
        assert kind(found, "http://canary.example/") is Kind.RETRY


# -- bytes -------------------------------------------------------------------------------------------------------------

GIGABYTE = 2**30
# What the systems' buffers of a connection may take at most, beside what is read.
BUFFERS = 16 * 2**20


class Flood:
    """Answers with a GiB, and counts what it could send."""

    def __init__(self, head: bytes, part: bytes) -> None:
        self._head, self._part = head, part
        self.sent = 0

    def __call__(self, server: Any, connection: socket.socket, _request: bytes) -> None:
        connection.sendall(self._head)
        while self.sent < GIGABYTE and not server.stopped.is_set():
            connection.sendall(self._part)
            self.sent += len(self._part)


def floods() -> dict[str, Flood]:
    part = bytes(2**16)
    return {
        "length": Flood(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n", part),
        "endless": Flood(b"HTTP/1.1 200 OK\r\n\r\n", part),
        "chunks": Flood(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + part + b"\r\n"),
        "one chunk": Flood(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40000000\r\n", part),
        "huge": Flood(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n", part),
        "gzip": Flood(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1073741824\r\n\r\n", part),
        "continue": Flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000),
        "headers": Flood(b"HTTP/1.1 200 OK\r\n", b"X: 1\r\n" * 10_000),
    }


def check_little_is_read(found: Senders, uri: str, flood: Flood, stopped: threading.Event) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = sent(found, uri)
    # The other side finds out that it is not heard any more.
    stopped.wait(0.2)
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    if flood.sent > BUFFERS or grown > BUFFERS or outcome.kind is Kind.REFUSED:
        raise Reached(outcome, flood.sent, grown)


@pytest.mark.parametrize("name", list(floods()))
def test_a_gigabyte_is_not_read(make, name):
    flood = floods()[name]
    with broken(flood) as server:
        check_little_is_read(make(OURS, seconds=5.0), server.url, flood, server.stopped)


def test_twin_reads_a_gigabyte(make):
    flood = floods()["length"]
    with broken(flood) as server:
        caught(check_little_is_read, make(Twin(bounded=Greedy), seconds=5.0), server.url, flood, server.stopped)


def test_connections_that_are_kept_are_bounded(make):
    found = make(OURS)
    with broken(keeps()) as server:
        threads = [threading.Thread(target=kind, args=(found, server.url)) for _ in range(48)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert len(server.requests) == 48
        assert sum(map(len, found._poster._kept._kept.values())) <= 32


def test_what_a_receiver_reads_is_one_request(make):
    """Nothing of a URI, an option or a body becomes a request of its own."""

    def all_of_it(_server: Any, connection: socket.socket, request: bytes) -> None:
        connection.settimeout(0.2)
        try:
            more = read(connection)
        except TimeoutError:
            more = b""
        seen.append((request, more))
        connection.sendall(b"HTTP/1.1 204 X\r\n\r\n")

    seen: list[tuple[bytes, bytes]] = []
    with broken(all_of_it) as server:
        for path in ("/%0d%0aHost:%20x", "/?a=%0d%0a%0d%0aGET%20/", "/\u010d\u010a", "/\u2028\u0085"):
            assert kind(make(OURS), server.url + path) is Kind.DELIVERED
    assert len(seen) == 4
    for request, more in seen:
        assert more == b""
        assert request.count(b"\r\n\r\n") == 1

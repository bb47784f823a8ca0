"""The client of HTTP, on real sockets that break in the ways networks do."""

from __future__ import annotations

import gzip
import pathlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.datasources.broken import Behaviour, Broken, answers, broken, drips, half, in_turn, reset, silent, told
from tests.export.certificates import self_signed
from undercroft.conformance.limits import within
from undercroft.core import deadline
from undercroft.core.errors import ConfigInvalid, InvalidInput, NotFound, NotPermitted, Unavailable
from undercroft.engines import http
from undercroft.engines.http import Client, Fixed, Unreachable

Connect = Callable[..., Client]
SOON = 0.4
# What a machine that is busy may add.
LATE = 2.0


class Renewing:
    """A login whose first token is refused."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint, self.made = endpoint, 1

    def headers(self) -> dict[str, str]:
        return {"X-Auth-Token": f"token{self.made}"}

    def renew(self) -> None:
        self.made += 1

    def close(self) -> None: ...


@pytest.fixture
def clients() -> Iterator[list[Client]]:
    """They are closed at the end."""
    made: list[Client] = []
    yield made
    for each in made:
        each.close()


@pytest.fixture
def connect(clients: list[Client]) -> Connect:
    """Makes a client of a server."""

    def make(server: Broken, timeout: float = 10.0, verify: Any = True) -> Client:
        clients.append(Client(Fixed(server.url, {}), timeout, verify))
        return clients[-1]

    return make


@pytest.mark.parametrize("behaviour", [silent, drips], ids=["silent", "drips"])
def test_a_request_ends_in_time_and_the_next_one_is_answered(connect: Connect, behaviour: Behaviour) -> None:
    with broken(in_turn(behaviour, told(200, a=1))) as server:
        client = connect(server, SOON)
        began = time.monotonic()
        with pytest.raises(Unavailable):
            client.get("/x")
        took = time.monotonic() - began
        assert took > SOON * 0.9
        within(took, SOON + LATE)
        assert client.get("/x") == b'{"a": 1}'


@pytest.mark.parametrize("behaviour", [silent, drips], ids=["silent", "drips"])
def test_the_callers_deadline_counts_too(connect: Connect, behaviour: Behaviour) -> None:
    with broken(behaviour) as server:
        client = connect(server, 60.0)
        began = time.monotonic()
        with deadline.within(SOON), pytest.raises(Unavailable):
            client.get("/x")
        within(time.monotonic() - began, SOON + LATE)


@pytest.mark.parametrize("behaviour", [half, reset], ids=["half", "reset"])
def test_an_answer_that_breaks_off_is_tried_again_by_the_caller(connect: Connect, behaviour: Behaviour) -> None:
    with broken(behaviour) as server:
        with pytest.raises(Unavailable, match="GET /x: the answer broke off"):
            connect(server).get("/x")
        assert len(server.requests) == 1


def test_nobody_listens(connect: Connect) -> None:
    with broken(silent) as server:
        server.refuse()
        with pytest.raises(Unreachable, match="cannot be reached"):
            connect(server).get("/x")


def test_a_path_that_is_not_there_is_told_with_the_endpoint(connect: Connect) -> None:
    with broken(answers(404)) as server, pytest.raises(NotFound, match=rf"^GET /v1: 404.* \(at {server.url}\)$"):
        connect(server).get("/v1")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, InvalidInput), (401, NotPermitted), (403, NotPermitted), (404, NotFound), (408, Unavailable), (422, InvalidInput),
        (429, Unavailable), (500, Unavailable), (503, Unavailable),
    ],
)  # fmt: skip
def test_each_refusal_is_the_error_that_says_what_to_do(connect: Connect, status: int, error: type[Exception]) -> None:
    with broken(told(status, error="say\n why")) as server, pytest.raises(error, match=f"GET /x: {status}: say why") as caught:
        connect(server).get("/x")
    assert type(caught.value) is error


def test_a_redirect_is_not_followed(connect: Connect) -> None:
    with broken(told(200, stolen=True)) as other, broken(answers(302, b"", f"Location: {other.url}/x")) as server:
        with pytest.raises(Unavailable, match="302"):
            connect(server).get("/x")
        assert (len(server.requests), other.requests) == (1, [])


def test_a_refused_token_is_renewed_once(clients: list[Client]) -> None:
    with broken(in_turn(told(401), told(200))) as server:
        login = Renewing(server.url)
        clients.append(Client(login, 10.0))
        assert clients[-1].post("/x", {"a": [1]}, [("b", "c d")]) == b"{}"
        first, second = server.requests
        assert first.startswith(b"POST /x?b=c")
        assert first.endswith(b'{"a":[1]}')
        assert second.endswith(b'{"a":[1]}')
        assert (b"token1" in first, b"token2" in second) == (True, True)
        server.behaviour = told(401)
        with pytest.raises(NotPermitted):
            clients[-1].get("/x")
        assert (len(server.requests), login.made) == (4, 3)


def test_a_token_that_another_thread_has_renewed_is_not_renewed_again(clients: list[Client]) -> None:
    def refused(*request: Any) -> None:
        login.renew()
        told(401)(*request)

    with broken(in_turn(refused, told(200))) as server:
        login = Renewing(server.url)
        clients.append(Client(login, 10.0))
        assert clients[-1].get("/x") == b"{}"
        assert login.made == 2
        assert b"token2" in server.requests[-1]


def test_a_small_answer_that_unpacks_to_a_large_one_is_refused(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "LARGEST", 2**20)
    bomb = gzip.compress(bytes(2**24))
    assert len(bomb) < 2**15
    with broken(answers(200, bomb, "Content-Encoding: gzip")) as server, pytest.raises(Unavailable, match="larger than 1 MiB"):
        connect(server).get("/x")


def test_certificates_are_checked(connect: Connect, tmp_path: pathlib.Path) -> None:
    context, file = self_signed(tmp_path)
    with broken(told(200), context=context) as server:
        with pytest.raises(Unavailable, match="certificate"):
            connect(server).get("/x")
        assert server.requests == []
        for verify in (http.verify(str(file), insecure=False), http.verify(None, insecure=True)):
            assert connect(server, 10.0, verify).get("/x") == b"{}"


@pytest.mark.parametrize(("content", "told_"), [(None, "No such file"), ("no certificate", "holds no certificates")])
def test_a_file_of_authorities_that_cannot_be_read(tmp_path: pathlib.Path, content: str | None, told_: str) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigInvalid, match=f"cafile: {file}: {told_}"):
        http.verify(str(file), insecure=False)


def test_threads_share_a_client_and_only_the_slow_request_is_cut(connect: Connect) -> None:
    def behave(server: Broken, connection: socket.socket, request: bytes) -> None:
        (drips if b"/slow" in request else told(200, whole="y" * 50_000))(server, connection, request)

    with broken(behave) as server:
        client = connect(server, 2.0)
        fast: list[int] = []
        slow: list[Exception] = []

        def ask_slowly() -> None:
            try:
                with deadline.within(0.2):
                    client.get("/slow")
            except Unavailable as error:
                slow.append(error)

        def ask() -> None:
            fast.extend(len(client.get("/fast")) for _ in range(20))

        threads = [threading.Thread(target=target) for target in (ask, ask_slowly, ask, ask_slowly, ask)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert fast == [50_013] * 60
    assert len(slow) == 2

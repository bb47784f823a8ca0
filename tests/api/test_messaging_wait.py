"""Requests that wait for messages: what they are answered, and that they hold nobody up."""

from __future__ import annotations

import concurrent.futures
import contextlib
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.api.messages import Client, refused
from tests.api.service import Service, serving
from tests.conftest import url_of
from undercroft.conformance.limits import within
from undercroft.conformance.plugin import Opener

pytestmark = pytest.mark.kind("messaging")
# Turns of others, requests that may wait.
REQUESTS, WAITING = 2, 20
SOON, SETTLED = 1.0, 0.5
# SOON on a slow machine. A request that is not woken takes 8 or 20 seconds.
SLOW = 3.0
LEASE = {"ttl": 60, "grace": 60}


@pytest.fixture(scope="module")
def service(place: Opener) -> Iterator[Service]:
    with serving(None, messaging=url_of(place), requests=REQUESTS, waiting_requests=WAITING) as found:
        yield found


@pytest.fixture
def own(service: Service) -> Client:
    return Client(service)


@pytest.fixture
def beside() -> Iterator[concurrent.futures.ThreadPoolExecutor]:
    with concurrent.futures.ThreadPoolExecutor(WAITING + 10) as pool:
        yield pool


class Timed:
    """An answer, and when it came."""

    def __init__(self, ask: Callable[[], httpx.Response]) -> None:
        self.answer = ask()
        self.ended = time.monotonic()


def claim(own: Client, queue: str = "q", wait: int = 8) -> Timed:
    return Timed(lambda: own.ask("POST", f"/queues/{queue}/claims", LEASE, wait=wait, limit=1))


def listed(own: Client, queue: str = "q", wait: int = 8, **query: Any) -> Timed:
    return Timed(lambda: own.ask("GET", f"/queues/{queue}/messages", wait=wait, echo="true", **query))


def settle() -> None:
    threading.Event().wait(SETTLED)


@pytest.mark.parametrize("wait", ["0", "21", "-1", "x", "1.5"])
def test_a_wait_is_of_1_to_20_seconds(own, wait):
    for method, path in (("POST", "/queues/q/claims"), ("GET", "/queues/q/messages"), ("GET", "/topics/q/messages")):
        assert "wait" in refused(own.ask(method, path, wait=wait), 400, "Invalid parameter")


def test_ids_are_not_waited_for(own):
    assert "ids" in refused(own.ask("GET", "/queues/q/messages", ids="a", wait=1), 400, "Invalid API request")


def test_the_description_has_it(service):
    paths = service.client.get("/openapi.json").json()["paths"]
    for path, method in (("claims", "post"), ("messages", "get")):
        parameters = paths[f"/messaging/v2/queues/{{queue_name}}/{path}"][method]["parameters"]
        (found,) = (each for each in parameters if each["name"] == "wait")
        assert "20" in str(found["schema"])


def test_an_empty_answer_comes_when_the_time_is_over(own, beside):
    began = time.monotonic()
    claimed, page = beside.submit(claim, own, wait=1), beside.submit(listed, own, wait=1)
    assert (claimed.result().answer.status_code, claimed.result().answer.content) == (204, b"")
    assert page.result().answer.json() == {"messages": [], "links": []}
    ended = [each.result().ended - began for each in (claimed, page)]
    assert min(ended) >= 1
    within(max(ended), 1 + SOON)


def test_a_message_ends_the_wait(own, beside):
    waiting = [beside.submit(claim, own), beside.submit(listed, own, "t")]
    settle()
    began = time.monotonic()
    own.post("q", 1)
    own.post("t", 2)
    for each, status, body in zip(waiting, (201, 200), (1, 2), strict=True):
        answer = each.result().answer
        assert answer.status_code == status
        assert [message["body"] for message in answer.json()["messages"]] == [body]
        within(each.result().ended - began, SOON, slow=SLOW)


def test_what_is_there_comes_at_once(own):
    own.post("q", 1)
    began = time.monotonic()
    assert listed(own, wait=20).answer.json()["messages"][0]["body"] == 1
    assert claim(own, wait=20).answer.status_code == 201
    within(time.monotonic() - began, 2 * SOON, slow=SLOW)


def test_the_next_page_waits_too(own, beside):
    own.post("q", 1)
    (link,) = listed(own, wait=8).answer.json()["links"]
    assert "wait=8" in link["href"]
    following = beside.submit(Timed, lambda: own.ask("GET", link["href"]))
    settle()
    own.post("q", 2)
    assert [each["body"] for each in following.result().answer.json()["messages"]] == [2]


def test_they_take_no_turn_of_others(own, beside):
    waiting = [beside.submit(claim, own, f"q{number}", 3) for number in range(WAITING)]
    settle()
    began = time.monotonic()
    for _ in range(20):
        own.post("other", 1)
    within(time.monotonic() - began, 3)
    # The limit of waiting calls is reached, so the server answers immediately.
    began = time.monotonic()
    late = claim(own, "late", wait=20)
    assert late.answer.status_code == 204
    within(time.monotonic() - began, SOON, slow=SLOW)
    own.post("late", 1)
    assert claim(own, "late", wait=20).answer.status_code == 201
    assert [each.result().answer.status_code for each in waiting] == [204] * WAITING


def test_a_query_that_hides_it_does_not_wait(own):
    """Else it would sleep in a thread of others."""
    began = time.monotonic()
    assert own.ask("POST", "/queues/q/claims?w%61it=20", LEASE).status_code in (204, 400)
    within(time.monotonic() - began, SOON, slow=SLOW)


def test_a_client_that_hangs_up_waits_no_longer(own):
    request = (
        f"POST /messaging/v2/queues/q/claims?wait=20 HTTP/1.1\r\nHost: 127.0.0.1\r\nClient-ID: {own.headers['Client-ID']}\r\n"
        f"X-Project-ID: {own.project}\r\nContent-Length: 0\r\n\r\n"
    )
    with contextlib.closing(socket.create_connection(("127.0.0.1", own.service.port))) as connection:
        connection.sendall(request.encode())
        settle()
        settle()
        # Else it did not wait at all.
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    settle()
    own.post("q", 1)
    settle()
    assert own.claim("q")[1][0]["body"] == 1


def test_sigterm_ends_the_waits(place, beside):
    place()
    with serving(None, messaging=url_of(place)) as service:
        own = Client(service)
        waiting = [beside.submit(claim, own, wait=20) for _ in range(10)] + [beside.submit(listed, own, wait=20)]
        settle()
        settle()
        began = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        found = [each.result() for each in waiting]
        assert [each.answer.status_code for each in found] == [204] * 10 + [200]
        within(max(each.ended for each in found) - began, SOON, slow=SLOW)
        assert service.process.wait(20) == 0

"""A service of messages under load: SIGTERM loses nothing that was acknowledged (N5), and no request is dear for others (N7)."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import itertools
import pathlib
import signal
import threading
import time
from typing import Any

import httpx
import pytest

from tests.api.service import Service, serving
from tests.chaos.messaging.sending import HEADERS
from tests.conftest import url_of
from undercroft.conformance.limits import within
from undercroft.conformance.plugin import Opener

pytestmark = pytest.mark.timeout(1800)
QUEUE = "/messaging/v2/queues/load"
CLIENTS, LATEST = 8, 10
UNDERCROFT = "undercroft.cli.main"


class Load:
    """Clients that post, claim and delete until they are refused, and know what they were told."""

    def __init__(self, service: Service, round_: int) -> None:
        self.service = service
        self.posted: set[int] = set()
        self.deleted: set[int] = set()
        self.begun = threading.Event()
        self._pool = concurrent.futures.ThreadPoolExecutor(CLIENTS)
        self.clients = [self._pool.submit(self._work, (round_ * CLIENTS + number) * 100_000) for number in range(CLIENTS)]

    def _work(self, first: int) -> None:
        for number in itertools.count(first):
            if self._ask("POST", "/messages", {"messages": [{"ttl": 3_600, "body": number}]}) is None:
                return
            self.posted.add(number)
            self.begun.set()
            if number % 3:
                continue
            taken = self._ask("POST", "/claims?limit=1", {"ttl": 600, "grace": 600})
            if taken is None:
                return
            for each in taken.json()["messages"] if taken.content else ():
                path = each["href"].rpartition("/load")[2]
                # One whose deletion was not answered may be gone, or not.
                self.deleted.add(each["body"])
                if self._ask("DELETE", path) is None:
                    return

    def _ask(self, method: str, path: str, body: Any = None) -> httpx.Response | None:
        """The answer; None for a refusal, or a connection that was closed."""
        try:
            answer = self.service.client.request(method, QUEUE + path, json=body, headers=HEADERS)
        except httpx.TransportError:
            return None
        if answer.status_code in (200, 201, 204):
            return answer
        assert answer.status_code == 503, answer.text
        return None

    def end(self) -> None:
        self._pool.shutdown()
        for each in self.clients:
            each.result()


def stopped(opener: Opener, rounds: int, program: str = UNDERCROFT) -> tuple[int, int, float]:
    """Stop a service under load so often: how many posts were acknowledged, how many of these are lost, seconds of a stop."""
    store = opener()
    acknowledged: set[int] = set()
    deleted: set[int] = set()
    slowest = 0.0
    for round_ in range(rounds):
        with serving(None, messaging=url_of(opener), program=program, auth="none") as service:
            load = Load(service, round_)
            assert load.begun.wait(60)
            time.sleep(0.5)
            start = time.monotonic()
            service.process.send_signal(signal.SIGTERM)
            code = service.process.wait(60)
            slowest = max(slowest, time.monotonic() - start)
            load.end()
            assert code == 0, service.log()
            acknowledged |= load.posted
            deleted |= load.deleted
    kept: set[int] = set()
    marker = None
    while True:
        pages = store.message_controller.list("load", "p", marker, 10_000, echo=True, include_claimed=True)
        found, marker = list(next(pages)), next(pages)
        kept |= {each["body"] for each in found}
        if not found:
            return len(acknowledged), len(acknowledged - kept - deleted), slowest


@pytest.mark.promise("N5")
def test_a_stop_under_load_loses_nothing(opener: Opener, record, figure):
    stops = figure(1, 20)
    acknowledged, lost, slowest = stopped(opener, stops)
    record(stops=stops, acknowledged=acknowledged, lost=lost, slowest=f"{slowest:.1f} s")
    assert acknowledged > CLIENTS
    assert lost == 0
    within(slowest, LATEST)


@pytest.mark.promise("N5")
def test_twin_that_answers_before_it_stores_loses(opener: Opener, record):
    acknowledged, lost, _ = stopped(opener, 1, "tests.api.hasty")
    record(acknowledged=acknowledged, lost=lost)
    assert lost > 0


# -- sixteen at once ---------------------------------------------------------------------------------------------------

MANY, LARGE = 3_000, 4_000
DEAR = [
    ("GET", "/messages?echo=true&limit=10000"),
    ("GET", "/messages?" + "&".join(f"ids={n:016x}" for n in range(1_000))),
    ("GET", "?" + "&".join(f"k{n}=v" for n in range(3_000))),
    ("POST", "/claims?limit=1000000"),
    ("DELETE", "/messages?pop=1000000"),
]
# Bytes that a process may hold more, and seconds below which a machine that is busy makes p99 what it is.
GROWN, FLOOR = 20 * 2**20, 0.5


def resident(service: Service) -> int:
    """Bytes that the processes of the service hold."""
    texts = [pathlib.Path(f"/proc/{pid}/status").read_text() for pid in service.pids()]
    return sum(int(text.partition("VmRSS:")[2].split()[0]) for text in texts) * 1024


@pytest.mark.promise("N7")
@pytest.mark.any_engine
@pytest.mark.parametrize("program", [UNDERCROFT, "tests.api.unlimited"], ids=["", "twin: without bounds"])
def test_sixteen_dear_requests_cost_nobody_else(opener: Opener, program: str, record, figure):
    rounds = figure(1, 20)
    messages = opener().message_controller
    for first in range(0, MANY, 500):
        messages.post("load", [{"ttl": 3_600, "body": f"{n}" + "x" * LARGE} for n in range(first, first + 500)], None, "p")
    with serving(None, messaging=url_of(opener), program=program, auth="none") as service:

        def asked(count: int, until: concurrent.futures.Future[Any] | None = None) -> float:
            """The slowest but one of a hundred, in seconds, of another project's statistics."""
            took: list[float] = []
            while len(took) < count or (until is not None and not until.done()):
                start = time.monotonic()
                answer = service.client.get("/messaging/v2/queues?with_count=true", headers={**HEADERS, "X-Project-Id": "b"})
                took.append(time.monotonic() - start if answer.status_code == 200 else 60.0)
            return sorted(took)[-1 - len(took) // 100]

        def dear(number: int) -> set[int]:
            method, query = DEAR[number % len(DEAR)]
            path = "/messaging/v2/queues" + query if query.startswith("?") else QUEUE + query
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=120)) as connection:
                found = set()
                for _ in range(rounds):
                    connection.request(method, path, headers=HEADERS)
                    answer = connection.getresponse()
                    answer.read()
                    found.add(answer.status)
            return found

        with concurrent.futures.ThreadPoolExecutor(17) as pool:
            # Threads and connections that sixteen at once need are there before memory is measured.
            list(pool.map(asked, [5] * 16))
            quiet, before = asked(50), resident(service)
            attack = [pool.submit(dear, number) for number in range(16)]
            attacked = asked(20, attack[-1])
            statuses = set[int]().union(*(each.result() for each in attack))
        grown = resident(service) - before
        record(
            asked=16 * rounds, statuses=sorted(statuses), p99=f"{quiet * 1000:.0f} ms -> {attacked * 1000:.0f} ms",
            grown=f"{grown / 2**20:.0f} MiB",
        )  # fmt: skip
    holds = statuses == {400} and grown <= GROWN and attacked <= max(3 * quiet, FLOOR)
    assert holds == (program == UNDERCROFT)

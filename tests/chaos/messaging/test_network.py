"""The network between us and the engine of messages fails: every call ends (N1), what broke is told as unknown and never as done
(N2), and no call is made twice by a library that tries again (C3)."""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import pathlib
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pymongo.common
import pytest

import undercroft
from tests.api.proxy import proxied
from tests.api.service import Service, serving
from tests.chaos.messaging import sending
from tests.conftest import WHOLE, first_of_each, opener_of, stores, url_of
from undercroft.conformance.clock import now
from undercroft.conformance.limits import within
from undercroft.conformance.plugin import Opener, Target
from undercroft.core import time as clock
from undercroft.core.errors import OutcomeUnknown, Unavailable

pytestmark = pytest.mark.timeout(1800)
QUEUE, LEASE = "cut", {"ttl": 3_600, "grace": 60}
LATEST, LIVE_AGAIN = 5.5, 5
LATER = dt.timedelta(minutes=1)
# Bytes after which connections are cut, at random, and those of a twin: more calls come through, to be done twice.
CUT = 6_000


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Servers of messages; tests/api cuts off those that have rated usage, too, and asks for messages there."""
    found = [store for store in stores(metafunc.config, "messaging") if store.host]
    if not WHOLE:
        others = {store.driver for store in stores(metafunc.config, "rating")}
        found = first_of_each((store for store in found if store.driver not in others), lambda store: store.kind)
    nothing = pytest.param(None, marks=pytest.mark.skip(reason="NOT RUN: no engine of this run stores messages alone"))
    metafunc.parametrize("reached", found or [nothing], ids=[store.driver for store in found] or None, scope="module")


@pytest.fixture
def server(reached: Target, tmp_path: pathlib.Path) -> Iterator[Opener]:
    """An empty namespace on an engine that is reached over the network."""
    found = opener_of(reached, tmp_path)
    found()
    yield found
    found.clear()


def ask(service: Service, number: int) -> tuple[int, float, str | None]:
    """Status, seconds, and Retry-After of one request of several kinds."""
    start = time.monotonic()
    messages = sending.QUESTION
    requests: list[tuple[str, str, Any]] = [
        ("POST", messages, sending.post(number)[1]),
        ("GET", messages, None),
        ("POST", messages.replace("messages", "claims"), LEASE),
        ("GET", messages.replace("messages", "stats"), None),
        ("DELETE", f"{messages}?pop=1", None),
        ("GET", "/messaging/v2/queues", None),
    ]
    method, path, body = requests[number % len(requests)]
    answer = service.client.request(method, path, json=body, headers=sending.HEADERS)
    return answer.status_code, time.monotonic() - start, answer.headers.get("Retry-After")


@pytest.mark.promise("N1")
def test_black_hole(server: Opener, record):
    with proxied(url_of(server)) as (proxy, url), serving(None, messaging=url, auth="none") as service:
        # Connections that were good when the hole opened, as well as new ones.
        with concurrent.futures.ThreadPoolExecutor(36) as pool:
            assert {status for status, *_ in pool.map(lambda n: ask(service, n), range(48))} <= {200, 201, 204}
            proxy.silence()
            # More than may be under way at once.
            asked = [pool.submit(ask, service, number) for number in range(100, 136)]
            probes = []
            for _ in range(2):
                start = time.monotonic()
                assert service.client.get("/healthz").status_code == 200
                assert service.client.get("/readyz").status_code == 503
                probes.append(time.monotonic() - start)
            answers = [one.result() for one in asked]
        assert {(status, retry) for status, _, retry in answers} == {(503, "2")}
        slowest = max(seconds for _, seconds, _ in answers)
        within(max(slowest, *probes), LATEST)
        proxy.heal()
        start = time.monotonic()
        while {ask(service, number)[0] for number in range(200, 212)} - {200, 201, 204}:
            within(time.monotonic() - start, LIVE_AGAIN, "the service's recovery")
        record(requests=len(answers), slowest=f"{slowest:.1f} s", recovered=f"{time.monotonic() - start:.1f} s")


@pytest.mark.promise("N1")
def test_without_deadlines_the_hole_swallows_requests(server: Opener):
    """The twin."""
    with (
        proxied(url_of(server, statement_timeout="600")) as (proxy, url),
        serving(None, messaging=url, auth="none", deadline=600, long_deadline=600) as service,
    ):
        assert ask(service, 1)[0] == 200
        proxy.silence()
        with pytest.raises(httpx.ReadTimeout):
            service.client.get(sending.QUESTION, headers=sending.HEADERS, timeout=LATEST)


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """MongoDB's client looks for a server that it has lost every half second, which would be all that these tests take."""
    monkeypatch.setattr(pymongo.common, "MIN_HEARTBEAT_INTERVAL", 0.01)


def cut_off(server: Opener, seed: int, calls: int, *, again: bool = False) -> dict[str, int]:
    """Post, claim and delete over connections that are cut at random bytes; what is wrong with what was told, counted."""
    outcome: dict[int, str] = {}
    with proxied(url_of(server), seed) as (proxy, url):
        store: Any = undercroft.connect("messaging", url)
        messages, claims = store.message_controller, store.claim_controller
        # What an engine is sent once, whole, and what a process finds out about it once, are longer than connections last here.
        messages.post("other", [{"ttl": 3_600, "body": 0}], None)
        claims.create("other", LEASE, None, 1)
        proxy.cut_after = CUT
        for number in range(calls):
            outcome[number] = _told(lambda n=number: messages.post(QUEUE, [{"ttl": 3_600, "body": n}], None), again=again)
        proxy.heal()
        bodies = Counter(each["body"] for each in _everything(store))
        proxy.cut_after = CUT
        claimed = [_told(lambda: claims.create(QUEUE, LEASE, None, 1), again=again) for _ in range(calls // 2)]
        cuts = proxy.cuts
        proxy.heal()
        taken = sum(each["claim_count"] for each in _everything(store))
        store.close()
    told = Counter(outcome.values())
    return {
        "cuts": cuts,
        "done": told["done"],
        "unknown": told["unknown"],
        "lost": sum(bodies[number] == 0 for number, what in outcome.items() if what == "done"),
        "done though refused": sum(bodies[number] > 0 for number, what in outcome.items() if what == "not done"),
        "doubled": sum(count > 1 for count in bodies.values()),
        "claims too few": max(0, claimed.count("done") - taken),
        "claims too many": max(0, taken - claimed.count("done") - claimed.count("unknown")),
    }


def _told(call: Any, *, again: bool) -> str:
    """What a call is said to have come to; `again`: as a library that repeats by itself says it."""
    while True:
        try:
            call()
        except OutcomeUnknown:
            if not again:
                return "unknown"
        except Unavailable:
            if not again:
                return "not done"
        else:
            return "done"


def _everything(store: Any) -> list[dict[str, Any]]:
    # Later: a list may end before a post that may still be stored, and one that was cut off may be such a one.
    with now(clock.now() + LATER):
        pages = store.message_controller.list(QUEUE, None, None, 10_000, echo=True, include_claimed=True)
        return list(next(pages))


@pytest.mark.promise("N2")
@pytest.mark.promise("C3")
@pytest.mark.usefixtures("_quick")
def test_connections_reset_at_random_bytes(server: Opener, seed: int, record, figure):
    found = cut_off(server, seed, figure(200, 500))
    record(**found)
    assert found["cuts"] > 0
    assert found["unknown"] > 0
    wrong = ("lost", "done though refused", "doubled", "claims too few", "claims too many")
    assert {name: found[name] for name in wrong} == dict.fromkeys(wrong, 0)


@pytest.mark.promise("N2")
@pytest.mark.promise("C3")
@pytest.mark.usefixtures("_quick")
def test_what_tries_again_by_itself_does_it_twice(server: Opener, seed: int, record):
    """The twin."""
    found = cut_off(server, seed, 400, again=True)
    record(**found)
    assert found["doubled"] + found["claims too many"] > 0

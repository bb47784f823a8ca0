"""The network between service and database fails: every call ends, nothing acknowledged is lost, nothing is stored twice."""

from __future__ import annotations

import concurrent.futures
import importlib
import time
from collections.abc import Iterator
from decimal import Decimal

import httpx
import pytest

from tests.api.proxy import proxied
from tests.api.service import Service, frame, serving
from tests.chaos.workloads import WORKLOADS
from tests.conftest import url_of
from undercroft.conformance.limits import within
from undercroft.conformance.plugin import Opener, Target
from undercroft.core import kinds

pytestmark = pytest.mark.chaos
NOVEMBER = {"begin": "2026-11-01", "end": "2026-12-01"}
LATEST = 5.5


@pytest.fixture
def server(opener: Opener) -> Opener:
    """An empty namespace on an engine that is reached over the network."""
    opener()
    if not opener.target.host:
        # Not a gap: the promise is about the network between service and engine, and here is none.
        pytest.skip("this engine is a file of the service's own machine: no network can fail between them")
    return opener


@pytest.fixture
def other_server(kind: str, server: Opener) -> Iterator[Opener]:
    """A store of another kind in the same database."""
    opener = Opener(Target(kind, server.target.driver, server.target.url), server.url, f"o{server.namespace}")
    opener()
    yield opener
    opener.clear()


def timed(service: Service, number: int) -> tuple[int, float, str | None]:
    """Status, seconds, and Retry-After of one request of many kinds."""
    start = time.monotonic()
    kinds = (
        lambda: service.push(frame("a", hour=number)),
        lambda: service.get("/v2/summary", **NOVEMBER),
        lambda: service.get("/v2/dataframes", **NOVEMBER, limit=5_000),
        lambda: service.get("/v1/storage/dataframes", **NOVEMBER),
        lambda: service.get("/v2/scope"),
        lambda: service.push(frame("a", hour=number), Idempotency_Key=f"k{number}"),
    )
    answer = kinds[number % len(kinds)]()
    return answer.status_code, time.monotonic() - start, answer.headers.get("Retry-After")


@pytest.mark.promise("N1")
def test_black_hole(server, record):
    with proxied(url_of(server)) as (proxy, url), serving(url) as service:
        assert service.push(frame("a")).status_code == 204
        # Connections that were good when the hole opened, as well as new ones.
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            assert {status for status, *_ in pool.map(lambda n: timed(service, n), range(48))} <= {200, 204, 503}
            proxy.silence()
            # More than may be under way at once.
            asked = [pool.submit(timed, service, number) for number in range(36)]
            probes = []
            for _ in range(8):
                start = time.monotonic()
                assert service.client.get("/healthz").status_code == 200
                ready = service.client.get("/readyz")
                probes.append(time.monotonic() - start)
                assert (ready.status_code, ready.headers.get("Retry-After")) == (503, "2")
            answers = [one.result() for one in asked]
        assert {(status, retry) for status, _, retry in answers} == {(503, "2")}
        slowest = max(seconds for _, seconds, _ in answers)
        within(slowest, LATEST)
        within(max(probes), LATEST)
        proxy.heal()
        start = time.monotonic()
        while {timed(service, number)[0] for number in range(12)} - {200, 204}:
            within(time.monotonic() - start, 5, "the service's recovery")
        record(requests=len(answers), slowest=f"{slowest:.1f} s", recovered=f"{time.monotonic() - start:.1f} s")


@pytest.mark.promise("N1")
@pytest.mark.parametrize("kind", [kind for kind in WORKLOADS if kind != kinds.bare().name])
def test_black_hole_under_items_that_are_sent(kind, other_server, record):
    """Questions get their 503, and who brings items a 503 or a broken connection, within the deadline; then all is well again."""
    sending = importlib.import_module(f"tests.chaos.{kind}.sending")
    headers = {"X-Roles": "admin", "X-User-Id": "u", "X-Project-Id": "p", **getattr(sending, "HEADERS", {})}
    done = {200, sending.post(1)[2]}

    def ask(service: Service, number: int) -> tuple[int, float]:
        start = time.monotonic()
        try:
            if number % 2:
                status = service.client.get(sending.QUESTION, headers=headers).status_code
            else:
                path, body, _ = sending.post(number)
                status = service.client.post(path, json=body, headers=headers).status_code
        except httpx.TransportError:
            status = 0
        return status, time.monotonic() - start

    with proxied(url_of(other_server)) as (proxy, url), serving(**sending.stores(url)) as service:
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            assert {status for status, _ in pool.map(lambda n: ask(service, n), range(24))} == done
            proxy.silence()
            answers = list(pool.map(lambda n: ask(service, n), range(100, 136)))
            assert service.client.get("/healthz").status_code == 200
            assert service.client.get("/readyz").status_code == 503
        assert {status for status, _ in answers} == ({0, 503} if sending.BREAKS_OFF else {503})
        within(max(seconds for _, seconds in answers), LATEST)
        proxy.heal()
        start = time.monotonic()
        while {ask(service, number)[0] for number in range(200, 212)} != done:
            within(time.monotonic() - start, 5, "the service's recovery")
        record(requests=len(answers), slowest=f"{max(seconds for _, seconds in answers):.1f} s")
        # What had no answer may be stored, or not; nothing is there twice.
        assert 18 <= sending.count(other_server.opened[0]) <= 36


@pytest.mark.promise("N1")
def test_twin_without_deadlines_the_hole_swallows_requests(server):
    with proxied(url_of(server)) as (proxy, url), serving(url, deadline=600, long_deadline=600) as service:
        assert service.get("/v2/summary", **NOVEMBER).status_code == 200
        proxy.silence()
        with pytest.raises(httpx.ReadTimeout):
            service.client.get("/rating/v2/summary", params=NOVEMBER, timeout=LATEST)


def ledger(service: Service, pushes: int, *, keys: bool, again: bool) -> tuple[int, int]:
    """Push so many points, one a request; how many were acknowledged, and how often a request had to be repeated."""
    repeated = 0

    def push(number: int) -> int:
        nonlocal repeated
        for _ in range(40):
            headers = {"Idempotency_Key": f"push-{number}"} if keys else {}
            status = service.push(frame("a", 1, "0.1", hour=number), **headers).status_code
            if status == 204:
                return 1
            assert status == 503
            if not again:
                return 0
            repeated += 1
        raise AssertionError("40 tries")

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return sum(pool.map(push, range(pushes))), repeated


@pytest.mark.promise("N2")
@pytest.mark.promise("C8")
def test_connections_reset_at_random_bytes(server, record, seed):
    """On a store that adds up what is pushed twice, so that every effect shows."""
    with proxied(url_of(server, on_conflict="append"), seed) as (proxy, url), serving(url) as service:
        proxy.cut_after = 12_000
        acknowledged, repeated = ledger(service, 60, keys=True, again=True)
        cuts = proxy.cuts
        proxy.heal()
        row = server.opened[0].total(begin=_moment(1), end=_moment(30))["results"][0]
        assert acknowledged == row["qty"] == 60
        assert row["rate"] == Decimal(6)
        assert cuts > 0
        record(pushes=60, cuts=cuts, repeated=repeated, lost=0, doubled=0)


@pytest.mark.promise("N2")
def test_twin_who_takes_a_reset_for_a_success_loses(server, seed):
    """A client that does not repeat what was answered with 503 has lost it: the cuts do harm."""
    with proxied(url_of(server, on_conflict="append"), seed) as (proxy, url), serving(url) as service:
        # Early in a connection: the pool's own second try meets the next cut.
        proxy.cut_after = 3_000
        acknowledged, _ = ledger(service, 60, keys=False, again=False)
        proxy.heal()
        rows = server.opened[0].total(begin=_moment(1), end=_moment(30))["results"]
        stored = int(rows[0]["qty"]) if rows else 0
        assert acknowledged < 60
        assert acknowledged <= stored


def _moment(day: int):
    import datetime as dt

    return dt.datetime(2026, 11, day, tzinfo=dt.UTC)

"""Budgets: long requests are few, and ordinary ones never wait behind them."""

from __future__ import annotations

import contextlib
import socket

import httpx
import pytest

from tests.api.service import frame, serving
from tests.conftest import url_of
from undercroft.api.limits import Budget, Busy
from undercroft.core import deadline

pytestmark = pytest.mark.one_per_family

NOVEMBER = "begin=2026-11-01&end=2026-12-01"
EVERYTHING = f"/v1/storage/dataframes?{NOVEMBER}"


def stalled(port: int) -> socket.socket:
    """A client that asks for everything and reads nothing of it."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.sendall(f"GET /rating{EVERYTHING} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    assert client.recv(12) == b"HTTP/1.1 200"
    return client


def test_long_requests_have_a_budget_of_their_own(opener):
    opener()
    with serving(url_of(opener), long_requests=2, requests=2) as service:
        for hour in range(40):
            points = [frame("a", hour=hour, filling=f"{number} {'x' * 4_000}")["usage"]["cpu"][0] for number in range(200)]
            assert service.push({**frame("a", hour=hour), "usage": {"cpu": points}}).status_code == 204
        clients = [stalled(service.port) for _ in range(2)]
        try:
            refused = service.client.get(f"/rating{EVERYTHING}")
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
            # Small ones are answered all the while.
            for _ in range(20):
                assert service.get("/v2/dataframes", begin="2026-11-01", end="2026-12-01", limit=1).status_code == 200
            assert service.client.get("/readyz").status_code == 200
        finally:
            for client in clients:
                client.close()
        # Whoever hangs up gives the turn back.
        assert any(service.client.get(f"/rating{EVERYTHING}").status_code == 200 for _ in range(200))


def test_a_turn_ends_with_its_block():
    budget = Budget(1, seconds=5, patience=0)
    with budget.turn():
        left = deadline.remaining()
        assert left is not None
        assert 0 < left <= 5
        with pytest.raises(Busy), budget.turn():
            pass
    with budget.turn():
        pass
    assert deadline.remaining() is None


def test_the_nearer_deadline_counts():
    with deadline.within(1), deadline.within(100):
        left = deadline.remaining()
    assert left is not None
    assert left <= 1


def test_a_budget_has_shares():
    budget = Budget(3, seconds=5, patience=0, share=2)
    first, second = budget.take("project a"), budget.take("project a")
    with pytest.raises(Busy, match="as many as one project may have"):
        budget.take("project a")
    third = budget.take("project b")
    with pytest.raises(Busy, match="3 requests of this kind"):
        budget.take("project c")
    for each in (first, first, second, third):
        each.end()
    assert [budget.take(None) for _ in range(3)]


@pytest.mark.kind("events")
@pytest.mark.any_engine
def test_one_project_leaves_long_requests_to_others(any_opener, tmp_path):
    any_opener()
    file = tmp_path / "tokens"
    file.write_text("a1 a u1 member\na2 a u2 member\nb1 b u1 member\nc - c admin\nd - - writer,admin\n")
    with serving(None, events=url_of(any_opener), auth="tokens", token_file=file) as service, contextlib.ExitStack() as stack:

        def tail(token: str) -> httpx.Response:
            asked = service.client.stream("GET", "/events/v1/events/tail", headers={"X-Auth-Token": token})
            return stack.enter_context(asked)

        # Two users of a project share.
        assert [tail(token).status_code for token in ("a1", "a2")] == [200, 200]
        refused = tail("a1")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
        assert "as many as one project may have" in refused.read().decode()
        assert tail("b1").status_code == 200
        # Small ones have no share.
        for _ in range(5):
            assert service.client.get("/events/v2/events", headers={"X-Auth-Token": "a1"}).status_code == 200

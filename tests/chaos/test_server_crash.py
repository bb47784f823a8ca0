"""kill -9 of the database server under load: nothing acknowledged is lost, and the client goes on without a restart (D3).

With the server's own fast modes, commits that were acknowledged are lost: the test can see it, and `doctor` warns of it.
"""

from __future__ import annotations

import pathlib
import time
import uuid
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.chaos import servers
from tests.chaos.judge import Judge
from tests.chaos.processes import Life, life
from tests.chaos.servers import Server
from tests.chaos.twins import written_late
from tests.chaos.works import WORKS
from tests.chaos.writers import write_on
from tests.cli.conftest import runner
from undercroft.cli.main import root
from undercroft.conformance.plugin import Opener, Target

pytestmark = pytest.mark.timeout(7200)
# Seconds after which we must be there again, once the server is. Beside other work the server itself is slow: there, only a hang
# is told.
LIVE_AGAIN, LIVE_AGAIN_BUSY = 5, 60
# Seconds; far above what an operation takes, which may be some hundred calls.
HANGS = 600


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    nothing = pytest.mark.skip(reason="NOT RUN: none of this run's engines is such a server")
    for fixture in {"durable", "fast"} & set(metafunc.fixturenames):
        if "kind" in metafunc.fixturenames:
            pairs = sorted(((kind, name) for kind in WORKS for name in servers.names(kind)), key=lambda pair: pair[1])
            given = [pytest.param(*pair, id="-".join(pair)) for pair in pairs] or [pytest.param("", "", marks=nothing)]
            metafunc.parametrize(("kind", fixture), given, indirect=[fixture], scope="module")
        else:
            metafunc.parametrize(fixture, servers.names() or [pytest.param("", marks=nothing)], indirect=True, scope="module")


@pytest.fixture(scope="module")
def durable(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server whose commits are durable."""
    with servers.own(request.param, durable=True) as found:
        yield found


@pytest.fixture(scope="module")
def fast(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server whose commits are not."""
    with servers.own(request.param, durable=False) as found:
        yield found


class Killed(Judge):
    """A writer whose server is killed, and who goes on as soon as it may."""

    kills = 0
    slowest = 0.0
    patience = LIVE_AGAIN_BUSY

    def kill(self, server: Server, writer: Life) -> None:
        """Kill the server in the middle of the writer's work, start it again, and look before the writer goes on."""
        time.sleep(self.rng.uniform(0.2, 0.7))
        server.kill()
        self.kills += 1
        assert writer.hear().startswith("down: ")
        server.start()
        self.judge()

    def recover(self, writer: Life, last: int | None) -> None:
        """Let the writer go on; until one of its calls has returned, and what it was at is acknowledged."""
        writer.tell(last)
        began = time.monotonic()
        said = writer.hear(self.patience)
        assert said == "up", f"the client has not recovered: {said}"
        self.slowest = max(self.slowest, time.monotonic() - began)
        while True:
            # In this order: who is at the end of its work has acknowledged something before.
            speaks = writer.speaks()
            if len(self.acknowledgements.read()) > self.done:
                return
            assert not speaks, f"the client has failed again: {writer.hear()}"
            assert time.monotonic() - began <= HANGS, "what the client was at does not come to an end"
            time.sleep(0.01)

    def figures(self) -> dict[str, Any]:
        """For the record."""
        return {"kills": self.kills, **super().figures(), "slowest_recovery": f"{self.slowest:.2f} s"}


def opener_on(server: Server, kind: str) -> Opener:
    """Opens stores on a namespace of its own."""
    return Opener(Target(kind, server.engine.name, server.url), server.url, f"k{uuid.uuid4().hex[:12]}")


def kill_again_and_again(found: Killed, server: Server, kills: int) -> None:
    """Kill the server so many times, or until a fault is found; then let the writer come to an end."""
    opener = found.opener
    options = {"namespace": opener.namespace}
    with life(write_on, opener.target.kind, opener.url, options, found.seed, found.acknowledgements) as writer:
        assert writer.hear() == "ready"
        while found.kills < kills and not found.faults:
            found.kill(server, writer)
            if not found.faults:
                found.recover(writer, found.done + 10 if found.kills == kills else None)
        if not found.faults:
            assert writer.end() == 0
            found.judge(settled=True)
    opener.clear()


@pytest.mark.promise("D3")
def test_nothing_acknowledged_is_lost_with_the_server(
    kind: str, durable: Server, tmp_path: pathlib.Path, seed: int, record, figure
):
    found = Killed(opener_on(durable, kind), tmp_path, seed)
    found.patience = figure(LIVE_AGAIN_BUSY, LIVE_AGAIN)
    kill_again_and_again(found, durable, figure(5, 25))
    record(**found.figures())
    assert not found.faults, found.faults


@pytest.mark.promise("D3")
def test_twin_a_server_that_acknowledges_before_it_writes_loses(kind: str, fast: Server, tmp_path: pathlib.Path, seed: int, record):
    found = Killed(opener_on(fast, kind), tmp_path, seed)
    written_late(found.opener(init=False))
    kill_again_and_again(found, fast, 25)
    record(**found.figures())
    assert found.faults


def durability(server: Server) -> dict[str, str]:
    """What `doctor` says of the server's settings: level by setting."""
    opener = opener_on(server, "rating")
    opener()
    url = f"{server.url}{'&' if '?' in server.url else '?'}namespace={opener.namespace}"
    told = runner().invoke(root, ["doctor", "--store", url, "--format", "json"], prog_name="undercroft")
    opener.clear()
    found = msgspec.json.decode(told.stdout)
    return {one["check"].partition(": ")[2]: one["level"] for one in found if one["check"].startswith("durability: ")}


DECIDING = {"postgresql": "synchronous_commit", "mariadb": "innodb_flush_log_at_trx_commit"}


@pytest.mark.promise("D1")
def test_doctor_is_content_with_a_durable_server(durable: Server):
    assert set(durability(durable).values()) == {"ok"}


@pytest.mark.promise("D1")
def test_doctor_warns_of_a_server_that_acknowledges_before_it_writes(fast: Server):
    found = durability(fast)
    assert found[DECIDING[fast.engine.name.partition("-")[0]]] == "warning"
    assert set(found.values()) <= {"ok", "warning"}

"""kill -9 of the database server under load: nothing acknowledged is lost, and the client goes on without a restart (D3).

With the server's own fast modes, commits that were acknowledged are lost, and the test can see it.
"""

from __future__ import annotations

import pathlib
import time
from typing import Any

import pytest

from tests.chaos.processes import Life, life
from tests.chaos.servers import Server, opener_on
from tests.chaos.verifier import Verifier
from tests.chaos.writers import write_on
from undercroft.conformance.limits import within
from undercroft.core import registry

pytestmark = pytest.mark.timeout(7200)
# Seconds after which we must be there again, once the server is. Beside other work the server itself is slow: there, only a hang
# is told.
LIVE_AGAIN, LIVE_AGAIN_BUSY = 5, 60
# Seconds; far above what an operation takes, which may be some hundred calls.
HANGS = 600


class Killed(Verifier):
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
        self.verify()

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
            within(time.monotonic() - began, HANGS, "what the client was at")
            time.sleep(0.01)

    def figures(self) -> dict[str, Any]:
        """For the record."""
        return {"kills": self.kills, **super().figures(), "slowest_recovery": f"{self.slowest:.2f} s"}


def kill_again_and_again(found: Killed, server: Server, kills: int, **more: str) -> None:
    """Kill the server so many times, or until a fault is found; then let the writer come to an end."""
    opener = found.opener
    options = {"namespace": opener.namespace, **more}
    with life(write_on, opener.target.kind, opener.url, options, found.seed, found.acknowledgements) as writer:
        assert writer.hear() == "ready"
        while found.kills < kills and not found.faults:
            found.kill(server, writer)
            if not found.faults:
                found.recover(writer, found.done + 10 if found.kills == kills else None)
        if not found.faults:
            assert writer.end() == 0
            found.verify(settled=True)
    opener.clear()


@pytest.mark.promise("D3")
def test_nothing_acknowledged_is_lost_with_the_server(
    kind: str, durable: Server, tmp_path: pathlib.Path, seed: int, record, figure
):
    found = Killed(opener_on(durable, kind), tmp_path, seed)
    found.patience = figure(LIVE_AGAIN_BUSY, LIVE_AGAIN)
    kill_again_and_again(found, durable, figure(2, 25))
    record(**found.figures())
    assert not found.faults, found.faults


@pytest.mark.promise("D3")
def test_twin_a_server_that_acknowledges_before_it_writes_loses(kind: str, fast: Server, tmp_path: pathlib.Path, seed: int, record):
    found = Killed(opener_on(fast, kind), tmp_path, seed)
    found.work.written_late(found.opener(init=False))
    late = {"synchronous": "normal"} if hasattr(registry.load(kind, found.opener.target.driver).Options, "synchronous") else {}
    kill_again_and_again(found, fast, 25, **late)
    record(**found.figures())
    assert found.faults

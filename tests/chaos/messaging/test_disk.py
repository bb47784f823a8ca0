"""A power cut at any moment: what Redis acknowledged was on its disk before, with the settings that we call durable (D1)."""

from __future__ import annotations

import contextlib
import pathlib
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.chaos import power, servers
from tests.chaos.workloads import WORKLOADS
from tests.engines.run import free_ports
from undercroft.conformance.plugin import Opener, Target
from undercroft.core.errors import UndercroftError

pytestmark = [pytest.mark.promise("D1"), pytest.mark.timeout(7200)]
PATIENCE, WORKLOAD = 60, WORKLOADS["messaging"]
# What is told behind each operation, on a connection of its own: the trace has it in the order of the server's calls.
TOLD = "told-"
# The folder of the log, below the server's.
LOG = "appendonlydir"


@pytest.fixture
def _programs() -> None:
    """The runner of engines installs them with ENGINES=all, and says NOT RUN where they are missing."""
    if "redis" not in servers.names("messaging") or shutil.which("strace") is None:
        pytest.skip("NOT RUN: needs Redis and strace")


class Unusable(Exception):
    """A server does not start on what is left."""


@contextlib.contextmanager
def server(folder: pathlib.Path, *before: str, fsync: str = "always") -> Iterator[redis.Redis]:
    """A server on what is in a folder; the words `before` are a program that runs it."""
    (port,) = free_ports(1)
    command = [*before, "redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    command += ["--appendonly", "yes", "--appendfsync", fsync, "--appenddirname", LOG]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) as process,
        redis.Redis(host="127.0.0.1", port=port, retry=Retry(NoBackoff(), 0)) as client,
    ):
        try:
            end = time.monotonic() + PATIENCE
            while True:
                with contextlib.suppress(redis.RedisError):
                    client.ping()
                    break
                if process.poll() is not None:
                    raise Unusable((folder / "log").read_text())
                assert time.monotonic() < end, "the server does not start"
                time.sleep(0.02)
            yield client
        finally:
            with contextlib.suppress(redis.RedisError):
                client.shutdown(nosave=True)
            process.wait(PATIENCE)


def opener_on(client: redis.Redis) -> Opener:
    """Opens stores there."""
    url = f"redis://127.0.0.1:{client.connection_pool.connection_kwargs['port']}"
    return Opener(Target("messaging", "redis", url), url, "p")


def traced(folder: pathlib.Path, seed: int, operations: int, fsync: str) -> list[power.Call]:
    """The calls of a server while operations are done, and the places among them where each was told."""
    with server(folder, *power.tracer(folder / "trace"), fsync=fsync) as client:
        opener = opener_on(client)
        store: Any = opener(init=False)
        for number in range(operations):
            WORKLOAD.operation(seed, number).run(store)
            client.echo(f"{TOLD}{number}")
        opener.close(store)
    return list(power.calls(folder / "trace", folder / LOG, told=TOLD.encode()))


def after_cuts(folder: pathlib.Path, seed: int, operations: int, cuts: int, fsync: str) -> dict[str, Any]:
    """Cut the power at random moments, and compare what is left with what was acknowledged."""
    live = folder / "live"
    live.mkdir()
    with server(live) as client:
        opener = opener_on(client)
        opener.close(opener())
    disk = power.Disk(live / LOG)
    calls = traced(live, seed, operations, fsync)
    told = [place for place, call in enumerate(calls) if call.name == "told"]
    assert len(told) == operations
    rng = random.Random(seed)
    places = sorted(rng.choices(range(told[0], told[-1] + 1), k=cuts))
    ledger, done, found = WORKLOAD.ledger(), 0, {"cuts": cuts, "lost_something": 0, "unanswered_stored": 0}
    for place, call in enumerate(calls):
        if call.name == "told":
            ledger.enter(WORKLOAD.operation(seed, done))
            done += 1
        else:
            disk.do(call)
        while places and places[0] == place:
            places.pop(0)
            into = folder / f"cut-{len(places)}"
            into.mkdir()
            disk.cut(into / LOG, rng if rng.random() < 0.5 else None)
            verdict = compare(into, ledger, WORKLOAD.operation(seed, done), rng)
            found["lost_something"] += verdict is None
            found["unanswered_stored"] += verdict == 1
            shutil.rmtree(into)
    return found | {"calls": done, "syncs_of_the_log": sum(disk.syncs.values())}


def compare(folder: pathlib.Path, ledger: Any, unanswered: Any, rng: random.Random) -> int | None:
    """Start a server on what is left: 0 when it agrees with the ledger, 1 when the call without an answer was done."""
    questions = rng.sample(WORKLOAD.questions, 4)
    # A log without some of its middle has messages without bodies, say: that no question can be answered is a loss, too.
    with contextlib.suppress(Unusable, UndercroftError), server(folder) as client:
        opener = opener_on(client)
        with contextlib.closing(opener(init=False)) as store:
            if not WORKLOAD.audit(store, ledger, questions):
                return 0
            return None if WORKLOAD.audit(store, ledger.left_by(unanswered, store), questions) else 1
    return None


@pytest.mark.usefixtures("_programs")
def test_no_power_cut_takes_what_was_acknowledged(tmp_path: pathlib.Path, seed: int, record, figure):
    operations, cuts = figure((100, 30), (200, 500))
    found = after_cuts(tmp_path, seed, operations, cuts, "always")
    record(**found)
    assert found["lost_something"] == 0


@pytest.mark.usefixtures("_programs")
def test_twin_that_leaves_flushing_to_the_system_loses(tmp_path: pathlib.Path, seed: int, record):
    found = after_cuts(tmp_path, seed, 60, 10, "no")
    record(**found)
    assert found["lost_something"] > 5

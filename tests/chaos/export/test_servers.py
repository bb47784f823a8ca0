"""The target's server is killed, black-holed or cut off, and the source is killed: the worker waits, and goes on by itself."""

from __future__ import annotations

import contextlib
import pathlib
import random
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.api.proxy import proxied
from tests.chaos.export.exporter import LAG, Exporter, figures
from tests.chaos.export.sources import Restarted
from tests.chaos.export.traffic import Traffic, now
from tests.chaos.servers import Server
from tests.export.old_ceilometer import OldCeilometer
from tests.export.places import Place

pytestmark = [pytest.mark.kind("metering"), pytest.mark.timeout(1800)]
Record = Callable[..., None]
Figure = Callable[[int, int], int]
# Seconds after which the worker must be there again.
LIVE_AGAIN = 5


@pytest.fixture
def own_place(durable: Server) -> Iterator[Place]:
    """A table on a server that only these tests use."""
    found = Place(durable.url, f"t{uuid.uuid4().hex[:12]}")
    yield found
    found.clear()


@contextlib.contextmanager
def exporting(folder: pathlib.Path, place: Place, seed: int, url: str, **keys: Any) -> Iterator[Exporter]:
    """A worker that reads from the stand-in, and reaches the target by this URL."""
    with OldCeilometer() as source:
        traffic = Traffic(source.add, seed, lag=LAG, overlap=0.0)
        traffic.history(100)
        yield Exporter(folder, place, source.url, traffic, overlap=0.0, connection=url, **keys)


@pytest.mark.promise("D3")
@pytest.mark.promise("D7")
def test_all_are_killed_on_the_way(
    durable: Server, own_place: Place, tmp_path: pathlib.Path, seed: int, record: Record, figure: Figure
) -> None:
    rng, kills = random.Random(seed), figure(3, 30)
    with contextlib.closing(Restarted(tmp_path)) as source:
        traffic = Traffic(source.source.add, seed, lag=LAG, overlap=2.0)
        traffic.history(figure(100, 5_000))
        exporter = Exporter(tmp_path, own_place, source.source.endpoint, traffic, overlap=2.0)
        left = [("database", "source", "worker")[number % 3] for number in range(kills)]
        rng.shuffle(left)
        with traffic.flowing():
            while left:
                with exporter.living() as worker:
                    is_alive = True
                    while left and is_alive:
                        exporter.watch(rng.uniform(0.2, 0.8))
                        assert not worker.speaks(), exporter.told()[-3000:]
                        victim = left.pop()
                        if victim == "database":
                            durable.kill()
                            time.sleep(rng.uniform(0.1, 0.5))
                            durable.start()
                        elif victim == "source":
                            source.kill()
                        else:
                            worker.kill()
                            is_alive = False
                    if is_alive:
                        exporter.settle()
        with exporter.living() as worker:
            exporter.settle()
            exporter.end(worker, signal.SIGTERM)
        faults = exporter.audit()
        record(kills=kills, samples=len(traffic.rows), **figures(faults))
        assert not faults, faults


@pytest.mark.promise("N1")
def test_a_target_that_falls_silent_is_waited_for(
    durable: Server, own_place: Place, tmp_path: pathlib.Path, seed: int, record: Record
) -> None:
    with proxied(durable.url, seed) as (proxy, url), exporting(tmp_path, own_place, seed, url, timeout=1) as exporter:
        with exporter.living() as worker, exporter.traffic.flowing():
            exporter.await_passed(now())
            proxy.silence()
            # Longer than the time that it has to answer.
            exporter.watch(2.5)
            before = exporter.positions()
            assert not worker.speaks(), exporter.told()[-3000:]
            exporter.watch(0.5)
            assert exporter.positions() == before
            assert "next try in" in exporter.told()
            proxy.heal()
            took = exporter.await_recovery(LIVE_AGAIN + LAG)
        with exporter.living() as worker:
            exporter.settle()
            exporter.end(worker, signal.SIGTERM)
        faults = exporter.audit()
        record(recovered_in=round(took, 2), **figures(faults))
        assert not faults, faults


@pytest.mark.promise("N1")
@pytest.mark.parametrize(("state", "number"), [
    ("waits", signal.SIGTERM), ("tells when it looks", signal.SIGINT), ("tells when it stores", signal.SIGTERM),
])  # fmt: skip
def test_a_signal_ends_it_while_the_target_is_silent(
    durable: Server, own_place: Place, tmp_path: pathlib.Path, seed: int, record: Record, state: str, number: signal.Signals
) -> None:
    waits = state == "waits"
    with (
        proxied(durable.url, seed) as (proxy, url),
        exporting(tmp_path, own_place, seed, url, timeout=0.5 if waits else 30, backoff_base=60, backoff_max=60) as exporter,
        exporter.living(None if waits else state) as worker,
    ):
        if waits:
            exporter.await_passed(exporter.traffic.last)
            proxy.silence()
            exporter.await_told("next try in")
        else:
            worker.hear()
            proxy.silence()
            worker.tell("go on")
            # Until it waits for an answer.
            time.sleep(0.2)
        record(ended_in=round(exporter.end(worker, number), 2))


@pytest.mark.promise("N2")
@pytest.mark.promise("C3")
@pytest.mark.parametrize("twin", [None, "no key"])
def test_connections_to_the_target_are_reset(
    durable: Server, own_place: Place, tmp_path: pathlib.Path, seed: int, record: Record, figure: Figure, twin: str | None
) -> None:
    with proxied(durable.url, seed) as (proxy, url), exporting(tmp_path, own_place, seed, url) as exporter:
        exporter.traffic.history(1_000)
        proxy.cut_after = 20_000
        with exporter.living(twin) as worker:
            with exporter.traffic.flowing():
                while proxy.cuts < figure(15, 500):
                    exporter.watch(0.1)
                    assert not worker.speaks(), exporter.told()[-3000:]
            proxy.heal()
            exporter.settle()
            exporter.end(worker, signal.SIGTERM)
        faults = exporter.audit()
        record(resets=proxy.cuts, samples=len(exporter.traffic.rows), **figures(faults))
        assert bool(faults) == (twin is not None), faults

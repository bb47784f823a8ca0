"""kill -9 of the worker at any moment, while samples arrive in every order that a source knows: each is in the table once (D7)."""

from __future__ import annotations

import contextlib
import itertools
import pathlib
import random
import signal
from collections.abc import Callable, Iterator

import pytest

from tests.chaos.export import sabotaged
from tests.chaos.export.exporter import LAG, Exporter, figures
from tests.chaos.export.sources import SOURCES
from tests.chaos.export.traffic import Traffic
from tests.chaos.faults import Faults
from tests.conftest import FULL
from tests.export.places import Place

pytestmark = [pytest.mark.kind("metering"), pytest.mark.promise("D7"), pytest.mark.timeout(1800)]
OVERLAP = 2.0
# Each source in each mode, with late samples and without an overlap; the gate has each once.
WAYS = list(itertools.product(SOURCES, ("complex", "simple"), (OVERLAP, 0.0)))
CHOSEN = WAYS if FULL else [("ours", "complex", OVERLAP), ("old", "simple", 0.0)]


@contextlib.contextmanager
def exporting(
    folder: pathlib.Path, place: Place, seed: int, source: str, mode: str, overlap: float, history: int
) -> Iterator[Exporter]:
    """A worker whose source holds something already."""
    with SOURCES[source](folder) as found:
        traffic = Traffic(found.add, seed, lag=LAG, overlap=overlap)
        traffic.history(history)
        yield Exporter(folder, place, found.endpoint, traffic, overlap=overlap, mode=mode)


def kill(exporter: Exporter, kills: int, rng: random.Random, twin: str | None = None) -> None:
    """Kill the worker this often, while samples arrive, and let the last one bring everything."""
    with exporter.traffic.flowing():
        for _ in range(kills):
            with exporter.living(twin) as worker:
                exporter.watch(rng.uniform(0.05, 0.6))
                worker.kill()
                assert worker.end() == -signal.SIGKILL, exporter.told()[-3000:]
    with exporter.living(twin) as worker:
        with exporter.traffic.flowing():
            exporter.watch(0.4)
        exporter.settle()
        exporter.end(worker, rng.choice([signal.SIGTERM, signal.SIGINT]))


@pytest.mark.parametrize(("source", "mode", "overlap"), CHOSEN)
def test_every_sample_is_there_once(
    place: Place, tmp_path: pathlib.Path, seed: int, record: Callable[..., None], figure: Callable[[int, int], int],
    source: str, mode: str, overlap: float,
) -> None:  # fmt: skip
    with exporting(tmp_path, place, seed, source, mode, overlap, figure(200, 30_000)) as exporter:
        kills = figure(4, 100)
        kill(exporter, kills, random.Random(seed))
        faults, traffic = exporter.audit(), exporter.traffic
        record(kills=kills, samples=len(traffic.rows), too_late=len(traffic.rows) - len(traffic.needed), **figures(faults))
        assert not faults, faults
        assert len(traffic.needed) > 0.9 * len(traffic.rows), "the machine is too busy to say anything"


@pytest.mark.any_engine
@pytest.mark.parametrize("twin", sabotaged.HARMFUL)
def test_twin_is_caught(place: Place, tmp_path: pathlib.Path, seed: int, record: Callable[..., None], twin: str) -> None:
    overlap = OVERLAP if twin in ("no overlap", "no key") else 0.0
    rng = random.Random(seed)
    with exporting(tmp_path, place, seed, "old", "complex", overlap, 200) as exporter:
        kills, faults = 0, Faults(0, 0, [])
        while not faults and kills < 50:
            kill(exporter, 2, rng, twin)
            kills += 2
            faults = exporter.audit()
        record(kills=kills, **figures(faults))
        assert faults

"""Signals end the worker well at any moment, with the transaction under way; of two workers on one target one waits (D7, N5)."""

from __future__ import annotations

import contextlib
import pathlib
import random
import signal
from collections.abc import Callable, Iterator

import pytest

from tests.chaos.export.exporter import LAG, Exporter, figures
from tests.chaos.export.traffic import Traffic, now
from tests.export.old_ceilometer import OldCeilometer
from tests.export.places import Place

pytestmark = [pytest.mark.kind("metering"), pytest.mark.timeout(1800)]
Record = Callable[..., None]
Figure = Callable[[int, int], int]


@contextlib.contextmanager
def exporting(folder: pathlib.Path, place: Place, seed: int) -> Iterator[Exporter]:
    with OldCeilometer() as source:
        traffic = Traffic(source.add, seed, lag=LAG, overlap=0.0)
        traffic.history(100)
        yield Exporter(folder, place, source.url, traffic, overlap=0.0)


@pytest.mark.any_engine
@pytest.mark.promise("D7")
def test_signals_end_it_well(place: Place, tmp_path: pathlib.Path, seed: int, record: Record, figure: Figure) -> None:
    rng, stops = random.Random(seed), figure(3, 20)
    with exporting(tmp_path, place, seed) as exporter:
        slowest = 0.0
        with exporter.traffic.flowing():
            for number in range(stops):
                with exporter.living() as worker:
                    exporter.watch(rng.uniform(0.2, 0.6))
                    slowest = max(slowest, exporter.end(worker, (signal.SIGTERM, signal.SIGINT)[number % 2]))
        with exporter.living() as worker:
            exporter.settle()
            exporter.end(worker, signal.SIGINT)
        faults = exporter.audit()
        record(stops=stops, slowest=round(slowest, 2), **figures(faults))
        assert not faults, faults


@pytest.mark.any_engine
@pytest.mark.parametrize("hook", ["slow", "slow and broken off"])
def test_the_transaction_under_way_is_finished(place: Place, tmp_path: pathlib.Path, seed: int, hook: str) -> None:
    with exporting(tmp_path, place, seed) as exporter:
        with exporter.living(hook) as worker:
            rows = worker.hear()
            exporter.end(worker, signal.SIGTERM)
        # The twin loses the rows of the transaction, and with them nothing: they come again.
        assert (place.count() >= rows > 0) == (hook == "slow")
        with exporter.living() as worker:
            exporter.settle()
            exporter.end(worker, signal.SIGTERM)
        assert not exporter.audit()


@pytest.mark.promise("D7")
def test_the_second_worker_waits_until_the_first_is_killed(place: Place, tmp_path: pathlib.Path, seed: int, record: Record) -> None:
    with exporting(tmp_path, place, seed) as exporter:
        second_log = tmp_path / "second.log"
        with exporter.living() as first, exporter.traffic.flowing():
            exporter.await_passed(exporter.traffic.added)
            with exporter.living(log=second_log) as second:
                exporter.await_told("another worker exports", second_log)
                exporter.await_passed(now())
                first.kill()
                took = exporter.await_passed(now())
                exporter.end(second, signal.SIGTERM)
        with exporter.living() as worker:
            exporter.settle()
            exporter.end(worker, signal.SIGTERM)
        faults = exporter.audit()
        record(taken_over_in=round(took, 2), **figures(faults))
        assert not faults, faults

"""The source falls silent, breaks answers off, refuses or moves: the worker waits, other filters go on, and nothing is lost."""

from __future__ import annotations

import contextlib
import pathlib
import random
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.api.proxy import Proxy, proxied
from tests.chaos.export.exporter import ALL_THREE, LAG, OF_A_METER, OF_A_PROJECT, Exporter, Filter, figures
from tests.chaos.export.traffic import PAGE, Traffic, now
from tests.conftest import FULL
from tests.export.old_ceilometer import Asked, Fault, OldCeilometer
from tests.export.places import Place

pytestmark = [pytest.mark.kind("metering"), pytest.mark.any_engine, pytest.mark.timeout(1800)]
Record = Callable[..., None]
Figure = Callable[[int, int], int]
LIVE_AGAIN = 5
# Small pages cut time into ever smaller parts; where that is not what is tested, a busy machine would not get to its end.
SIMPLE: dict[str, Any] = {"mode": "simple", "page": 200}
# A filter whose questions can be told from those of the other.
TWO = {"good": OF_A_PROJECT, "bad": Filter("source=openstack", "disk.read", OF_A_METER.names, OF_A_METER.selects)}


@contextlib.contextmanager
def exporting(
    folder: pathlib.Path, place: Place, seed: int, filters: Mapping[str, Filter] = ALL_THREE, **keys: Any
) -> Iterator[tuple[Exporter, OldCeilometer, Proxy]]:
    """A worker that reads from the stand-in, through a proxy."""
    with OldCeilometer() as source, proxied(source.url, seed) as (proxy, url):
        traffic = Traffic(source.add, seed, lag=LAG, overlap=0.0)
        traffic.history(40)
        yield Exporter(folder, place, url, traffic, overlap=0.0, filters=filters, **keys), source, proxy


def end_well(exporter: Exporter, *left_out: str) -> dict[str, int]:
    """Let another worker bring what is missing, and compare."""
    with exporter.living() as worker:
        exporter.settle(*left_out)
        exporter.end(worker, signal.SIGTERM)
    faults = exporter.audit(*left_out)
    assert not faults, faults
    return figures(faults)


@pytest.mark.promise("N1")
def test_a_source_that_falls_silent_is_waited_for(place: Place, tmp_path: pathlib.Path, seed: int, record: Record) -> None:
    with exporting(tmp_path, place, seed, timeout=0.7) as (exporter, _, proxy):
        with exporter.living() as worker, exporter.traffic.flowing():
            exporter.await_passed(exporter.traffic.added)
            proxy.silence()
            exporter.watch(2)
            before = exporter.positions()
            exporter.watch(0.5)
            assert exporter.positions() == before
            assert "next try in" in exporter.told()
            assert not worker.speaks(), exporter.told()[-3000:]
            proxy.heal()
            took = exporter.await_recovery(LIVE_AGAIN + LAG)
        record(recovered_in=round(took, 2), **end_well(exporter))


@pytest.mark.promise("N1")
@pytest.mark.parametrize(("waits", "number"), [(True, signal.SIGTERM), (False, signal.SIGINT)], ids=["waits", "asks"])
def test_a_signal_ends_it_while_the_source_is_silent(
    place: Place, tmp_path: pathlib.Path, seed: int, record: Record, waits: bool, number: signal.Signals
) -> None:
    with (
        exporting(tmp_path, place, seed, timeout=1 if waits else 30, backoff_base=60, backoff_max=60) as (exporter, _, proxy),
        exporter.living() as worker,
    ):
        exporter.await_passed(exporter.traffic.last)
        proxy.silence()
        if waits:
            exporter.await_told("next try in")
        else:
            time.sleep(0.3)
        record(ended_in=round(exporter.end(worker, number), 2))


@pytest.mark.promise("N2")
@pytest.mark.parametrize(("mode", "twin"), [("complex", None), ("simple", None), ("complex", "half answers taken for whole")])
def test_answers_break_off(
    place: Place, tmp_path: pathlib.Path, seed: int, record: Record, figure: Figure, mode: str, twin: str | None
) -> None:
    rng = random.Random(seed)
    with exporting(tmp_path, place, seed, mode=mode, page=PAGE if mode == "complex" else 4 * PAGE) as (exporter, source, proxy):
        # In the midst of connections, and of bodies.
        source.faults = lambda _: Fault(cut=rng.randrange(3_000), chunked=rng.random() < 0.5) if rng.random() < 0.1 else None
        proxy.cut_after = 40_000
        with exporter.living(twin) as worker:
            with exporter.traffic.flowing():
                while proxy.cuts < figure(8, 300):
                    exporter.watch(0.1)
                    assert not worker.speaks(), exporter.told()[-3000:]
            proxy.heal()
            source.faults = []
            exporter.settle()
            exporter.end(worker, signal.SIGTERM)
        faults = exporter.audit()
        record(breaks=proxy.cuts, samples=len(exporter.traffic.rows), **figures(faults))
        assert bool(faults) == (twin is not None), faults


HALF = b'[{"counter_name": "disk.read", "mess'
FAILURES = {
    "429, come again": Fault(429, {"Retry-After": "1"}),
    "500": Fault(500), "503, come again": Fault(503, {"Retry-After": "1"}), "no answer": Fault(delay=60),
    "half a body": Fault(cut=30), "half a list": Fault(200, body=HALF), "not JSON": Fault(200, body=b"<html>"),
    "closed": Fault(closes=True), "drips": Fault(drip=0.2),
}  # fmt: skip


# In the gate one that says when to come again, and one that a client library tells.
CHOSEN = FAILURES if FULL else ("429, come again", "half a body")


def of_the_bad(asked: Asked) -> bool:
    """Whether a request is of the filter that fails."""
    return "source" in str(asked.params) or "source" in str(asked.body)


@pytest.mark.parametrize("name", CHOSEN)
def test_other_filters_go_on(place: Place, tmp_path: pathlib.Path, seed: int, name: str) -> None:
    with exporting(tmp_path, place, seed, TWO, timeout=0.5, **SIMPLE) as (exporter, source, _):
        source.faults = lambda asked: FAILURES[name] if of_the_bad(asked) else None
        with exporter.living() as worker:
            with exporter.traffic.flowing():
                exporter.await_told("next try in")
                exporter.await_passed(now(), "bad")
            assert not worker.speaks(), exporter.told()[-3000:]
            assert not any(filter_ == "bad" for filter_, _ in exporter.positions())
            source.faults = []
            exporter.settle()
            exporter.end(worker, signal.SIGTERM)
        faults = exporter.audit()
        assert not faults, faults


@pytest.mark.parametrize("status", [401, 403, 404, 410, 301] if FULL else [410])
def test_what_concerns_all_filters_is_waited_for(place: Place, tmp_path: pathlib.Path, seed: int, status: int) -> None:
    with exporting(tmp_path, place, seed, **SIMPLE) as (exporter, source, _), exporter.living() as worker:
        with exporter.traffic.flowing():
            exporter.await_passed(exporter.traffic.last)
            source.faults = lambda _: Fault(status)
            exporter.await_told("next try in")
            exporter.watch(1.2)
        assert not worker.speaks(), exporter.told()[-3000:]
        source.faults = []
        exporter.settle()
        exporter.end(worker, signal.SIGTERM)
        faults = exporter.audit()
        assert not faults, faults


def test_a_filter_that_is_refused_is_left_out_by_itself(place: Place, tmp_path: pathlib.Path, seed: int) -> None:
    with exporting(tmp_path, place, seed, TWO, **SIMPLE) as (exporter, source, _):
        source.faults = lambda asked: Fault(400) if of_the_bad(asked) else None
        with exporter.living() as worker, exporter.traffic.flowing():
            exporter.await_told("[filter:bad]")
            asked = sum(map(of_the_bad, source.requests))
            exporter.await_passed(now(), "bad")
            # Asked, also without an argument that older services do not know, and then no more.
            assert asked == sum(map(of_the_bad, source.requests)) <= 2
            exporter.end(worker, signal.SIGTERM)
        assert not any(filter_ == "bad" for filter_, _ in exporter.positions())
        source.faults = []
        end_well(exporter)


@pytest.mark.promise("C3")
def test_filters_that_overlap_store_each_sample_once(place: Place, tmp_path: pathlib.Path, seed: int, record: Record) -> None:
    overlapping = {
        "project": OF_A_PROJECT,
        "resource": ALL_THREE["resource"],
        "meter": Filter(
            "user_id=u;source=openstack", "disk.r*, cpu", ("disk.read", "cpu"), lambda row: row[0] in ("disk.read", "cpu")
        ),
    }
    with exporting(tmp_path, place, seed, overlapping) as (exporter, _, _proxy):
        with exporter.living() as worker:
            with exporter.traffic.flowing():
                exporter.watch(1)
            exporter.settle()
            exporter.end(worker, signal.SIGTERM)
        faults = exporter.audit()
        record(samples=len(exporter.traffic.rows), rows=place.count(), **figures(faults))
        assert not faults, faults
        assert 0 < place.count() < len(exporter.traffic.rows)

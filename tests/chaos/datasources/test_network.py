"""The backend of a datasource is away, or breaks: a run of a strategy loses some seconds, then nothing is asked for a minute."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import time
import types
import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import undercroft
from tests.conftest import FULL, WHOLE, stores
from tests.datasources.broken import Behaviour, Broken, broken, drips, forwarded, half, in_turn, reset, silent, told
from undercroft.conformance.clock import now
from undercroft.conformance.datasources.feeding import Series, feeder
from undercroft.conformance.limits import within
from undercroft.conformance.plugin import Target
from undercroft.core import registry
from undercroft.core import time as times
from undercroft.datasources import retrying
from undercroft.datasources.remote import Remote
from undercroft.engines import http

pytestmark = pytest.mark.timeout(600)
Record = Callable[..., None]

QUESTIONS, LONGEST, ATTEMPTS = 3_000, 15.0, 10
METER, LEVEL = "host_cpu_usage", 37.5
FAULTS: dict[str, Behaviour | None] = {
    "silent": silent, "drips": drips, "half": half, "reset": reset, "500": told(500, error="broken"), "refused": None,
}  # fmt: skip
# Those for which every attempt takes its whole time; the others may be tried again sooner, unless the run is full.
SLOW = ("silent", "drips")
# Backends that the gate meets these on; each takes 15 seconds.
WAITED_FOR = 2
FAULTS_OF = {
    "test_a_backend_that_is_away_costs_a_strategy_seconds": tuple(FAULTS),
    "test_a_question_about_all_instances_costs_no_more": SLOW,
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" not in metafunc.fixturenames:
        return
    found = [each for each in stores(metafunc.config, "datasources") if _is_remote(each)]
    nothing = pytest.mark.skip(reason="NOT RUN: no engine of this run is the backend of a datasource")
    faults = FAULTS_OF.get(metafunc.definition.name)
    if faults is None:
        first = metafunc.definition.get_closest_marker("any_engine") is not None
        given = [pytest.param(each, id=each.driver) for each in (found[:1] if first else found)]
        metafunc.parametrize("backend", given or [pytest.param(None, marks=nothing)])
        return
    pairs = [
        pytest.param(each, fault, id=f"{each.driver}-{fault}")
        for place, each in enumerate(found)
        for fault in faults
        # The same code waits for all of them.
        if WHOLE or FULL or place < WAITED_FOR or fault not in SLOW
    ]
    metafunc.parametrize(("backend", "fault"), pairs or [pytest.param(None, faults[0], marks=nothing)])


def _is_remote(target: Target) -> bool:
    return issubclass(registry.load(target.kind, target.driver), Remote)


class Run:
    """What a strategy asks, through a network that breaks."""

    def __init__(self, source: Any, network: Broken, hosts: list[str], ahead: list[float]) -> None:
        self.source, self.network, self._hosts, self._ahead = source, network, hosts, ahead

    def ask(self, number: int = 0) -> float | None:
        host = self._hosts[number % len(self._hosts)]
        found: float | None = self.source.statistic_aggregation({"hypervisor_hostname": host}, None, METER, 600)
        return found

    def is_right(self) -> bool:
        found = self.ask()
        return found is not None and math.isclose(found, LEVEL, rel_tol=1e-6)

    def strategy(self, enough: float = LONGEST) -> tuple[float, int]:
        """The seconds that a run took, and its requests; given up when it took longer than it may."""
        before, began = len(self.network.requests), time.monotonic()
        for number in range(QUESTIONS):
            assert self.ask(number) is None
            if time.monotonic() - began > enough:
                break
        return time.monotonic() - began, len(self.network.requests) - before

    def later(self, seconds: float) -> None:
        """Let the breaker's clock go on."""
        self._ahead[0] += seconds


@pytest.fixture
def run(request: pytest.FixtureRequest, backend: Target, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """A source behind a network that works, with the default options where the fault is a slow one."""
    moment = times.now().replace(second=0, microsecond=0) - dt.timedelta(minutes=1)
    hosts = [f"h{number}-{uuid.uuid4().hex[:12]}.example.com" for number in range(3)]
    minutes = [moment - dt.timedelta(minutes=each) for each in range(20, -1, -1)]
    with contextlib.closing(feeder(backend.url)) as writer:
        writer.feed([Series(METER, host, [(times.to_micros(each), LEVEL) for each in minutes]) for host in hosts])
    ahead = [0.0]
    monkeypatch.setattr(retrying, "clock", types.SimpleNamespace(monotonic=lambda: time.monotonic() + ahead[0]))
    parts = urllib.parse.urlsplit(backend.url)
    user, at, _ = parts.netloc.rpartition("@")
    fault = request.node.callspec.params.get("fault", "silent")
    options = {} if FULL or fault in SLOW else {"query_interval": 0.05}
    with broken(forwarded, (str(parts.hostname), int(parts.port or 0))) as network:
        url = parts._replace(netloc=f"{user}{at}127.0.0.1:{network.port}").geturl()
        with now(moment), contextlib.closing(undercroft.connect("datasources", url, **options)) as source:
            yield Run(source, network, hosts, ahead)


def start(network: Broken, fault: str) -> None:
    behaviour = FAULTS[fault]
    if behaviour is None:
        network.refuse()
    else:
        network.behaviour = behaviour


def heal(network: Broken, fault: str) -> None:
    network.behaviour = forwarded
    if FAULTS[fault] is None:
        network.accept()


@pytest.mark.promise("N1")
def test_a_backend_that_is_away_costs_a_strategy_seconds(run: Run, fault: str, record: Record) -> None:
    assert run.is_right()
    start(run.network, fault)
    took, requests = run.strategy(2 * LONGEST)
    assert requests <= ATTEMPTS
    # Nothing is asked, though it would be answered again.
    heal(run.network, fault)
    before = len(run.network.requests)
    run.later(retrying.PAUSE - took - 2)
    unasked, none = run.strategy()
    assert none == 0
    # Less what questions take that nobody is asked: on a busy machine that is a second.
    within(took - unasked, LONGEST)
    run.later(took + 4)
    assert run.is_right()
    assert len(run.network.requests) > before
    record(questions=QUESTIONS, took=round(took, 1), requests=requests)


@pytest.mark.promise("N1")
def test_a_question_about_all_instances_costs_no_more(run: Run, fault: str) -> None:
    """Though it may be cut into parts, which a backend that is slow, and not away, would answer."""
    assert run.is_right()
    start(run.network, fault)
    began = time.monotonic()
    assert run.source.answers("instance_cpu_usage") is None
    within(time.monotonic() - began, LONGEST)
    assert run.source.is_resting


@pytest.mark.promise("N1")
def test_a_token_that_is_refused_in_the_middle_costs_nothing(run: Run) -> None:
    assert run.is_right()
    run.network.behaviour = in_turn(told(401), forwarded)
    assert run.is_right()
    assert run.is_right()


@pytest.mark.promise("N1")
@pytest.mark.any_engine
@pytest.mark.parametrize("fault", ["500"])
def test_twin_without_the_breaker_every_question_is_asked(run: Run, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run.is_right()
    monkeypatch.setattr(retrying, "PAUSE", 0.0)
    start(run.network, fault)
    # A full run waits for a second between attempts.
    assert run.strategy(LONGEST if FULL else 2.0)[1] > ATTEMPTS


@pytest.mark.promise("N1")
@pytest.mark.any_engine
@pytest.mark.parametrize("fault", ["drips"])
def test_twin_without_deadlines_a_drip_is_waited_for(run: Run, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run.is_right()
    monkeypatch.setattr(http, "limited", lambda *_: contextlib.nullcontext())
    start(run.network, fault)
    assert run.strategy()[0] > LONGEST

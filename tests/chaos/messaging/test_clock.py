"""The clock of a client, or of a service, is set by hours, and two are 90 s apart: claims end by the engine's clock (T1)."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.service import serving
from tests.chaos.messaging import clocked, means
from tests.chaos.messaging.sending import HEADERS
from tests.conftest import url_of
from undercroft.conformance.plugin import Opener

pytestmark = [pytest.mark.promise("T1"), pytest.mark.timeout(600)]
TOP = pathlib.Path(__file__).parent.parent.parent.parent
JUMP, BESIDE = 7_200, 90
# Seconds of a claim, and those within which its messages are back.
TTL, LATE, APART = 2, 2, 0.1
PATH = "/messaging/v2/queues/clocked"


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The library that gives a process a clock of its own."""
    script = [str(TOP / "tests" / "engines" / "need-faketime.sh"), str(tmp_path_factory.mktemp("faketime")), "1"]
    done = subprocess.run(script, env={**os.environ, "UCTEST_PYTHON": sys.executable}, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("NOT RUN: needs the wheel libfaketime")
    return done.stdout.strip()


class Clock:
    """The clock of another process."""

    def __init__(self, library: str, folder: pathlib.Path) -> None:
        self._file = folder / "clock"
        self.set(0)
        self.environment = {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, seconds: int) -> None:
        """Let it be so many seconds ahead."""
        # At once: a file that is being written is a clock that is right.
        other = self._file.with_suffix(".new")
        other.write_text(f"{seconds:+}\n")
        other.replace(self._file)


@pytest.fixture
def clock(library: str, tmp_path: pathlib.Path) -> Clock:
    return Clock(library, tmp_path)


@pytest.fixture
def server(opener: Opener) -> Opener:
    """An empty namespace on an engine that has a clock."""
    opener()
    if not opener.target.host:
        # Not a gap: a file has no clock but the machine's, which is the one that is set.
        pytest.skip("a file has no clock of its own")
    return opener


class Client:
    """Another process that works on the queue."""

    def __init__(self, opener: Opener, clock: Clock, *, twin: bool = False) -> None:
        command = [sys.executable, "-m", "tests.chaos.messaging.clocked", opener.url, opener.namespace]
        command += ["blind"] if twin else []
        self.process = subprocess.Popen(
            command, env={**os.environ, **clock.environment}, cwd=TOP, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __call__(self, name: str, number: int = 0) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{json.dumps([name, number])}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@contextlib.contextmanager
def client(opener: Opener, clock: Clock, *, twin: bool = False) -> Iterator[Client]:
    """Another process, which ends with the block."""
    found = Client(opener, clock, twin=twin)
    try:
        yield found
    finally:
        found.process.kill()
        found.process.communicate()


def returned(store: Any, ids: list[str], call: float) -> tuple[float, float]:
    """Seconds from a call until the first and the last message can be claimed; a claim that they are under must end by itself."""
    left, first = set(ids), 0.0
    while left and time.monotonic() < call + TTL + LATE + 2:
        left -= set(clocked.claim(store, 600))
        first = first or (time.monotonic() - call if len(left) < len(ids) else 0.0)
        time.sleep(0.02)
    return first, time.monotonic() - call


def jumped(opener: Opener, clock: Clock, *jumps: int, twin: bool = False) -> list[str]:
    """What goes wrong while the clock of a client is set forth and back."""
    store, wrong = opener.opened[0], []
    with client(opener, clock, twin=twin) as other:
        ids = clocked.post(store, 3)
        assert max(other("ages")) < JUMP
        if clocked.claim(store, 600) != ids:
            wrong.append("no claim")
        for ahead in jumps:
            clock.set(ahead)
            if other("claim", 600):
                wrong.append(f"{ahead}: a claim is freed early")
            fresh = other("post", 2)
            if not fresh > ids:
                wrong.append(f"{ahead}: ids go back")
            told, found = other("ages"), clocked.ages(store, 0)
            if len(told) != len(found) or any(abs(a - b) > BESIDE / 2 for a, b in zip(told, found, strict=False)):
                wrong.append(f"{ahead}: messages are of another age, or lost: {told}, {found}")
            call = time.monotonic()
            if other("claim", TTL) != fresh:
                wrong.append(f"{ahead}: new messages are not to be claimed")
            first, last = returned(store, fresh, call)
            if not TTL - APART <= first <= last <= TTL + LATE:
                wrong.append(f"{ahead}: a claim of {TTL} s ends after {first:.1f} to {last:.1f} s")
            ids += fresh
        if len(clocked.ages(store, 0)) != len(ids):
            wrong.append("messages are lost")
    return wrong


def test_claims_end_by_the_clock_of_the_engine(server: Opener, clock: Clock, record, figure):
    jumps = figure((JUMP, -JUMP), (JUMP, -JUMP, BESIDE))
    wrong = jumped(server, clock, *jumps)
    record(jumps=len(jumps), wrong=len(wrong))
    assert wrong == []


def test_a_client_that_looks_at_the_clock_once_frees_claims_early(server: Opener, clock: Clock, record):
    means.of(server.opened[0])
    wrong = jumped(server, clock, JUMP, twin=True)
    record(wrong=len(wrong))
    assert any("freed early" in each for each in wrong)


def test_claims_of_a_service_whose_clock_is_set(server: Opener, clock: Clock, monkeypatch: pytest.MonkeyPatch):
    for name, value in clock.environment.items():
        monkeypatch.setenv(name, value)
    # This test is about expiry, so a busy server gets more time to answer.
    with serving(None, messaging=url_of(server), auth="none", deadline="30s") as service:
        for name in clock.environment:
            monkeypatch.delenv(name)

        def ask(method: str, path: str, body: Any = None) -> Any:
            answer = service.client.request(method, PATH + path, json=body, headers=HEADERS)
            assert answer.status_code in (200, 201, 204), answer.text
            return answer.json() if answer.content else {}

        ask("POST", "/messages", {"messages": [{"ttl": 3_600, "body": n} for n in range(3)]})
        (first,) = ask("POST", "/claims?limit=1", {"ttl": 60, "grace": 60})["messages"]
        for ahead in (JUMP, -JUMP, BESIDE, 0):
            clock.set(ahead)
            claimed = ask("POST", "/claims?limit=3", {"ttl": 60, "grace": 60}).get("messages", [])
            assert first["href"] not in [each["href"] for each in claimed]
            assert ask("GET", "/stats")["messages"]["total"] == 3
            assert all(each["age"] < 60 for each in claimed)

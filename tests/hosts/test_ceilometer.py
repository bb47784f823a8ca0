"""A real Ceilometer publishes through its real pipeline; our service is killed, its database stopped: every event is there once."""

from __future__ import annotations

import contextlib
import json
import pathlib
import random
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.service import Service
from tests.chaos import servers
from tests.chaos.servers import Server
from tests.conftest import url_of
from tests.engines.run import free_ports
from tests.hosts.conftest import Environment, make
from undercroft.conformance.plugin import Opener, Target
from undercroft.events import EventFilter

pytestmark = [pytest.mark.kind("events"), pytest.mark.timeout(900), pytest.mark.one_per_driver]
COUNT = 1_000
PATIENCE = 300
TOKENS = "secret - - service\n"


@pytest.fixture(scope="session")
def ceilometer() -> Environment:
    return make("ceilometer")


class Agent:
    """Ceilometer's pipeline in a process of its own."""

    def __init__(self, environment: Environment, publisher: str, folder: pathlib.Path, count: int = COUNT) -> None:
        self.process = subprocess.Popen(
            [str(environment.python), "-m", "tests.hosts.inside.ceilometer_pipeline", publisher, str(count), str(folder)],
            env=environment.variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder,
        )  # fmt: skip
        assert self.process.stdout is not None
        begun = self.process.stdout.readline()
        while begun and begun != "begun\n":
            begun = self.process.stdout.readline()

    def result(self) -> dict[str, int]:
        out, _ = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, out
        found: dict[str, int] = json.loads(out.splitlines()[-1])
        return found


class Restarted:
    """A service that comes back on its port after each kill."""

    def __init__(self, folder: pathlib.Path, stores: dict[str, Any]) -> None:
        self.port = free_ports(1)[0]
        tokens = folder / "tokens"
        tokens.write_text(TOKENS)
        self._start: Any = lambda: Service(None, **stores, auth="tokens", token_file=tokens, port=self.port)
        self.service = self._start()
        self.service.await_alive()

    def kill(self) -> None:
        self.service.kill()
        self.service.close()
        self.service = self._start()


@contextlib.contextmanager
def restarted(folder: pathlib.Path, **stores: str) -> Iterator[Restarted]:
    found = Restarted(folder, stores)
    try:
        yield found
    finally:
        found.service.close()


def stored(opener: Opener) -> Counter[str]:
    return Counter(event.message_id for event in opener(init=False).get_events(EventFilter()))


@pytest.mark.promise("D2")
def test_a_service_that_is_killed_loses_no_event(ceilometer, opener, tmp_path, seed, record):
    opener()
    rng, kills = random.Random(seed), 0
    with restarted(tmp_path, events=url_of(opener)) as service:
        publisher = f"http://anybody:secret@127.0.0.1:{service.port}/events/v1/ceilometer/events?max_retries=0&batch=False"
        agent = Agent(ceilometer, publisher, tmp_path)
        while agent.process.poll() is None and kills < 5:
            time.sleep(rng.uniform(0.1, 0.4))
            service.kill()
            kills += 1
            service.service.await_alive()
        service.service.await_alive()
        result = agent.result()
    found = stored(opener)
    record(kills=kills, delivered=result["delivered"], came_back=result["came back"], stored=len(found))
    assert kills
    assert result["came back"]
    assert found == Counter(f"m-{number:05}" for number in range(COUNT))


def test_our_publisher_writes_straight_to_the_store(ceilometer, opener, tmp_path):
    opener()
    scheme, _, rest = url_of(opener).partition("://")
    place, _, query = rest.partition("?")
    agent = Agent(ceilometer, f"undercroft://{place}?engine={scheme.partition('+')[0]}&{query}", tmp_path, 50)
    assert agent.result() == {"delivered": 50, "came back": 0}
    assert stored(opener) == Counter(f"m-{number:05}" for number in range(50))


@pytest.mark.promise("D3")
# Rated usage has drivers for SQL only, so these are the SQL servers.
@pytest.mark.parametrize("name", servers.names("rating"))
def test_a_database_that_is_killed_loses_no_event(ceilometer, name, tmp_path, seed, record):
    rng, kills = random.Random(seed), 0
    with servers.own(name, durable=True) as database:
        opener = Opener(Target("events", name, database.url), database.url, "ceilometer")
        opener()
        with restarted(tmp_path, events=url_of(opener)) as service:
            publisher = f"http://anybody:secret@127.0.0.1:{service.port}/events/v1/ceilometer/events?max_retries=0&batch=False"
            agent = Agent(ceilometer, publisher, tmp_path)
            while agent.process.poll() is None and kills < 3:
                time.sleep(rng.uniform(0.2, 0.5))
                _outage(database, rng)
                kills += 1
            result = agent.result()
        found = stored(opener)
        record(kills=kills, delivered=result["delivered"], came_back=result["came back"], stored=len(found))
        for store in opener.opened:
            store.close()
    assert kills
    assert found == Counter(f"m-{number:05}" for number in range(COUNT))


def _outage(database: Server, rng: random.Random) -> None:
    database.kill()
    threading.Event().wait(rng.uniform(0.1, 1))
    database.start()


@pytest.mark.promise("D2")
def test_twin_an_answered_failure_loses_events(ceilometer, tmp_path):
    """With `on_error = answer`, the store away: Ceilometer takes the 503 for the end of the matter."""
    from tests.api.service import serving

    away = f"sqlite:///{tmp_path}/empty.db"
    tokens = tmp_path / "tokens"
    tokens.write_text(TOKENS)
    with serving(None, events=away, event_settings={"on_error": "answer"}, auth="tokens", token_file=tokens) as service:
        url = f"http://anybody:secret@127.0.0.1:{service.port}/events/v1/ceilometer/events?max_retries=0"
        assert Agent(ceilometer, url, tmp_path, 5).result() == {"delivered": 5, "came back": 0}

"""A real Ceilometer publishes through its real pipeline; our service is killed, its database stopped: every event is there once."""

from __future__ import annotations

import json
import pathlib
import random
import subprocess
import time
from collections import Counter

import pytest

from tests.api.service import serving
from tests.chaos import servers
from tests.conftest import publisher_url, url_of
from tests.hosts.ceilometer import TOKENS, message_ids, outage, over_http, own_store, restarted
from tests.hosts.conftest import Environment
from undercroft.conformance.plugin import Opener
from undercroft.events import EventFilter

pytestmark = [pytest.mark.kind("events"), pytest.mark.timeout(900), pytest.mark.one_per_driver]
COUNT = 1_000
PATIENCE = 300
INGEST = "/events/v1/ceilometer/events"


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


def stored(opener: Opener) -> Counter[str]:
    return message_ids(opener, lambda store: store.get_events(EventFilter()))


@pytest.mark.promise("D2")
def test_a_service_that_is_killed_loses_no_event(ceilometer, opener, tmp_path, seed, record):
    opener()
    rng, kills = random.Random(seed), 0
    with restarted(tmp_path, events=url_of(opener)) as service:
        agent = Agent(ceilometer, over_http(service, INGEST, "?max_retries=0&batch=False"), tmp_path)
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
    agent = Agent(ceilometer, publisher_url(url_of(opener)), tmp_path, 50)
    assert agent.result() == {"delivered": 50, "came back": 0}
    assert stored(opener) == Counter(f"m-{number:05}" for number in range(50))


@pytest.mark.promise("D3")
# Rated usage has drivers for SQL only, so these are the SQL servers.
@pytest.mark.parametrize("name", servers.names("rating"))
def test_a_database_that_is_killed_loses_no_event(ceilometer, name, tmp_path, seed, record):
    rng, kills = random.Random(seed), 0
    with own_store("events", name) as (database, opener):
        with restarted(tmp_path, events=url_of(opener)) as service:
            agent = Agent(ceilometer, over_http(service, INGEST, "?max_retries=0&batch=False"), tmp_path)
            while agent.process.poll() is None and kills < 3:
                time.sleep(rng.uniform(0.2, 0.5))
                outage(database, rng)
                kills += 1
            result = agent.result()
        found = stored(opener)
        record(kills=kills, delivered=result["delivered"], came_back=result["came back"], stored=len(found))
    assert kills
    assert found == Counter(f"m-{number:05}" for number in range(COUNT))


@pytest.mark.promise("D2")
def test_twin_an_answered_failure_loses_events(ceilometer, tmp_path):
    """With `on_error = answer`, the store away: Ceilometer takes the 503 for the end of the matter."""
    away = f"sqlite:///{tmp_path}/empty.db"
    tokens = tmp_path / "tokens"
    tokens.write_text(TOKENS)
    with serving(None, events=away, event_settings={"on_error": "answer"}, auth="tokens", token_file=tokens) as service:
        agent = Agent(ceilometer, over_http(service, INGEST, "?max_retries=0"), tmp_path, 5)
        assert agent.result() == {"delivered": 5, "came back": 0}

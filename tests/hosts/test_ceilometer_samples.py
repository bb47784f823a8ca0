"""A real Ceilometer publishes samples; it, our service and the database are killed: what it did not throw away is there once."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import threading
import time
from collections import Counter

import pytest

from tests.chaos import servers
from tests.conftest import publisher_url, url_of
from tests.hosts.ceilometer import PATIENCE, Agent, ids, message_ids, outage, over_http, own_store, restarted
from undercroft.conformance.plugin import Opener, Target
from undercroft.metering import SampleFilter

pytestmark = [pytest.mark.kind("metering"), pytest.mark.timeout(900), pytest.mark.one_per_driver]
INGEST = "/metering/v1/ceilometer/samples"
COUNT = 600
# More than are delivered while servers are killed so often.
MANY, KILLS = 50_000, 3


def stored(opener: Opener) -> Counter[str]:
    return message_ids(opener, lambda store: store.get_samples(SampleFilter()))


def await_stored(opener: Opener, wanted: set[str]) -> Counter[str]:
    end = time.monotonic() + PATIENCE
    while not wanted <= (found := stored(opener)).keys():
        assert time.monotonic() < end, f"{len(wanted - found.keys())} of {len(wanted)} samples are missing"
        time.sleep(0.2)
    return found


def check(opener: Opener, kept: list[int], all_: int) -> Counter[str]:
    """What Ceilometer did not throw away is there once; of the rest, what was stored though its answer was lost may be."""
    found = await_stored(opener, ids(kept))
    assert set(found.values()) == {1}
    assert found.keys() <= ids(list(range(all_)))
    return found


@pytest.mark.promise("D2")
def test_our_publisher_sends_after_kill_9_of_ceilometer_what_it_had_taken(ceilometer, opener, tmp_path, seed, record):
    opener().close()
    publisher = publisher_url(url_of(opener), spool=tmp_path / "spool.db")
    killed = Agent(ceilometer, publisher, 0, COUNT, tmp_path)
    threading.Event().wait(random.Random(seed).uniform(0.1, 0.7))
    killed.kill()
    restarted_one = Agent(ceilometer, publisher, COUNT, COUNT // 10, tmp_path)
    assert restarted_one.is_done.wait(PATIENCE)
    kept = killed.kept + restarted_one.kept
    found = check(opener, kept, COUNT + COUNT // 10)
    restarted_one.end()
    record(kept=len(kept), stored=len(found))
    assert killed.kept
    assert len(restarted_one.kept) == COUNT // 10


@pytest.mark.promise("D3")
@pytest.mark.parametrize("name", servers.names("metering"))
def test_our_publisher_keeps_samples_while_the_database_is_killed(ceilometer, name, tmp_path, seed, record):
    """Also when Ceilometer starts."""
    rng, kills = random.Random(seed), 1
    with own_store("metering", name) as (database, opener):
        database.kill()
        agent = Agent(ceilometer, publisher_url(url_of(opener), spool=tmp_path / "spool.db"), 0, COUNT, tmp_path)
        threading.Event().wait(rng.uniform(0.1, 0.4))
        database.start()
        while not agent.is_done.is_set() and kills < 3:
            threading.Event().wait(rng.uniform(0.1, 0.4))
            outage(database, rng)
            kills += 1
        assert agent.is_done.wait(PATIENCE)
        found = check(opener, list(range(COUNT)), COUNT)
        agent.end()
    record(kills=kills, kept=len(agent.kept), stored=len(found))
    # The pipeline was never held up, and nothing was thrown away.
    assert sorted(agent.kept) == list(range(COUNT))


def test_our_publisher_waits_for_a_file_that_another_program_has_locked(ceilometer, tmp_path):
    database = tmp_path / "metering.db"
    opener = Opener(Target("metering", "sqlite", f"sqlite:///{database}"), f"sqlite:///{database}", "ceilometer")
    opener().close()
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        agent = Agent(ceilometer, publisher_url(url_of(opener, busy_timeout="0.2"), spool=tmp_path / "spool.db"), 0, 100, tmp_path)
        assert agent.is_done.wait(PATIENCE)
        other.execute("ROLLBACK")
    check(opener, list(range(100)), 100)
    agent.end()
    assert sorted(agent.kept) == list(range(100))


def test_twin_a_full_spool_loses_samples_and_ceilometers_log_says_so(ceilometer, tmp_path):
    """The store away, the bound low: what does not fit is thrown away, and only that."""
    away = "postgresql://nobody@127.0.0.1:1/none"
    agent = Agent(ceilometer, publisher_url(away, spool=tmp_path / "spool.db", spool_bytes=20_000), 0, 100, tmp_path)
    assert agent.is_done.wait(PATIENCE)
    agent.end()
    assert 5 < len(agent.kept) < 50
    log = (tmp_path / "ceilometer.log").read_text()
    assert log.count("Continue after error from publisher") == 100 - len(agent.kept)
    assert "dropped: the spool" in log


@pytest.mark.promise("D2")
def test_a_service_that_is_killed_loses_nothing_that_ceilometer_did_not_throw_away(ceilometer, opener, tmp_path, seed, record):
    opener().close()
    rng = random.Random(seed)
    with restarted(tmp_path, metering=url_of(opener)) as service:
        agent = Agent(ceilometer, over_http(service, INGEST), 0, MANY, tmp_path)
        for _ in range(KILLS):
            threading.Event().wait(rng.uniform(0.2, 0.6))
            service.kill()
            service.service.await_alive()
        threading.Event().wait(rng.uniform(0.2, 0.6))
        agent.end()
    found = check(opener, agent.kept, MANY)
    thrown_away = max(agent.kept) + 1 - len(agent.kept)
    record(kills=KILLS, kept=len(agent.kept), thrown_away=thrown_away, stored=len(found))
    assert agent.kept
    assert thrown_away


@pytest.mark.promise("D3")
@pytest.mark.parametrize("name", servers.names("metering"))
def test_a_database_that_is_killed_loses_nothing_that_ceilometer_did_not_throw_away(ceilometer, name, tmp_path, seed, record):
    rng = random.Random(seed)
    with own_store("metering", name) as (database, opener), restarted(tmp_path, metering=url_of(opener)) as service:
        agent = Agent(ceilometer, over_http(service, INGEST), 0, MANY, tmp_path)
        for _ in range(KILLS):
            threading.Event().wait(rng.uniform(0.2, 0.6))
            outage(database, rng)
        threading.Event().wait(rng.uniform(0.2, 0.6))
        agent.end()
        found = check(opener, agent.kept, MANY)
    record(kills=KILLS, kept=len(agent.kept), thrown_away=max(agent.kept) + 1 - len(agent.kept), stored=len(found))
    assert agent.kept

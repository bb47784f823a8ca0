"""Behind a real PgBouncer: settings come with each transaction, and a URL that does not say so is refused with the way out."""

from __future__ import annotations

import concurrent.futures
import shutil
import urllib.parse

import pytest
import sqlalchemy as sa

import undercroft
from tests import odd
from tests.conftest import stores
from tests.counted.tally import tally
from tests.engines import run
from undercroft.conformance.events import data as events
from undercroft.conformance.events.oracle import stored
from undercroft.conformance.examination import problems
from undercroft.conformance.rating import data as rating
from undercroft.core.errors import ConfigInvalid
from undercroft.engines.sql import Database, EngineOptions, raw

WORDS = ["\\", "a'b", "NULL", "é", "\U0001f600"]


@pytest.fixture(scope="module")
def server(request):
    """The URL of the run's PostgreSQL."""
    found = [store.url for store in stores(request.config, "rating") if store.driver == "postgresql"]
    return found[0] if found else pytest.skip("NOT RUN: no PostgreSQL in this run")


@pytest.fixture(scope="module")
def pooled(server, tmp_path_factory):
    """Starts a PgBouncer before the run's PostgreSQL; the function gives a database's URL behind it."""
    if shutil.which("pgbouncer") is None:
        pytest.skip("NOT RUN: no pgbouncer on this machine")
    folders = []

    def start(mode: str = "transaction", ignores: str = "") -> str:
        folder = tmp_path_factory.mktemp("pgbouncer")
        (port,) = run.free_ports(1)
        environment = {
            "PGBOUNCER_OF": str(urllib.parse.urlsplit(server).port), "PGBOUNCER_MODE": mode, "PGBOUNCER_IGNORES": ignores,
        }  # fmt: skip
        engine = run.Engine("pgbouncer", [], "", everywhere=False, start="start-pgbouncer.sh", environment=environment)
        folders.append(folder)
        return run.start(engine, folder, port)["url"]

    yield start
    for folder in folders:
        run.stop(folder)


@pytest.fixture(scope="module")
def by_transaction(pooled):
    return pooled()


@pytest.fixture(scope="module")
def by_session(pooled):
    return pooled("session")


def behind(pooler: str, direct: str) -> str:
    """The URL of a database behind a pooler, from those of the pooler and of the database itself."""
    database = sa.make_url(direct).database
    return sa.make_url(pooler).set(database=database).render_as_string(hide_password=False)


@pytest.fixture(params=["by_transaction", "by_session"])
def odd_url(request, server):
    """A database with odd defaults, behind a PgBouncer of each mode."""
    url = request.getfixturevalue(request.param)
    with odd.postgresql(server) as direct:
        yield behind(url, direct)


def test_stores_work(odd_url):
    store = undercroft.connect("events", odd_url)
    store.init()
    given = [events.event(f"m{n}", events.text("t", word), at=n, raw={"w": word}) for n, word in enumerate(WORDS * 20)]
    parts = [given[n::10] for n in range(10)]
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        list(pool.map(store.record_events, parts))
    assert events.everything(store) == list(map(stored, given))
    assert problems(store) == []
    store.close()
    usage = undercroft.connect("rating", odd_url)
    usage.init()
    frames = [rating.frame(n, *(rating.of(f"{word}{m}", qty="0.1") for word in WORDS for m in range(30))) for n in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda one: usage.push([one]), frames))
    usage.push(frames)
    usage.maintain()
    rating.same_points(rating.everything(usage), rating.flat(frames))
    assert usage.locks().acquire("job", rating.HOUR) is not None
    assert usage.locks().acquire("job", rating.HOUR) is None
    assert problems(usage) == []
    usage.drop()
    usage.close()


@pytest.mark.parametrize("way", ["read", "alone", "write"])
def test_each_transaction_has_its_settings(by_transaction, server, way):
    with odd.postgresql(server) as direct:
        db, _ = Database.open(behind(by_transaction, direct), EngineOptions, {})
        asked = "SELECT name, setting FROM pg_settings"
        found = dict(map(tuple, getattr(db, way)(lambda c: c.exec_driver_sql(asked).all())))
        wanted = db.dialect.pinned()
        assert {name: found[name] for name in wanted} == wanted
        db.close()
        # Nothing of it stays on the server's connection.
        other, _ = Database.open(behind(by_transaction, direct), EngineOptions, {})
        with other.engine.connect() as connection, raw.driver(connection) as own:
            own.rollback()
            row = own.execute("SHOW DateStyle").fetchone()
        assert row == ("German, DMY",)
        other.close()


def test_a_transaction_is_as_many_messages_as_without_a_pooler(server):
    counts = {}
    for pooler in ("none", "transaction"):
        db, _ = Database.open(server, EngineOptions, {"pooler": pooler})
        for way in ("read", "write"):
            getattr(db, way)(lambda c: c.exec_driver_sql("SELECT 1").all())
            with tally() as found:
                getattr(db, way)(lambda c: c.exec_driver_sql("SELECT 1").all())
            counts[pooler, way] = len(found.statements)
        db.close()
    assert counts["transaction", "read"] == counts["none", "read"]
    assert counts["transaction", "write"] == counts["none", "write"]


@pytest.mark.parametrize("ignores", ["", "options"])
def test_without_the_option_it_is_refused(pooled, server, ignores):
    url = pooled(ignores=ignores).partition("?")[0]
    with odd.postgresql(server) as direct:
        store = undercroft.connect("rating", behind(url, direct))
        with pytest.raises(ConfigInvalid, match="pooler=transaction"):
            store.init()
        store.close()

"""`undercroft events import-panko` while Panko writes: an event that commits after one with a higher id comes over too."""

from __future__ import annotations

import contextlib
import json
import urllib.parse

import pytest
import sqlalchemy as sa

import undercroft
from undercroft.cli.events import gaps
from undercroft.core import time
from undercroft.events import EventFilter

pytestmark = pytest.mark.kind("events")
METADATA = sa.MetaData()
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime().with_variant(sa.Numeric(20, 6), "mysql", "mariadb")
TYPE = sa.Table("event_type", METADATA, sa.Column("id", NUMBER, primary_key=True), sa.Column("desc", sa.String(255)))
EVENT = sa.Table(
    "event",
    METADATA,
    sa.Column("id", NUMBER, primary_key=True),
    sa.Column("message_id", sa.String(50), unique=True),
    sa.Column("generated", MOMENT),
    sa.Column("raw", sa.Text),
    sa.Column("event_type_id", NUMBER),
)
for _name, _type in (("text", sa.String(255)), ("int", NUMBER), ("float", sa.Double), ("datetime", MOMENT)):
    _key = sa.Column("event_id", NUMBER, primary_key=True), sa.Column("key", sa.String(100), primary_key=True)
    sa.Table(f"trait_{_name}", METADATA, *_key, sa.Column("value", _type))


@pytest.fixture
def panko(engine, opener):
    """A database with Panko's tables and one type: its URL, and an engine on it. The names are fixed, so it is the test's own."""
    store = opener()
    if not hasattr(store, "create_panko_views"):
        pytest.skip("Panko's driver is for SQL databases")
    url = opener.url.replace("/events.db", "/panko.db")
    with contextlib.ExitStack() as stack:
        if engine.host:
            name = f"panko_{opener.namespace}"
            server = stack.enter_context(store._db.engine.execution_options(isolation_level="AUTOCOMMIT").connect())
            server.exec_driver_sql(f"CREATE DATABASE {name}")
            stack.callback(server.exec_driver_sql, f"DROP DATABASE {name}")
            url = urllib.parse.urlunsplit(urllib.parse.urlsplit(opener.url)._replace(path=f"/{name}"))
        # Panko's own sessions: as SQLAlchemy opens them.
        with contextlib.closing(undercroft.connect("events", url)) as own:
            own._db.dialect.create()
            database = sa.create_engine(own._db.engine.url, poolclass=sa.NullPool)
        METADATA.create_all(database)
        with database.begin() as connection:
            connection.execute(TYPE.insert(), {"id": 1, "desc": "compute.start"})
        yield url, database


def insert(connection, *numbers):
    mysql = connection.dialect.name in ("mysql", "mariadb")
    moment = 1_767_225_600 if mysql else sa.func.current_timestamp()
    for number in numbers:
        row = {"id": number, "message_id": f"m{number:05}", "generated": moment, "raw": "{}", "event_type_id": 1}
        connection.execute(EVENT.insert().values(row))
        connection.execute(METADATA.tables["trait_int"].insert(), {"event_id": number, "key": "size", "value": number})


@pytest.fixture
def bring(run, panko, tmp_path):
    """Import, and what is in the store then: sizes by message id."""
    target = f"sqlite:///{tmp_path}/target.db"
    with contextlib.closing(undercroft.connect("events", target)) as store:
        store.upgrade()

        def call(told):
            command = ("events", "import-panko", panko[0], "--store", target, "--state", tmp_path / "state")
            assert f"{told:,} events," in run(*command).stdout
            return {event.message_id: event.traits[0].value for event in store.get_events(EventFilter())}

        yield call


def expected(*numbers):
    return {f"m{number:05}": number for number in numbers}


def test_an_event_that_commits_after_a_later_id_comes_over(engine, panko, bring):
    """SQLite has one writer: there, the lower id is written later."""
    _, database = panko
    with database.begin() as connection:
        insert(connection, *range(1, 21))
    with database.connect() as late:
        if engine.host:
            insert(late, 21)
        with database.begin() as connection:
            insert(connection, 22)
        assert bring(21) == expected(*range(1, 21), 22)
        if not engine.host:
            insert(late, 21)
        late.commit()
    assert bring(22) == expected(*range(1, 23))
    assert bring(22) == expected(*range(1, 23))


def test_gaps_are_asked_for_until_they_are_a_day_old(panko, bring, tmp_path):
    _, database = panko
    state = tmp_path / "state"
    with database.begin() as connection:
        insert(connection, *range(3, 1_503, 3))
    assert len(bring(500)) == 500
    kept = json.loads(state.read_bytes())
    assert [gap[:2] for gap in kept["gaps"]] == [[number - 2, number - 1] for number in range(3, 1_503, 3)]
    old = (time.now() - gaps.KEPT).isoformat()
    kept["gaps"] = [[first, last, old if first < 1_000 else since] for first, last, since in kept["gaps"]]
    state.write_text(json.dumps(kept))
    with database.begin() as connection:
        insert(connection, 1, 1_499)
    # The old ones are asked for a last time.
    assert bring(502).keys() >= {"m00001", "m01499"}
    with database.begin() as connection:
        insert(connection, 2, 1_498)
    assert bring(503).keys() & {"m00002", "m01498"} == {"m01498"}
    assert all(gap[0] >= 1_000 for gap in json.loads(state.read_bytes())["gaps"])


def test_a_state_without_gaps_has_its_last_ids_read_again(panko, bring, tmp_path):
    _, database = panko
    with database.begin() as connection:
        insert(connection, 20, 22)
    bring(2)
    state = tmp_path / "state"
    kept = json.loads(state.read_bytes())
    del kept["gaps"]
    state.write_text(json.dumps(kept))
    with database.begin() as connection:
        insert(connection, 21)
    assert bring(3) == expected(20, 21, 22)


def test_what_is_found_splits_a_gap():
    since = time.now()
    found = gaps.without([gaps.Gap(1, 9, since), gaps.Gap(11, 11, since)], [1, 4, 5, 11, 12])
    assert found == [gaps.Gap(2, 3, since), gaps.Gap(6, 9, since)]

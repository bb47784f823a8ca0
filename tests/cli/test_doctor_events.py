"""`undercroft doctor` and `undercroft db` on stores of events that are made wrong on purpose, each on its engine."""

from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

import undercroft
from tests.conftest import url_of
from undercroft.conformance.clock import now
from undercroft.events import Event, Trait

pytestmark = pytest.mark.kind("events")
START = dt.datetime(2026, 1, 1)
DOCUMENTS = ("mongodb", "opensearch", "es")


def made(number: int) -> Event:
    traits = [Trait("project_id", 1, "p"), Trait("host", 1, f"h{number % 3}"), Trait("size", 2, number)]
    return Event(f"m{number:02}", f"k{number % 2}", START + dt.timedelta(minutes=number), traits, {})


class Harm(NamedTuple):
    """What is done to a store, which check sees it, and what it says."""

    do: Callable[[Any], object]
    check: str
    says: str
    level: str = "error"


def without_index(store: Any) -> None:
    table = store._tables.event.name
    suffix = f" ON {table}" if store._db.dialect.name == "mariadb" else ""
    store._db.write(lambda c: c.exec_driver_sql(f"DROP INDEX {table}_order{suffix}"))


def without_key(store: Any) -> None:
    setting = store._tables.setting
    store._db.write(lambda c: c.execute(setting.delete().where(setting.c.name.like("cursor%"))))


def index_with_other_fields(store: Any) -> None:
    store._events_in.drop_index("event_kind")
    store._events_in.create_index([("kind", 1)], name="event_kind")


def set_on_all(store: Any, name: str, value: object) -> None:
    store._client.call("PUT", f"/{store._all}/_settings", {name: value}, writes=True)


def foreign_index(store: Any) -> None:
    store._client.call("DELETE", f"/_index_template/{store._prefix}template", writes=True)
    store._client.call("PUT", f"/{store._prefix}2026-02-02/_doc/1", {"traits": "text"}, writes=True, refresh="true")
    store.upgrade()


SQL = [Harm(without_index, "tables", "event_order"), Harm(without_key, "tables", "set up to its end")]
SEARCH = [
    Harm(
        lambda store: store._client.call("DELETE", f"/_index_template/{store._prefix}template", writes=True),
        "template",
        "no template",
    ),
    Harm(foreign_index, "template", "2026-02-02 has other fields"),
    Harm(lambda store: set_on_all(store, "index.translog.durability", "async"), "durability: translog", "async", "warning"),
    Harm(lambda store: set_on_all(store, "index.blocks.read_only_allow_delete", True), "writes", "read only"),
]
HARMS = {
    "sqlite": SQL, "postgresql": SQL, "mariadb": SQL,
    "mongodb": [
        Harm(lambda store: store._events_in.drop_index("event_order"), "indexes", "no index event_order"),
        Harm(index_with_other_fields, "indexes", "event_kind has other fields"),
    ],
    "opensearch": SEARCH, "es": SEARCH,
}  # fmt: skip


def harms_of(driver: str) -> list[Harm]:
    return HARMS[driver]


@pytest.mark.promise("D1")
@pytest.mark.usefixtures("an_hour")
def test_a_sound_store_and_what_its_engine_tells(examined, opener, engine):
    """No errors; warnings of what is old, and of what a test's engine leaves out to be quick, or for want of nodes."""
    store = opener()
    store.record_events([made(n) for n in range(20)])
    found = examined(url_of(opener), "--verify", code=1)
    assert [one for one in found.values() if one["level"] == "error"] == []
    assert found["events"]["found"] == "of 2 types, the first of 2026-01-01"
    assert any(check.startswith("durability") for check in found)
    warned = {check.partition(":")[0] for check, one in found.items() if one["level"] == "warning"}
    assert "retention" in warned
    assert "the next run of the worker deletes 20 of 20 (100 %) events" in found["retention"]["found"]
    if engine.driver not in DOCUMENTS:
        assert warned <= {"retention", "durability"}
        assert {"clock", "tables", "rights", "size"} <= found.keys()
        assert found["traits"]["found"] == "are found by their values, all of 20 events"


def test_what_is_wrong_is_seen_and_an_upgrade_mends_what_it_can(run, examined, opener, engine):
    place = url_of(opener)
    for harm in harms_of(engine.driver.partition("#")[0]):
        store = opener()
        store.record_events([made(n) for n in range(4)])
        harm.do(store)
        found = examined(place, code=2 if harm.level == "error" else 1)[harm.check]
        assert (found["level"], harm.says in found["found"]) == (harm.level, True), found
        if harm.check in {"tables", "indexes", "template"}:
            assert harm.says in run("db", "check", "--kind", "events", "--store", place, code=1).stdout
            if "db upgrade" in found["advice"] and "drop" not in found["advice"]:
                run("db", "upgrade", "--kind", "events", "--store", place)
                assert run("db", "check", "--kind", "events", "--store", place).stdout.startswith("events: current, ")
        store.drop()


@pytest.fixture
def place(tmp_path):
    """A file of twelve events."""
    url = f"sqlite:///{tmp_path}/events.db"
    with contextlib.closing(undercroft.connect("events", url)) as store:
        store.upgrade()
        store.record_events([made(n) for n in range(12)])
    return url


@pytest.mark.parametrize(
    ("statement", "check", "says"),
    [
        ("DELETE FROM undercroft_events_event_type WHERE name = 'k1'", "references", "6 events whose type is missing"),
        ("DELETE FROM undercroft_events_trait_key WHERE name = 'host'", "references", "12 traits whose name is missing"),
        ("DELETE FROM undercroft_events_event WHERE message_id = 'm03'", "references", "2 traits whose event is missing"),
        ("DELETE FROM undercroft_events_trait_text WHERE event_id < 5", "traits", "of 4 events not every trait"),
        ("UPDATE undercroft_events_event SET project_id = 'q' WHERE message_id = 'm07'", "traits", "of 1 events not every trait"),
    ],
)
def test_verify_sees_rows_that_do_not_fit(examined, place, tmp_path, statement, check, says):
    with sqlite3.connect(tmp_path / "events.db") as database:
        assert database.execute(statement).rowcount > 0
    database.close()
    found = examined(place, "--verify", code=2)
    assert found[check]["level"] == "error"
    assert says in found[check]["found"]
    assert check not in examined(place)


@pytest.mark.usefixtures("an_hour")
def test_old_events_without_a_worker(examined, place):
    with now(START.replace(hour=1, tzinfo=dt.UTC)):
        assert examined(place)["retention"]["level"] == "ok"
    # Nothing is late yet, but the next run deletes all of it.
    with now(START.replace(day=2, tzinfo=dt.UTC)):
        soon = examined(place, code=1)["retention"]
    assert "(100 %) events" in soon["found"]
    assert "--dry-run" in soon["advice"]
    with now(START.replace(day=4, tzinfo=dt.UTC)):
        found = examined(place, code=1)["retention"]
    assert found["level"] == "warning"
    assert "events of 2026-01-01" in found["found"]


def test_a_log_has_nothing_to_be_wrong(examined):
    assert examined("log://") == {"events": {"check": "events", "level": "ok", "found": "are not read again", "advice": ""}}

"""Panko's relations: made as views for its queries, read from its databases for an import that may break off."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import random
import struct
import urllib.parse

import pytest
import sqlalchemy as sa

import undercroft
from undercroft.compat.panko import for_callers
from undercroft.conformance.plugin import Opener, Target
from undercroft.core import registry
from undercroft.core.errors import ConfigInvalid, Conflict, Unavailable
from undercroft.events import Event, EventFilter, Trait
from undercroft.events.drivers.sql.views import NAMES
from undercroft.events.panko import Source

FIRST, LAST = dt.datetime(1, 1, 1, 0, 0, 0, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999)
EDGES = [0.0, -2.5e-308, 5e-324, 1.7976931348623157e308, -1.7976931348623157e308, 2.2250738585072014e-308, 2.225073858507201e-308]


def floats(count: int) -> list[float]:
    found = list(EDGES)
    rng = random.Random(7)
    while len(found) < count:
        (value,) = struct.unpack("<d", rng.randbytes(8))
        if math.isfinite(value):
            found.append(value)
    return found


def made(values: list[float]) -> list[Event]:
    return [
        Event(
            f"m{number:05}",
            f"type.{number % 3}",
            FIRST if number % 2 else LAST,
            [
                Trait("at", 4, LAST if number % 2 else FIRST),
                Trait("load", 3, value),
                Trait("name", 1, "é:%s ☃"),
                Trait("project_id", 1, "p'1"),
                Trait("size", 2, -(2**63)),
            ],
            {"n": [number, None]},
        )
        for number, value in enumerate(values)
    ]


@pytest.fixture
def database(engine: Target, opener: Opener):
    """A store in a database of its own, because the relations' names are fixed, and that database's URL."""
    store = opener()
    if not hasattr(store, "create_panko_views"):
        pytest.skip("views are for SQL databases")
    if not engine.host:
        yield store, opener.url
        return
    server = store._db.engine.execution_options(isolation_level="AUTOCOMMIT")
    name = f"panko_{opener.namespace}"
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    parts = urllib.parse.urlsplit(opener.url)
    url = urllib.parse.urlunsplit(parts._replace(path=f"/{name}"))
    try:
        with contextlib.closing(undercroft.connect("events", url)) as own:
            own.upgrade()
            yield own, url
    finally:
        with server.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name}")


def test_views_show_every_value_exactly(database):
    store, url = database
    events = made(floats(1_500))
    store.record_events(events)
    assert store.create_panko_views() == NAMES
    store.create_panko_views()
    with Source(url) as source:
        found = [event for batch in source.batches() for event in batch.events]
    for event in found:
        event.traits = sorted(event.traits or (), key=lambda trait: trait.name)
    assert found == events


def test_a_host_s_query_runs(database):
    store, _ = database
    store.record_events(made([0.5, 2.0, 7.25]))
    store.create_panko_views()
    asked = """
        SELECT e.message_id FROM event e JOIN event_type t ON t.id = e.event_type_id
        JOIN trait_text p ON p.event_id = e.id JOIN trait_float f ON f.event_id = e.id
        WHERE t.{desc} <> 'type.0' AND p.{key} = 'project_id' AND p.value = 'p''1' AND f.{key} = 'load' AND f.value > 1.5
        ORDER BY e.generated, e.message_id
    """
    names = ("`desc`", "`key`") if store._db.dialect.name == "mariadb" else ('"desc"', '"key"')
    query = sa.text(asked.format(desc=names[0], key=names[1]))
    rows = store._db.alone(lambda c: c.execute(query).scalars().all())
    assert rows == ["m00001", "m00002"]


def test_a_table_in_the_way_is_told(database):
    store, _ = database
    store._db.write(lambda c: c.exec_driver_sql("CREATE TABLE trait_int (event_id BIGINT)"))
    with pytest.raises(Conflict, match="trait_int"):
        store.create_panko_views()


def test_another_store_takes_everything_over_once(database, tmp_path):
    store, url = database
    events = made(floats(2_300))
    store.record_events(events)
    store.create_panko_views()
    with contextlib.closing(undercroft.connect("events", f"sqlite:///{tmp_path}/target.db")) as other:
        other.upgrade()
        with Source(url) as source:
            first = next(source.batches())
            other.store_events(first.events)
            assert source.count(first.last) == len(events) - len(first.events)
            for batch in source.batches(first.last - 5):
                other.store_events(batch.events)
        got = list(other.get_events(EventFilter()))
    assert sorted(got, key=lambda event: event.message_id) == events


def test_a_file_that_is_not_there_is_told_and_not_made(tmp_path):
    missing = tmp_path / "panko.db"
    with pytest.raises(ConfigInvalid, match="no such file"):
        Source(f"sqlite:///{missing}")
    assert not missing.exists()


CALLS = {
    "record_events": lambda store: store.record_events([Event("m", "t", FIRST, [], {})]),
    "get_events": lambda store: list(store.get_events(EventFilter())),
    "get_event_types": lambda store: list(store.get_event_types()),
    "get_traits": lambda store: list(store.get_traits("t")),
    "get_trait_types": lambda store: list(store.get_trait_types("t")),
}


@pytest.mark.promise("S7")
@pytest.mark.parametrize("name", CALLS)
def test_an_error_that_panko_s_api_shows_names_no_store(tmp_path, name):
    """The host answers with the text; its log has the cause."""
    driver = for_callers(registry.load("events", "sqlite"))
    with contextlib.closing(driver(f"sqlite:///{tmp_path}/canary.db")) as store, pytest.raises(Unavailable) as caught:
        CALLS[name](store)
    assert str(caught.value) == "the store is not set up yet; try again later"
    assert "canary.db" in str(caught.value.__cause__)

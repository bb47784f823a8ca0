"""Engines that take statements of 1 MiB: what is ordinary is stored in parts, and one item too long harms no other."""

from __future__ import annotations

import sqlite3

import pytest
import sqlalchemy as sa

import undercroft
from tests.conftest import stores
from undercroft.conformance.events import data as events
from undercroft.conformance.events.oracle import stored
from undercroft.conformance.rating import data as rating
from undercroft.core.errors import InvalidInput
from undercroft.engines.sql import Database, EngineOptions

_PACKET = 2**20


@pytest.fixture
def small(request):
    """Opens stores whose connections send no statement of more than 1 MiB."""
    urls = [store.url for store in stores(request.config, "rating") if store.driver == "mariadb"]
    opened = []

    def connect(kind: str):
        store = undercroft.connect(kind, urls[0], namespace=f"{kind}_in_packets")
        sa.event.listen(store._db.engine, "connect", lambda connection, _: setattr(connection, "room", _PACKET))
        opened.append(store)
        store.init()
        return store

    if not urls:
        pytest.skip("NOT RUN: no MariaDB in this run")
    yield connect
    for store in opened:
        store.drop()
        store.close()


def test_events(small):
    store = small("events")
    given = [
        events.event(f"m{number}", events.text("host", "é" * 200), raw={"x": "'" * 500}, kind=f"k{number % 700}", at=number)
        for number in range(2_000)
    ]
    store.record_events(given)
    assert events.everything(store) == list(map(stored, given))
    outcomes = store.store_events([events.event("a"), events.event("large", raw={"x": "y" * _PACKET}), events.event("b")])
    assert [each.is_new for each in outcomes] == [True, False, True]
    assert "1,048,576" in str(outcomes[1].error)


def test_points(small):
    store = small("rating")
    given = [rating.frame(hour, *(rating.of(f"p{hour}-{n}", name="é" * 100) for n in range(250))) for hour in range(20)]
    store.push(given)
    store.push(given)
    assert store.maintain() > 0
    rating.same_points(rating.everything(store), rating.flat(given))
    with pytest.raises(InvalidInput, match="1,048,576"):
        store.push([rating.frame(1, rating.of("a" * _PACKET))])
    store.push([rating.frame(21 + minute / 60, rating.of("x")) for minute in range(3_000)])
    store.delete()
    assert rating.everything(store) == []


# -- the other engines -------------------------------------------------------------------------------------------------


@pytest.fixture
def short(tmp_path):
    """Opens stores in a file whose texts may have 1 MiB."""
    opened = []

    def connect(kind: str):
        store = undercroft.connect(kind, f"sqlite:///{tmp_path}/{kind}.db")

        def limit(connection, _):
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _PACKET)

        sa.event.listen(store._db.engine, "connect", limit)
        opened.append(store)
        store.init()
        return store

    yield connect
    for store in opened:
        store.close()


def test_a_text_that_sqlite_does_not_take(short):
    store = short("events")
    outcomes = store.store_events([events.event("a"), events.event("large", raw={"x": "y" * _PACKET}), events.event("b")])
    assert [each.is_new for each in outcomes] == [True, False, True]
    assert "1,048,576" in str(outcomes[1].error)
    usage = short("rating")
    with pytest.raises(InvalidInput, match=r"dataframes\[0\].usage\['cpu'\]\[1\]: is larger than SQLite takes"):
        usage.push([rating.frame(1, rating.of("a"), rating.of("b" * _PACKET))])
    usage.push([rating.frame(1, rating.of("a"))])


def test_a_row_that_no_index_of_postgresql_takes(request):
    urls = [store.url for store in stores(request.config, "rating") if store.driver == "postgresql"]
    if not urls:
        pytest.skip("NOT RUN: no PostgreSQL in this run")
    db, _ = Database.open(urls[0], EngineOptions, {})

    def work(connection):
        connection.exec_driver_sql("CREATE TEMPORARY TABLE t (word text PRIMARY KEY)")
        connection.exec_driver_sql("INSERT INTO t SELECT string_agg(md5(n::text), '') FROM generate_series(1, 1000) n")

    with pytest.raises(InvalidInput, match="larger than PostgreSQL takes"):
        db.write(work)
    db.close()

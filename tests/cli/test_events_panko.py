"""`undercroft events import-panko` and `panko-views`, from one SQLite file to another."""

from __future__ import annotations

import contextlib
import datetime as dt

import pytest

import undercroft
from undercroft.events import Event, EventFilter, Trait

START = dt.datetime(2026, 1, 1)


def made(count: int) -> list[Event]:
    return [Event(f"m{n:05}", "compute.start", START + dt.timedelta(seconds=n), [Trait("size", 2, n)], {}) for n in range(count)]


@pytest.fixture
def stores(tmp_path):
    """A database with Panko's relations, and an empty store."""
    old, new = (f"sqlite:///{tmp_path}/{name}.db" for name in ("old", "new"))
    with contextlib.closing(undercroft.connect("events", old)) as source:
        source.upgrade()
        source.record_events(made(1_500))
        source.create_panko_views()
    with contextlib.closing(undercroft.connect("events", new)) as target:
        target.upgrade()
    return old, new


def found(url):
    with contextlib.closing(undercroft.connect("events", url)) as store:
        return list(store.get_events(EventFilter()))


def test_everything_comes_over_and_what_comes_later_too(run, stores, tmp_path):
    old, new = stores
    command = ("events", "import-panko", old, "--store", new, "--state", tmp_path / "state")
    assert "1,500 events," in run(*command).stdout
    assert found(new) == made(1_500)
    with contextlib.closing(undercroft.connect("events", old)) as source:
        source.record_events(made(1_600))
    assert "1,600 events," in run(*command).stdout
    assert found(new) == made(1_600)
    assert "1,600 events," in run(*command, "--restart").stdout
    assert found(new) == made(1_600)


def test_a_row_that_is_damaged_costs_no_other_event(run, stores, tmp_path):
    old, new = stores
    with contextlib.closing(undercroft.connect("events", old)) as source:
        table = source._tables.event.name
        source._db.write(lambda c: c.exec_driver_sql(f"UPDATE {table} SET raw = '{{' WHERE message_id = 'm00007'"))
    run("events", "import-panko", old, "--store", new, "--state", tmp_path / "state")
    assert [event.raw for event in found(new)] == [{}] * 7 + ["{"] + [{}] * 1_492


def test_a_state_of_another_import_is_refused(run, stores, tmp_path):
    old, new = stores
    run("events", "import-panko", old, "--store", new, "--state", tmp_path / "state")
    told = run("events", "import-panko", new, "--store", old, "--state", tmp_path / "state", code=2).stderr
    assert "no database of Panko" in told
    run("events", "panko-views", "--store", new)
    told = run("events", "import-panko", new, "--store", old, "--state", tmp_path / "state", code=2).stderr
    assert "--restart begins anew" in told


def test_views_come_and_go(run, stores):
    _, new = stores
    assert "trait_float" in run("events", "panko-views", "--store", new).stdout
    run("events", "panko-views", "--store", new, "--drop")
    with contextlib.closing(undercroft.connect("events", new)) as store:
        names = store._db.alone(lambda c: c.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'view'").scalars().all())
    assert names == []

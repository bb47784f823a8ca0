"""Opening a store as the host does."""

from __future__ import annotations

import types
from typing import Any

import pytest

from undercroft.core.errors import ConfigInvalid
from undercroft.events import Store, connect, get_connection, get_connection_from_config
from undercroft.events.drivers.sql import Connection


def conf(**options: Any) -> Any:
    defaults = {"connection": None, "event_connection": None, "max_retries": 3, "retry_interval": 0}
    return types.SimpleNamespace(database=types.SimpleNamespace(**{**defaults, **options}))


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "undercroft+sqlite://", "sqlite+pysqlite://"])
def test_by_url(url):
    store = get_connection(url, None)
    assert isinstance(store, Store)
    store.upgrade()
    assert store.get_event_types() == []
    store.close()


def test_an_unknown_driver_is_named():
    with pytest.raises(ConfigInvalid, match="no-such-engine"):
        get_connection("no-such-engine://localhost", None)


@pytest.mark.parametrize("option", ["connection", "event_connection"])
def test_from_configuration(option):
    store = get_connection_from_config(conf(**{option: "sqlite://"}))
    assert isinstance(store, Connection)
    store.close()


@pytest.mark.parametrize(("retries", "calls"), [(5, 5), (1, 1), (0, 1)])
def test_attempts(monkeypatch, retries, calls):
    seen = []

    def refuse(url, conf):
        seen.append(url)
        raise ConnectionError(url)

    monkeypatch.setattr(connect, "get_connection", refuse)
    with pytest.raises(ConnectionError):
        get_connection_from_config(conf(connection="x://", max_retries=retries))
    assert seen == ["x://"] * calls


def test_it_works_in_the_end(monkeypatch):
    seen: list[str] = []

    def refuse_a_while(url, conf):
        seen.append(url)
        if len(seen) < 4:
            raise ConnectionError(url)
        return "open"

    monkeypatch.setattr(connect, "get_connection", refuse_a_while)
    assert get_connection_from_config(conf(connection="x://", max_retries=-1)) == "open"
    assert len(seen) == 4


def test_the_dressed_url():
    assert Connection.dress_url("mysql://u:p@h/db") == "mysql+pymysql://u:p@h/db"
    for url in ("mysql+pymysql://u@h/db", "postgresql://u@h/db", "sqlite://"):
        assert Connection.dress_url(url) == url

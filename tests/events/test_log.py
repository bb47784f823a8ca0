"""The log driver: one line an event, nothing to be read."""

from __future__ import annotations

import datetime as dt
import json
import logging

import pytest

import undercroft
from undercroft.core.errors import InvalidInput, Unsupported
from undercroft.events import Event, EventFilter, Trait, get_connection
from undercroft.events.drivers.log import Connection

AT = dt.datetime(2026, 1, 1, 12)


def test_every_event_is_a_line(caplog):
    store = undercroft.connect("events", "log://", namespace="audit")
    store.upgrade()
    with caplog.at_level(logging.INFO, "audit"):
        store.record_events(
            [Event("a", "t", AT, [Trait("at", 4, AT), Trait("n", 2, 5)], {"deep": [1]}), Event("b\n", "t", AT, [], None)]
        )
    lines = [json.loads(record.getMessage()) for record in caplog.records]
    assert lines[0] == {
        "message_id": "a", "event_type": "t", "generated": "2026-01-01T12:00:00", "raw": {"deep": [1]},
        "traits": [["at", 4, "2026-01-01T12:00:00"], ["n", 2, 5]],
    }  # fmt: skip
    assert lines[1]["message_id"] == "b\n"
    assert all("\n" not in record.getMessage() for record in caplog.records)


def test_an_event_that_is_none_is_told():
    with pytest.raises(InvalidInput):
        undercroft.connect("events", "log://").record_events([Event("a", "t", AT, [Trait("n", 2, 2**63)], {})])


def test_nothing_is_read():
    store = get_connection("log://", None)
    for ask in (
        lambda: store.get_events(EventFilter()), store.get_event_types,
        lambda: store.get_trait_types("t"), lambda: store.get_traits("t"),
        store.count_events, store.tail, store.tail_end,
    ):  # fmt: skip
        with pytest.raises(Unsupported):
            ask()
    assert issubclass(Unsupported, NotImplementedError)
    assert Connection.get_capabilities() == {"events": {"query": {"simple": False}}}
    assert Connection.get_storage_capabilities() == {"storage": {"production_ready": False}}


def test_expiry_is_only_told(caplog):
    with caplog.at_level(logging.INFO):
        assert Connection.clear_expired_data(3600, 100) == 0
    assert caplog.messages == ["Dropping 100 events data with TTL 3600"]
